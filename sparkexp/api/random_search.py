"""Search at random."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Unpack

from sparkexp.api.fidelity_options import FidelityOptions, take_halving
from sparkexp.checks import as_int, as_objectives
from sparkexp.driver.options import Options
from sparkexp.driver.start import start_search
from sparkexp.results.result import Result
from sparkexp.search import RandomSearcher, Searcher
from sparkexp.search.spec import Search
from sparkexp.space import Space
from sparkexp.trial import Direction

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

__all__ = ["random_search"]


def random_search(
    spark: SparkSession | None,
    train: Callable[..., Any],
    search_dict: Mapping[str, Any],
    direction: Direction | Sequence[Direction] = "max",
    n_trials: int = 10,
    *,
    seed: int | None = None,
    **options: Unpack[FidelityOptions],
) -> Result:
    """Search with configurations drawn at random, each a trial.

    Parameters
    ----------
    spark : SparkSession or None
        Classic or Connect; None with ``engine='inline'``.
    train, search_dict, direction, seed, **options
        As for `evolutionary_search`.
    n_trials : int
        Configurations to draw, at least 1. With ``fidelity=`` those that are promoted have further
        trials.

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
    >>> result = random_search(None, lambda x: x, {'x': [0.0, 1.0]}, n_trials=20, seed=1,
    ...                        engine='inline', progress=False)
    >>> len(result), result.best.value > 0.8
    (20, True)
    """
    halving, others = take_halving(options)
    checked = Options.checked(others)
    space = Space.from_search_dict(search_dict, checked.where)
    objectives = as_objectives(direction, checked.metric)
    n_trials = as_int("n_trials", n_trials, at_least=1)  # to the searcher, None is no end
    searcher: Searcher = RandomSearcher(space, n_trials, seed)
    if halving is not None:
        halving.check_objectives(objectives)
        searcher = halving.searcher("random", space, objectives[0].direction, n_trials, seed=seed)
    search = Search(searcher, objectives, space)
    return start_search(spark, train, search, checked)
