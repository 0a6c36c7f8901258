"""Random search."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sparkexp.api.fidelity_options import SEARCH_ROWS, HalvingName, check_options
from sparkexp.api.keywords import public_call
from sparkexp.checks import as_objectives
from sparkexp.driver.options import EngineName
from sparkexp.driver.pruning_rule import PruningRule
from sparkexp.driver.start import start_search
from sparkexp.engine import Engine, Gang, Isolation
from sparkexp.results.result import Result
from sparkexp.search import RandomSearcher, Searcher
from sparkexp.search.spec import Search
from sparkexp.space import Space
from sparkexp.space.constraint import Where
from sparkexp.tracking import Tracker
from sparkexp.trial import Direction

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

__all__ = ["random_search"]

# The budget of a call that names none.
CONFIGURATIONS = 10


@public_call(SEARCH_ROWS)
def random_search(
    spark: SparkSession | None,
    train: Callable[..., Any],
    search_dict: Mapping[str, Any],
    direction: Direction | Sequence[Direction] = "max",
    max_trials: int | None = None,
    *,
    seed: int | None = None,
    fidelity: str | None = None,
    min: int | None = None,
    max: int | None = None,
    eta: float | None = None,
    search: HalvingName | None = None,
    metric: str | Sequence[str] | None = None,
    constraint: str | Sequence[str] | None = None,
    name: str | None = None,
    logdir: str | os.PathLike[str] | None = None,
    parallelism: int | None = None,
    trial_timeout: float | None = None,
    timeout: float | None = None,
    max_failures: int | str | None = "auto",
    target: float | None = None,
    patience: int | None = None,
    stop_when: Callable[[Any], Any] | None = None,
    max_retries: int = 2,
    cpus_per_trial: int | None = None,
    gpus_per_trial: float | None = None,
    workers_per_trial: int | Gang = 1,
    limit_threads: bool = True,
    where: Where | None = None,
    data: object = None,
    engine: EngineName | Engine = "spark",
    isolation: Isolation = "fork",
    py_files: Sequence[str] = (),
    progress: bool = True,
    dry_run: bool = False,
    initial: Sequence[Mapping[str, Any]] = (),
    warm_start: Any = None,
    repeats: int = 1,
    confirm: int = 0,
    prune: str | Mapping[str, int] | PruningRule | None = None,
    keep: str | int = "all",
    on_trial_end: Callable[[Any], Any] | None = None,
    trackers: Sequence[str | Tracker] = ("tensorboard",),
    mlflow: str | None = None,
) -> Result:
    """Search with configurations drawn at random, each a trial.

    Parameters
    ----------
    spark : SparkSession or None
        Classic or Connect; None with ``engine='inline'``.
    train, search_dict
        As for `evolutionary_search`.
    direction : {'max', 'min'} or a list of these
        Whether to maximise or to minimise; with several metrics, each of them.
    max_trials : int, optional
        The budget: how many trials to run at most; by default 10 configurations. With
        ``fidelity=`` it counts promoted trials too, and with ``repeats`` all runs.
    seed : int, optional
        Makes the search repeatable; drawn and recorded if left out.

    Returns
    -------
    Result
        All trials, failed ones too.

    Raises
    ------
    TrainFunctionError, SpaceError, InvalidArgumentError, EnvironmentUnfitError, RunDirectoryError
        As for `evolutionary_search`.

    References
    ----------
    J. Bergstra, Y. Bengio (2012). Random search for hyper-parameter optimization. Journal of
    Machine Learning Research 13, 281-305.

    Examples
    --------
    >>> result = random_search(None, lambda x: x, {'x': [0.0, 1.0]}, max_trials=20, seed=1,
    ...                        engine='inline', progress=False)
    >>> len(result), result.best.value > 0.8
    (20, True)
    """
    halving, checked = check_options(locals())
    space = Space.from_search_dict(search_dict, checked.where)
    objectives = as_objectives(direction, checked.metric)

    def make(n: int) -> Searcher:
        if halving is None:
            return RandomSearcher(space, n, seed)
        return halving.make_searcher("random", space, objectives[0].direction, n, seed=seed)

    if halving is not None:
        halving.check_objectives(objectives)
        n = halving.count_configurations(make)
    else:
        n = checked.n_configurations
    default = f"{CONFIGURATIONS} configurations by default: max_trials= sets the budget"
    notes = () if n else (default,)
    spec = Search(make(n or CONFIGURATIONS), objectives, space, notes=notes)
    return start_search(spark, train, spec, checked)
