"""A search that is planned and tried out, without running the train function."""

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

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

__all__ = ["try_out"]


def try_out(
    spark: SparkSession | None, train: Callable[..., Any], search: Search, options: Options
) -> Result:
    """Run one trial that loads the train function and its modules, and leaves nothing behind.

    Parameters
    ----------
    spark : SparkSession or None
        None with ``engine='inline'``.
    train : Callable
        The train function, checked against the space.
    search : Search
        What would be searched.
    options : Options
        How it would be done.
    """
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
