"""Hyperparameter search for TensorFlow models on a Spark cluster."""

from __future__ import annotations

from types import ModuleType

from sparkexp._version import __version__

__all__ = ["__version__", "errors", "experiment", "storage"]


def __getattr__(name: str) -> ModuleType:
    """Import a public module when it is asked for: ``import sparkexp`` alone stays light."""
    if name in ("errors", "experiment", "storage"):
        import importlib

        return importlib.import_module(f"sparkexp.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
