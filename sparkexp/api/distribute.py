"""Trains one model with several workers."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sparkexp.api.keywords import public_call
from sparkexp.checks import as_int, as_objectives
from sparkexp.driver.options import ROWS, Options
from sparkexp.driver.start import start_search
from sparkexp.driver.train_function import check_train
from sparkexp.engine import BatchSize, Gang, Isolation, Strategy
from sparkexp.errors import InvalidArgumentError, TrainFunctionError
from sparkexp.results.result import Result
from sparkexp.search import ListSearcher
from sparkexp.search.spec import Search
from sparkexp.space import Choice, Float, Int
from sparkexp.tracking import Tracker
from sparkexp.trial import Direction, ParamValue

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

__all__ = ["distribute"]

_NAMES = (
    *("metric", "name", "logdir", "timeout", "limit_threads", "data", "isolation", "py_files"),
    *("progress", "dry_run", "keep", "trackers"),
)
DISTRIBUTE_ROWS = {name: ROWS[name] for name in _NAMES}


@public_call(DISTRIBUTE_ROWS)
def distribute(
    spark: SparkSession,
    train: Callable[..., Any],
    params: Mapping[str, ParamValue] | None = None,
    *,
    workers: int,
    strategy: Strategy = "sync",
    servers: int | None = None,
    min_workers: int | None = None,
    batch_size: BatchSize = "gang",
    checkpoint_minutes: float | None = None,
    max_restarts: int = 3,
    direction: Direction | Sequence[Direction] = "max",
    cpus_per_worker: int | None = None,
    gpus_per_worker: float | None = None,
    metric: str | Sequence[str] | None = None,
    name: str | None = None,
    logdir: str | os.PathLike[str] | None = None,
    timeout: float | None = None,
    limit_threads: bool = True,
    data: object = None,
    isolation: Isolation = "fork",
    py_files: Sequence[str] = (),
    progress: bool = True,
    dry_run: bool = False,
    keep: str | int = "all",
    trackers: Sequence[str | Tracker] = ("tensorboard",),
) -> Result:
    """Train one model with several workers, each in a slot of its own.

    The train function is the one that a search runs, with ``model.compile`` and ``model.fit`` of
    Keras. Each worker calls it and trains on its share of the data. After each step all workers
    have the same weights: those that one worker would have with the same batch.

    Parameters
    ----------
    spark : SparkSession
        Classic or Connect.
    train : Callable
        The train function. The value of worker 0, the chief, is that of the training.
    params : dict, optional
        Its arguments.
    workers : int
        How many workers, at least 1.
    strategy : {'sync', 'async'}
        ``'sync'``: all make each step together, with the sum of their gradients. ``'async'``:
        each sends its gradients to parameter servers and takes the newest weights from there.
    servers : int, optional
        With ``'async'``: how many parameter servers; by default 1.
    min_workers : int, optional
        With ``'sync'``: with how many workers the training may go on if there are no slots for
        all. By default it waits for all.
    batch_size : {'gang', 'worker'}
        Whether the ``batch_size`` in ``fit`` is that of all workers together, which they share
        out, or that of each.
    checkpoint_minutes : float, optional
        Minutes from checkpoint to checkpoint within an epoch. By default there is one after each
        epoch only; with ``'async'``, the servers write one every half minute.
    max_restarts : int
        How often the training starts again, from its last checkpoint, after a worker was lost.
    direction : {'max', 'min'} or a list of these
        Whether the metric is the better the larger it is.
    cpus_per_worker : int, optional
        Cores of a worker, by default ``spark.task.cpus``.
    gpus_per_worker : float, optional
        GPUs of a worker, by default ``spark.task.resource.gpu.amount``.

    Returns
    -------
    Result
        One trial. `experiment.resume` goes on with a training whose driver was killed.

    Raises
    ------
    EnvironmentUnfitError
        If the session has fewer slots than there are workers.
    TrainFunctionError, InvalidArgumentError, RunDirectoryError
        As for `launch`.

    Examples
    --------
    ::

        result = experiment.distribute(spark, train, {'learning_rate': 0.1}, workers=8)
        result.best.value

    Several values of an argument are for a search:

    >>> from sparkexp import experiment
    >>> experiment.distribute(None, lambda rate: rate, {'rate': [0.1, 0.2]}, workers=2)
    Traceback (most recent call last):
        ...
    sparkexp.errors.InvalidArgumentError: distribute trains one model, with one value for ...
    """
    gang = Gang(workers, strategy, servers, min_workers, batch_size, checkpoint_minutes)
    given = {
        **{name: value for name, value in locals().items() if name in DISTRIBUTE_ROWS},
        "workers_per_trial": gang,
        "max_retries": as_int("max_restarts", max_restarts, at_least=0),
        "cpus_per_trial": cpus_per_worker,
        "gpus_per_trial": gpus_per_worker,
    }
    options = Options.check(given)
    if params is not None and not isinstance(params, Mapping):
        raise InvalidArgumentError(
            "params must be a dict of the train function's arguments, got "
            f"{type(params).__name__}. Write {{'learning_rate': 0.1}}."
        )
    ranges = (list, tuple, Float, Int, Choice)
    several = [name for name, value in (params or {}).items() if isinstance(value, ranges)]
    if several:
        raise InvalidArgumentError(
            f"distribute trains one model, with one value for each argument, got {several[0]}="
            f"{(params or {})[several[0]]!r}. To try several, search with workers_per_trial="
            f"{workers}: experiment.launch(spark, train, params, workers_per_trial={workers})."
        )
    if spark is None:
        raise InvalidArgumentError(
            "spark must be a SparkSession, got None: workers need processes of their own. Build "
            "one with SparkSession.builder.getOrCreate()."
        )
    if not callable(train):
        raise TrainFunctionError(
            f"The train function must be a function, got {type(train).__name__}. Hand over the "
            "function itself, without calling it: distribute(spark, train, …)."
        )
    check_train(train, params or {}, options.data is not None, given_by="params")
    searcher = ListSearcher([dict(params or {})])
    spec = Search(searcher, as_objectives(direction, options.metric), None, False, reuse=False)
    return start_search(spark, train, spec, options)
