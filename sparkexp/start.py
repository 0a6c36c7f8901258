"""Starts a search whose arguments are parsed, or tries it out without training anything."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sparkexp.engine import probe_of
from sparkexp.options import Options
from sparkexp.result import Result
from sparkexp.run import run_search
from sparkexp.search import ListSearcher
from sparkexp.search_spec import Search
from sparkexp.signature import check_train
from sparkexp.storage import RunDirectory

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
        What to do.
    options : Options
        How to do it.
    run : RunDirectory, optional
        The run that is taken up again; by default a new one.

    Raises
    ------
    TrainFunctionError
        If the train function can't be called with the names of the search.
    """
    for names in search.names():
        check_train(train, names, takes_data=options.data is not None)
    if options.dry_run and run is None:
        return _try_out(spark, train, search, options)
    return run_search(spark, train, search, options, run)


def _try_out(
    spark: SparkSession | None, train: Callable[..., Any], search: Search, options: Options
) -> Result:
    """Run one trial that loads the train function and its modules, and leaves nothing behind."""
    first = search.searcher.ask()
    searcher = ListSearcher([first.params if first is not None else {}])
    one = Search(searcher, search.direction, needs_values=False, reuse=False)
    quiet = dataclasses.replace(options, dry_run=False, metric=None)
    planned = search if options.progress else None
    result = run_search(spark, probe_of(train), one, quiet, planned=planned)
    (trial,) = result.trials
    output = Path(trial.logdir, "output.log")
    said = output.read_text(errors="replace") if output.exists() else trial.output
    shutil.rmtree(result.logdir, ignore_errors=True)
    return dataclasses.replace(
        result,
        trials=(dataclasses.replace(trial, output=said),),
        stopped="a dry run: the train function was not called",
    )
