"""Trials as Spark jobs: the driver's side."""
