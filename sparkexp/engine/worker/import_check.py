"""Checks that an executor can import what a train function needs, without running it."""

from __future__ import annotations

import importlib
import importlib.metadata
import platform
import socket
import sys
from collections.abc import Callable
from typing import Any

from sparkexp.engine.base import Train
from sparkexp.engine.transfer.train_imports import referred_modules

__all__ = ["import_check"]


def import_check(train: Train) -> Callable[..., float]:
    """Return a function that imports what a train function needs, and prints what it found.

    It takes the same arguments as the train function and returns the number of modules. It refers
    to the train function, so that whoever unpickles it unpickles the train function, too.

    Parameters
    ----------
    train : Callable
        The train function; it is not called.
    """
    modules = [name for name in referred_modules(train) if name not in ("__main__", "builtins")]

    def check(*data: Any, **params: Any) -> float:
        print(f"{train!r} was loaded on {socket.gethostname()}")
        print(f"Python {platform.python_version()} at {sys.executable}")
        for name in modules:
            importlib.import_module(name)
            print(f"{name} {_find_version(name)}".rstrip())
        return float(len(modules))

    return check


def _find_version(module: str) -> str:
    for distribution in importlib.metadata.packages_distributions().get(module, [])[:1]:
        return importlib.metadata.version(distribution)
    return ""
