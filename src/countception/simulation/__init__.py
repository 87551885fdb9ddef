"""Simulated microscope images, one small module per look; the public names are in `countception.simulate`."""
