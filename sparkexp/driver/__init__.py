"""Runs one search, from a checked call to its `Result`."""
