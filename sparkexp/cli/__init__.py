"""The ``sparkexp`` command; what it does is in `sparkexp.cli.commands`."""

from sparkexp.cli.program import main

__all__ = ["main"]
