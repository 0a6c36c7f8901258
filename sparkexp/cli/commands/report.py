"""``sparkexp report``."""

from __future__ import annotations

import argparse
from pathlib import Path

from sparkexp.cli.command import Command
from sparkexp.errors import RunDirectoryError
from sparkexp.runs import open_run

__all__ = ["COMMAND"]


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("logdir", metavar="LOGDIR", help="log directory of a run")
    parser.add_argument("-o", "--output", default="report.html", help="default: %(default)s")


def _run(arguments: argparse.Namespace) -> int:
    from sparkexp.results.report import render_report

    page = render_report(open_run(arguments.logdir))
    try:
        Path(arguments.output).write_text(page, encoding="utf-8", errors="replace")
    except OSError as error:
        raise RunDirectoryError(
            f"The report must be writable, and {arguments.output!r} is not: {error.strerror}. "
            "Name another file with -o."
        ) from error
    print(arguments.output)
    return 0


COMMAND = Command("report", "write a run as one page of HTML, to be mailed", _arguments, _run)
