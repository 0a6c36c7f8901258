"""``sparkexp mlflow``."""

from __future__ import annotations

import argparse
import sys

from sparkexp.cli.command import Command
from sparkexp.results.result import Result
from sparkexp.runs import open_run
from sparkexp.tracking import MLflow
from sparkexp.tracking.mlflow import send_later

__all__ = ["COMMAND"]


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("logdir", metavar="LOGDIR", help="log directory of a run")
    parser.add_argument(
        "--experiment",
        metavar="NAME",
        help="the experiment, for a run that was not followed in MLflow or is to be there, too",
    )
    parser.add_argument(
        "--uri", help="the tracking URI; by default MLFLOW_TRACKING_URI, or that of the search"
    )


def _run(arguments: argparse.Namespace) -> int:
    run = open_run(arguments.logdir)
    tracker = None
    if arguments.experiment is not None:
        tracker = MLflow(arguments.experiment, uri=arguments.uri)
    with run.lock(curves=True):
        result = Result.of_run(run)
        n_unsent = send_later(run, result.search, result.trials, tracker, arguments.uri)
    if n_unsent:
        print(f"sparkexp: MLflow lacks {n_unsent} things. Try again later.", file=sys.stderr)
        return 1
    print(f"All {len(result)} trials are in MLflow.")
    return 0


COMMAND = Command(
    "mlflow", "send to MLflow what it lacks of a run that has ended", _arguments, _run
)
