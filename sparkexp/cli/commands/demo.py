"""``sparkexp demo``."""

from __future__ import annotations

import argparse

from sparkexp.cli.command import Command

__all__ = ["COMMAND"]


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--master", help="Spark master, local[2] by default")
    parser.add_argument("--logdir", help="directory for the two runs")


def _run(arguments: argparse.Namespace) -> int:
    from sparkexp.demo.search import run_demo

    print(run_demo(arguments.master, arguments.logdir), flush=True)
    return 0


COMMAND = Command(
    "demo", "train small CNNs on real images: a grid search, then an evolution", _arguments, _run
)
