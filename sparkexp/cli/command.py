"""The description of a command of ``sparkexp``."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass

__all__ = ["Command"]


@dataclass(frozen=True)
class Command:
    """One command: ``sparkexp NAME …``.

    Parameters
    ----------
    name : str
        The command's name.
    help : str
        What it does, in one line.
    arguments : Callable
        Adds the command's arguments to the given parser.
    run : Callable
        Runs the command with the parsed arguments and returns the exit status. If it raises a
        `SparkexpError`, the message is printed on stderr and the status is 1.
    description : str, optional
        The first text of ``sparkexp NAME --help``; by default `help`.
    """

    name: str
    help: str
    arguments: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace], int]
    description: str | None = None
