"""Differential evolution and what follows from it, one algorithm a file."""
