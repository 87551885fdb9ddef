"""Simulated microscope images: one small module per look, and `simulation.simulate` with the public names."""
