"""Search with differential evolution."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Unpack

from sparkexp.arguments import as_directions
from sparkexp.calls.fidelity import FidelityOptions, take_halving
from sparkexp.options import Options
from sparkexp.result import Result
from sparkexp.search import EvolutionSearcher, ParetoEvolutionSearcher, Searcher
from sparkexp.search_spec import Search
from sparkexp.space import Space
from sparkexp.start import start_search
from sparkexp.trial import Direction

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

__all__ = ["evolutionary_search"]


def evolutionary_search(
    spark: SparkSession | None,
    train: Callable[..., Any],
    search_dict: Mapping[str, Any],
    direction: Direction | Sequence[Direction] = "max",
    popsize: int = 10,
    generations: int = 10,
    crossover: float = 0.7,
    mutation: float = 0.5,
    *,
    seed: int | None = None,
    **options: Unpack[FidelityOptions],
) -> Result:
    """Search with differential evolution (DE/rand/1/bin), each configuration a trial.

    Parameters
    ----------
    spark : SparkSession or None
        Classic or Connect; None with ``engine='inline'``.
    train : Callable
        Returns a number, or a dict of numbers of which ``metric=`` names the one to optimise. It
        runs on an executor, in a process of its own.
    search_dict : dict
        Two numbers are the bounds of a parameter, in either order: whole ones if both are ints.
        Strings, bools, and more or fewer than two values are choices. `Float`, `Int` and `Choice`
        say more (``log=``, ``step=``).
    direction : {'max', 'min'} or a list of these
        Whether to maximise or to minimise; with several metrics, each of them, and who survives
        is decided by dominance and crowding (NSGA-II).
    popsize : int
        Size of the population, at least 4.
    generations : int
        Generations after the initial population, at least 0: ``popsize * (generations + 1)``
        trials at most. A configuration that comes again isn't run again.
    crossover : float
        Probability in [0, 1] that a gene comes from the donor (CR). One always does.
    mutation : float
        Weight of the difference of two members in the donor (F), in (0, 2].
        With ``fidelity=``, so many configurations are tried in all; the search is DEHB then
        (Awad, Mallik, Hutter 2021), unless ``search=`` names another.
    seed : int, optional
        Makes the search repeatable; drawn and recorded if left out.
    **options
        See `FidelityOptions`, whose best configurations train longer, and `RunOptions`.

    Returns
    -------
    Result
        All trials, failed ones too.

    Raises
    ------
    TrainFunctionError
        If arguments of the function are missing in `search_dict`, or it has others.
    SpaceError, InvalidArgumentError
        If `search_dict` or another argument breaks a rule.
    EnvironmentUnfitError
        If the session can't run tasks.
    RunDirectoryError
        If the log directory can't be written or holds another run.

    References
    ----------
    R. Storn, K. Price (1997). Differential evolution: a simple and efficient heuristic for global
    optimization over continuous spaces. Journal of Global Optimization 11, 341-359.

    Examples
    --------
    >>> result = evolutionary_search(None, lambda x: (x - 0.3) ** 2, {'x': [1.0, 0.0]}, 'min',
    ...     popsize=8, generations=12, seed=1, engine='inline', progress=False)
    >>> len(result), round(result.best.params['x'], 2)
    (104, 0.3)
    """
    halving, others = take_halving(options)
    checked = Options.checked(others)
    space = Space.from_search_dict(search_dict, checked.where)
    senses = as_directions(direction, checked.metric)
    sense = senses[0]
    # It checks the numbers, too.
    plain = EvolutionSearcher(space, sense, popsize, generations, crossover, mutation, seed)
    searcher: Searcher = plain
    if halving is not None:
        halving.check_directions(senses)
    if halving is not None and halving.search is None:
        searcher = halving.dehb(space, sense, plain.n_trials, crossover, mutation, seed)
    elif halving is not None:
        searcher = halving.searcher(
            "evolution", space, sense, plain.n_trials, popsize=plain.popsize, seed=seed
        )
    elif len(senses) > 1:
        searcher = ParetoEvolutionSearcher(
            space, senses, popsize, generations, crossover, mutation, seed
        )
    search = Search(searcher, sense, space, directions=senses)
    return start_search(spark, train, search, checked)
