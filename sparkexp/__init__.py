"""Hyperparameter search for TensorFlow models on a Spark cluster."""

from sparkexp._version import __version__

__all__ = ["__version__"]
