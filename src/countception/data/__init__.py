"""Data sets: which files belong together, loaded, checked, split and looked through."""
