"""``sparkexp show``."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence

from sparkexp.cli.command import Command
from sparkexp.cli.run_records import open_runs, run_record
from sparkexp.results.result import Result
from sparkexp.runs import RunDirectory
from sparkexp.texts.printable import csv_cell, printable

__all__ = ["COMMAND"]


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "logdir", metavar="LOGDIR", help="log directory of a run, or one that holds several"
    )
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--failures", action="store_true", help="the tracebacks of failed trials")
    how.add_argument("--json", action="store_true", help="all of it, one line of JSON per run")
    how.add_argument("--csv", action="store_true", help="a row per trial")


def _run(arguments: argparse.Namespace) -> int:
    runs = open_runs(arguments.logdir)
    if arguments.json:
        for run in runs:
            print(json.dumps(run_record(run), allow_nan=False))
        return 0
    if arguments.csv:
        _write_csv(runs)
        return 0
    results = [Result.of_run(run) for run in runs]
    texts = [_failures(result) if arguments.failures else str(result) for result in results]
    if len(runs) > 1:
        texts = [f"{run.location}\n{text}" for run, text in zip(runs, texts, strict=True)]
    print(printable("\n\n".join(texts)))
    return 0


def _failures(result: Result) -> str:
    failures = result.failures()
    if not failures:
        return f"No trial of {result.name!r} has failed."
    return "\n\n".join(f"{name}\n{text.rstrip()}" for name, text in failures.items())


def _write_csv(runs: Sequence[RunDirectory]) -> None:
    import pandas as pd

    frames = []
    for run in runs:
        frame = Result.of_run(run).to_pandas()
        frame.insert(0, "run", run.location)
        frames.append(frame.astype(object))
    table = pd.concat(frames, ignore_index=True).map(csv_cell)
    table.rename(columns=csv_cell).to_csv(sys.stdout, index=False)


COMMAND = Command("show", "print the table of a run", _arguments, _run)
