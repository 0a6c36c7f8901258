"""Whether a train function could run on an executor, found out without running it."""

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

    It carries the train function along, so that loading the one loads the other, and takes the
    same arguments. It returns the number of modules.

    Parameters
    ----------
    train : Callable
        The train function; never called here.
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
