"""``sparkexp demo``."""

from __future__ import annotations

import argparse

from sparkexp.cli.command import Command

__all__ = ["COMMAND"]


def _arguments(parser: argparse.ArgumentParser) -> None:
    from sparkexp.demo.search import add_options

    add_options(parser)


def _run(arguments: argparse.Namespace) -> int:
    from sparkexp.demo.search import run_demo

    print(run_demo(arguments.master, arguments.logdir), flush=True)
    return 0


COMMAND = Command(
    "demo", "train small CNNs on real images: a grid search, then an evolution", _arguments, _run
)
