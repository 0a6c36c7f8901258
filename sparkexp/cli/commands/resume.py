"""``sparkexp resume``."""

from __future__ import annotations

import argparse
from contextlib import closing

from sparkexp import experiment
from sparkexp.api.held_searches import hold_searches
from sparkexp.api.resume import RESUME_ROWS
from sparkexp.cli.call_options import add_budget, add_options, given_options, keywords_of_rows
from sparkexp.cli.command import Command
from sparkexp.cli.function_file import load_function
from sparkexp.cli.running import run_search
from sparkexp.engine import LateSession
from sparkexp.errors import InvalidArgumentError
from sparkexp.runs import open_run

__all__ = ["COMMAND"]

_OPTIONS = keywords_of_rows(RESUME_ROWS)
# What each process says anew.
_ANEW = [name.replace("_", "-") for name in _OPTIONS if not RESUME_ROWS[name].recorded]


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("logdir", metavar="LOGDIR", help="log directory of the run")
    parser.add_argument(
        "--train",
        metavar="FILE.py:FUNCTION",
        help="the train function; by default where it was when the run began",
    )
    parser.add_argument("--master", help="Spark master; local[2], or that of spark-submit")
    title = f"options, by default those that the run began with (not {', '.join(_ANEW)})"
    add_options(parser, title, _OPTIONS)
    add_budget(parser)


def _run(arguments: argparse.Namespace) -> int:
    with hold_searches():  # those of the script, in its threads too
        return _go_on(arguments)


def _go_on(arguments: argparse.Namespace) -> int:
    options = given_options(arguments, _OPTIONS)
    named = arguments.train or open_run(arguments.logdir).settings.get("train")
    if not isinstance(named, str):
        raise InvalidArgumentError(
            f"A run goes on with its train function, and {arguments.logdir!r} doesn't say where "
            "that is: it came from a script, a notebook or an older version. Name it: --train "
            "train.py:train."
        )
    train = load_function(named)
    with closing(LateSession(f"sparkexp {named}", arguments.master)) as session:
        return run_search(lambda: experiment.resume(session, train, arguments.logdir, **options))


COMMAND = Command("resume", "go on with a search that ended early", _arguments, _run)
