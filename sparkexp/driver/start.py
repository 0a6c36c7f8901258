"""Starts a search whose arguments are checked, or a dry run of it."""

from __future__ import annotations

import dataclasses
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sparkexp.driver.logdir import choose_logdir
from sparkexp.driver.options import Options
from sparkexp.driver.run import run_search
from sparkexp.driver.train_function import check_train, function_name, takes
from sparkexp.driver.warm_start import apply_warm_start, repeat_trials
from sparkexp.engine import import_check, with_objects
from sparkexp.errors import InvalidArgumentError
from sparkexp.results.result import Result
from sparkexp.runs import RunDirectory, RunPaths
from sparkexp.runs.temporary import read_text, remove_at_end
from sparkexp.search import ListSearcher
from sparkexp.search.spec import Search

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

__all__ = ["start_search"]


def start_search(
    spark: SparkSession | None,
    train: Callable[..., Any],
    search: Search,
    options: Options,
    run: RunDirectory | None = None,
) -> Result:
    """Check the train function against the search, and run the search or a dry run of it.

    Parameters
    ----------
    spark : SparkSession or None
        None with ``engine='inline'``.
    train : Callable
        The train function.
    search : Search
        The search.
    options : Options
        Its options.
    run : RunDirectory, optional
        The run to resume; by default a new one.

    Raises
    ------
    TrainFunctionError
        If the train function can't be called with the names of the search.
    """
    if run is None:
        search = repeat_trials(apply_warm_start(search, options), options, takes(train, "seed"))
    if options.constraints and not search.searcher.knows_violations:
        raise InvalidArgumentError(
            f"constraint= goes with grid, random and Sobol search and with evolutionary_search, "
            f"got the searcher {search.inner.name!r}, which learns nothing of constraints. Take "
            "one of these, without fidelity=, or return a value that is bad where a constraint "
            "is violated. A searcher of your own that reads result.violation sets "
            "knows_violations = True."
        )
    name_sets = search.names()
    all_names = (
        {name for names in name_sets for name in names} if search.space is not None else set()
    )
    for names in name_sets:
        check_train(train, names, options.data is not None, all_names - set(names))
    if options.dry_run:
        return _try_out(spark, train, search, options)
    return run_search(spark, train, search, options, run)


def _try_out(
    spark: SparkSession | None, train: Callable[..., Any], search: Search, options: Options
) -> Result:
    """Run one trial that loads the train function and its modules, and leaves nothing behind."""
    first = search.searcher.ask()
    searcher = ListSearcher([first.params if first is not None else {}])
    one = Search(searcher, search.objectives[:1], needs_values=False, reuse=False)
    wanted = options.resolve_logdir() or str(choose_logdir(options.name or function_name(train)))
    # Beside the log directory, on the same storage; existing files there are not touched.
    parent, _, name = wanted.rpartition("/")
    if parent.endswith(":/"):  # there is nothing beside a bucket
        parent, name = wanted, "run"
    location = f"{parent}/.{name}-dry-run-{uuid.uuid4().hex[:8]}"
    with remove_at_end(location):
        quiet = dataclasses.replace(
            options,
            dry_run=False,
            metric=None,
            constraint=None,
            logdir=location,
            initial=(),
            warm_start=None,
        )
        check = import_check(with_objects(train, search.parsed))
        result = run_search(spark, check, one, quiet, planned=search)
        (trial,) = result.trials
        output = read_text(trial.logdir, RunPaths.output(Path()).name) or trial.output
    return dataclasses.replace(
        result,
        trials=(dataclasses.replace(trial, output=output),),
        stopped="a dry run: the train function was not called",
    )
