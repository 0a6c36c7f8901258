"""``sparkexp run``."""

from __future__ import annotations

import argparse
import functools
import inspect
from collections.abc import Callable
from contextlib import closing
from typing import Any

from sparkexp import experiment
from sparkexp.api.fidelity_options import FIDELITY_ROWS
from sparkexp.api.held_searches import hold_searches
from sparkexp.cli.call_options import (
    add_budget,
    add_options,
    given_options,
    keywords_of_rows,
    own_keywords,
)
from sparkexp.cli.command import Command
from sparkexp.cli.function_file import load_function
from sparkexp.cli.running import run_search
from sparkexp.cli.space_file import read_space
from sparkexp.driver.options import ROWS
from sparkexp.engine import LateSession
from sparkexp.errors import InvalidArgumentError
from sparkexp.results.result import Result
from sparkexp.search.registry import SEARCHERS

__all__ = ["COMMAND"]

_CALLS: dict[str, Callable[..., Result]] = {
    "grid": experiment.launch,
    "random": experiment.random_search,
    "evolution": experiment.evolutionary_search,
    "asha": functools.partial(experiment.random_search, search="asha"),
    "hyperband": functools.partial(experiment.random_search, search="hyperband"),
    "surrogate-asha": functools.partial(experiment.evolutionary_search, search="surrogate-asha"),
    "dehb": functools.partial(experiment.evolutionary_search, search="dehb"),
}
_NAMES = tuple(dict.fromkeys((*_CALLS, *SEARCHERS)))
_OWN = own_keywords(
    (
        experiment.launch,
        experiment.random_search,
        experiment.evolutionary_search,
        experiment.search,
    )
)
_FIDELITY = keywords_of_rows(FIDELITY_ROWS)
_SHARED = keywords_of_rows(ROWS)


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "train", metavar="FILE.py:FUNCTION", help="the train function, such as train.py:train"
    )
    parser.add_argument("--space", metavar="FILE", help="search space, a .yaml or .json file")
    parser.add_argument("--search", default="grid", metavar="NAME", help=f"{', '.join(_NAMES)}")
    parser.add_argument("--master", help="Spark master; local[2], or that of spark-submit")
    add_options(parser, "options of the search", _OWN)
    add_options(parser, "options of multi-fidelity searches", _FIDELITY)
    add_options(parser, "options of all searches", _SHARED)
    add_budget(parser)


def _run(arguments: argparse.Namespace) -> int:
    with hold_searches():  # those of the scripts, in their threads too
        return _search(arguments)


def _search(arguments: argparse.Namespace) -> int:
    call = _call(arguments.search)
    options = given_options(arguments, {**_OWN, **_FIDELITY, **_SHARED})
    for name in options:
        _check_taken(arguments.search, call, name)
    if not _CALLS.get(arguments.search):
        options["searcher"] = arguments.search
    train = load_function(arguments.train)
    space = None if arguments.space is None else read_space(arguments.space)
    with closing(LateSession(f"sparkexp {arguments.train}", arguments.master)) as session:
        return run_search(lambda: call(session, train, space, **options))


def _call(name: str) -> Callable[..., Any]:
    if name not in _NAMES:
        raise InvalidArgumentError(f"--search must be one of {', '.join(_NAMES)}, got {name!r}.")
    return _CALLS.get(name, experiment.search)


def _check_taken(search: str, call: Callable[..., Any], name: str) -> None:
    """Refuse an option that other searches have."""
    if name in inspect.signature(call).parameters or name == "n_trials":
        return
    others = [n for n in _NAMES if name in inspect.signature(_call(n)).parameters]
    own = [_flag(n) for n in inspect.signature(call).parameters if n in _OWN]
    raise InvalidArgumentError(
        f"--search {search} has no {_flag(name)}, which is an option of {', '.join(others)}. "
        f"Choose one of these, or leave it out: beside the options of all searches, {search} has "
        f"{', '.join(own)}."
    )


def _flag(name: str) -> str:
    return "--" + name.replace("_", "-")


COMMAND = Command(
    "run",
    "search the hyperparameters of a train function",
    _arguments,
    _run,
    "Search the hyperparameters of a train function. Each option is the keyword of the same name "
    "of experiment.launch, random_search, evolutionary_search or search; the value none is None.",
)
