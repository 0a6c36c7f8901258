"""What a command of ``sparkexp`` is."""

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
        The word that calls it.
    help : str
        What it does, in a line.
    arguments : Callable
        Adds its arguments to the parser given.
    run : Callable
        Does it, given the parsed arguments, and returns the exit status. What it raises of
        `SparkexpError` becomes a line on stderr and the status 1.
    description : str, optional
        What ``sparkexp NAME --help`` says first; by default `help`.
    """

    name: str
    help: str
    arguments: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace], int]
    description: str | None = None
