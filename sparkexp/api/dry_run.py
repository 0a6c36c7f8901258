"""Dry runs: a search is tried out without training anything."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sparkexp.api.evolutionary_search import evolutionary_search
from sparkexp.api.fidelity_options import SEARCH_ROWS, HalvingName
from sparkexp.api.keywords import LEFT_OUT, collect_keywords, public_call
from sparkexp.api.launch import launch
from sparkexp.api.random_search import random_search
from sparkexp.api.search import search as search_with
from sparkexp.driver.options import EngineName
from sparkexp.driver.pruning_rule import PruningRule
from sparkexp.engine import Engine, Gang, Isolation
from sparkexp.errors import InvalidArgumentError
from sparkexp.results.result import Result
from sparkexp.search.evolution.adaptive import Mode
from sparkexp.search.evolution.evolution_call import Variant
from sparkexp.space.constraint import Where
from sparkexp.tracking import Tracker
from sparkexp.trial import Direction, ParamValue

if TYPE_CHECKING:
    from optuna.samplers import BaseSampler
    from pyspark.sql import SparkSession

__all__ = ["dry_run"]


DRY_ROWS = {name: row for name, row in SEARCH_ROWS.items() if name != "dry_run"}
# The arguments of the calls themselves, by name.
OWN = (
    *("spark", "train", "args_dict", "search_dict"),
    *("direction", "seed", "searcher", "popsize", "generations", "crossover"),
    *("mutation", "variant", "mode"),
)


@public_call(DRY_ROWS)
def dry_run(
    call: Callable[..., Result],
    /,
    *args: Any,
    spark: SparkSession | None = LEFT_OUT,
    train: Callable[..., Any] = LEFT_OUT,
    args_dict: Mapping[str, Any] | Sequence[Mapping[str, ParamValue]] | None = LEFT_OUT,
    search_dict: Mapping[str, Any] = LEFT_OUT,
    direction: Direction | Sequence[Direction] = LEFT_OUT,
    searcher: str | BaseSampler = LEFT_OUT,
    popsize: int | None = LEFT_OUT,
    generations: int | None = LEFT_OUT,
    crossover: float | None = LEFT_OUT,
    mutation: float | None = LEFT_OUT,
    variant: Variant | None = LEFT_OUT,
    mode: Mode | None = LEFT_OUT,
    seed: int | None = LEFT_OUT,
    fidelity: str | None = LEFT_OUT,
    min: int | None = LEFT_OUT,
    max: int | None = LEFT_OUT,
    eta: float | None = LEFT_OUT,
    search: HalvingName | None = LEFT_OUT,
    metric: str | Sequence[str] | None = LEFT_OUT,
    name: str | None = LEFT_OUT,
    logdir: str | os.PathLike[str] | None = LEFT_OUT,
    parallelism: int | None = LEFT_OUT,
    trial_timeout: float | None = LEFT_OUT,
    timeout: float | None = LEFT_OUT,
    max_failures: int | str | None = LEFT_OUT,
    target: float | None = LEFT_OUT,
    max_trials: int | None = LEFT_OUT,
    max_retries: int = LEFT_OUT,
    cpus_per_trial: int | None = LEFT_OUT,
    gpus_per_trial: float | None = LEFT_OUT,
    limit_threads: bool = LEFT_OUT,
    where: Where | None = LEFT_OUT,
    data: object = LEFT_OUT,
    engine: EngineName | Engine = LEFT_OUT,
    isolation: Isolation = LEFT_OUT,
    py_files: Sequence[str] = LEFT_OUT,
    progress: bool = LEFT_OUT,
    initial: Sequence[Mapping[str, Any]] = LEFT_OUT,
    warm_start: Any = LEFT_OUT,
    repeats: int = LEFT_OUT,
    confirm: int = LEFT_OUT,
    prune: str | Mapping[str, int] | PruningRule | None = LEFT_OUT,
    keep: str | int = LEFT_OUT,
    trackers: Sequence[str | Tracker] = LEFT_OUT,
    workers_per_trial: int | Gang = LEFT_OUT,
    patience: int | None = LEFT_OUT,
    stop_when: Callable[[Any], Any] | None = LEFT_OUT,
    on_trial_end: Callable[[Any], Any] | None = LEFT_OUT,
    mlflow: str | None = LEFT_OUT,
    constraint: str | Sequence[str] | None = LEFT_OUT,
) -> Result:
    """Show the plan of a search, and try it out on one executor without training anything.

    Parameters
    ----------
    call : Callable
        `launch`, `search`, `evolutionary_search` or `random_search`.
    *args
        The arguments of the call: session, train function, search space and so on.
    spark, train, args_dict, search_dict, direction, searcher, popsize, generations
        The same by keyword, if the call has them.
    crossover, mutation, variant, mode, seed
        Likewise.

    Returns
    -------
    Result
        One trial: failed if the train function or a module that it needs can't be loaded on an
        executor; its ``output`` names Python, the modules and their versions. Nothing is left on
        disk.

    Raises
    ------
    SparkexpError
        The errors that the search itself would raise.

    Examples
    --------
    >>> def train(x):
    ...     raise RuntimeError('never called')
    >>> dry_run(random_search, None, train, {'x': [0.0, 1.0]}, engine='inline',
    ...         progress=False).failures()
    <function train at ...
    {}
    """
    given = collect_keywords(locals(), (*OWN, *DRY_ROWS))
    if call not in (launch, search_with, evolutionary_search, random_search):
        raise InvalidArgumentError(
            "dry_run tries out launch, search, evolutionary_search or random_search, got "
            f"{call!r}. Write dry_run(launch, spark, train, …)."
        )
    return call(*args, **given, dry_run=True)
