"""Counting: a trained model, what its network sees of an image, and what it counts there."""
