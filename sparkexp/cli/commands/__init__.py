"""The commands: each module here defines one as ``COMMAND``, and is found without a list."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator

from sparkexp.cli.command import Command

__all__ = ["all_commands"]


def all_commands() -> Iterator[Command]:
    """Yield all commands in the order of their names."""
    for found in sorted(pkgutil.iter_modules(__path__), key=lambda module: module.name):
        command = importlib.import_module(f"{__name__}.{found.name}").COMMAND
        assert isinstance(command, Command)
        yield command
