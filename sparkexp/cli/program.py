"""Reads the words of the command line and runs the command that they name."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from sparkexp._version import __version__
from sparkexp.cli.commands import all_commands
from sparkexp.errors import SparkexpError
from sparkexp.texts.printable import printable

__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status.

    Parameters
    ----------
    argv : sequence of str, optional
        The words after the command's name; those of the process by default.

    Returns
    -------
    int
        0, or 1 after an error that was printed, or 130 after Ctrl-C.
    """
    arguments = _parser().parse_args(argv)
    try:
        status: int = arguments.run(arguments)
        return status
    except SparkexpError as error:
        print(printable(f"sparkexp: {error}"), file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="sparkexp", description="Hyperparameter search for TensorFlow models on Spark."
    )
    parser.add_argument("--version", action="version", version=f"sparkexp {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for command in all_commands():
        own = commands.add_parser(
            command.name,
            help=command.help,
            description=command.description or command.help,
            allow_abbrev=False,
        )
        command.arguments(own)
        own.set_defaults(run=command.run)
    return parser
