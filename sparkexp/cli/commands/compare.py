"""``sparkexp compare``."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from sparkexp.cli.command import Command
from sparkexp.cli.comparison import Row, find_differences, make_row
from sparkexp.cli.run_records import open_runs
from sparkexp.search.spec import read_objectives
from sparkexp.texts.printable import on_one_line

__all__ = ["COMMAND"]

_HEADS = (
    "run",
    "searcher",
    "trials",
    "failed",
    "best",
    "until best",
    "took",
    "trained",
    "with",
)


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "logdirs", metavar="LOGDIR", nargs="+", help="log directories, of runs or of several runs"
    )


def _run(arguments: argparse.Namespace) -> int:
    runs = [run for logdir in arguments.logdirs for run in open_runs(logdir)]
    rows = [make_row(run) for run in runs]
    notes = find_differences(runs)
    if not notes and len(runs) > 1:
        (objective,) = read_objectives(runs[0].settings)
        if finished := [row for row in rows if row.best is not None]:
            best = min(finished, key=lambda row: objective.loss(row.best))
            metric = f"{objective.name or 'value'} ({objective.direction})"
            print(on_one_line(f"Best {metric}: {best.name}"))
    cells = [tuple(map(on_one_line, _cells(row))) for row in rows]
    print(_table([_HEADS, *cells]))
    for note in notes:
        print(f"note: {on_one_line(note)}")
    return 0


def _cells(row: Row) -> tuple[str, ...]:
    return (
        row.name,
        row.searcher,
        str(row.n_trials),
        str(row.n_failed),
        "–" if row.best is None else f"{row.best:.6g}",
        "–" if row.until_best is None else str(row.until_best),
        f"{row.took_s:.1f} s",
        f"{row.trained_s:.1f} s",
        ", ".join(
            f"{k}={v:.4g}" if isinstance(v, float) else f"{k}={v}" for k, v in row.params.items()
        ),
    )


def _table(rows: Sequence[tuple[str, ...]]) -> str:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    numeric = range(2, len(widths) - 1)
    return "\n".join(
        "  ".join(
            cell.rjust(width) if k in numeric else cell.ljust(width)
            for k, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    )


COMMAND = Command("compare", "print a table of several runs", _arguments, _run)
