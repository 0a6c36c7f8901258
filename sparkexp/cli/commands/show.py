"""``sparkexp show``."""

from __future__ import annotations

import argparse
from pathlib import Path

from sparkexp.cli.command import Command
from sparkexp.result import Result
from sparkexp.storage import RunDirectory, RunPaths

__all__ = ["COMMAND"]


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "logdir", metavar="LOGDIR", help="log directory of a run, or one that holds several"
    )


def _run(arguments: argparse.Namespace) -> int:
    runs = _runs_in(Path(arguments.logdir))
    if len(runs) <= 1:
        print(Result.of_run(RunDirectory.open(runs[0] if runs else arguments.logdir)))
    else:
        print("\n\n".join(f"{run}\n{Result.of_run(RunDirectory.open(run))}" for run in runs))
    return 0


def _runs_in(logdir: Path) -> list[Path]:
    """Return the directory if it holds a run, else those right below it that do."""
    candidates = [logdir, *sorted(logdir.glob("*/"))]
    runs = [path for path in candidates if RunPaths(path).experiment.is_file()]
    return runs[:1] if runs[:1] == [logdir] else runs


COMMAND = Command("show", "print the table of a run", _arguments, _run)
