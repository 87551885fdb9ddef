"""How far to trust a count: calibration, intervals from errors that were seen, and images unlike the known ones."""
