"""Search with differential evolution."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Unpack

from sparkexp.api.fidelity_options import FidelityOptions, Halving, take_halving
from sparkexp.checks import as_objectives
from sparkexp.driver.options import Options
from sparkexp.driver.start import start_search
from sparkexp.errors import InvalidArgumentError
from sparkexp.results.result import Result
from sparkexp.search import Searcher
from sparkexp.search.evolution.adaptive import Mode
from sparkexp.search.evolution.choice import EvolutionCall, Variant
from sparkexp.search.spec import Search
from sparkexp.space import Space
from sparkexp.trial import Direction

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

__all__ = ["evolutionary_search"]


def evolutionary_search(
    spark: SparkSession | None,
    train: Callable[..., Any],
    search_dict: Mapping[str, Any],
    direction: Direction | Sequence[Direction] = "max",
    popsize: int | None = None,
    generations: int | None = None,
    crossover: float | None = None,
    mutation: float | None = None,
    *,
    variant: Variant | None = None,
    mode: Mode | None = None,
    seed: int | None = None,
    **options: Unpack[FidelityOptions],
) -> Result:
    """Search with differential evolution, each configuration a trial.

    A configuration that comes again isn't run again.

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
    popsize : int, optional
        Size of the population, at least 4; by default 10, or what suits the variant.
    generations : int, optional
        Generations after the initial population, at least 0; by default 10, or what
        ``max_trials`` leaves room for. The budget is ``popsize * (generations + 1)`` trials, or
        ``max_trials`` where one of the two is left out.
    crossover : float, optional
        Probability in [0, 1] that a gene comes from the donor (CR), by default 0.7. One always
        does.
    mutation : float, optional
        Weight of the difference of two members in the donor (F), in (0, 2], by default 0.5.
    variant : {'classic', 'shade', 'surrogate', 'hybrid'}, optional
        ``'classic'``: DE/rand/1/bin, which a call gets that gives `crossover` or `mutation`.
        ``'shade'`` adapts both to what succeeds. ``'surrogate'`` tries the children that a model
        of all results promises most of. ``'hybrid'`` does that at first, and goes on as SHADE. By
        default the best for the budget is chosen, and the plan says which.
    mode : {'asynchronous', 'generational'}, optional
        ``'asynchronous'``: each result counts at once, and no slot waits; the default of all
        variants but the classic one. ``'generational'``: a generation counts when all of it has
        ended, so that the seed decides everything, in whatever order trials end.
    seed : int, optional
        Makes the search repeatable; drawn and recorded if left out.
    **options
        See `FidelityOptions`, whose best configurations train longer, and `RunOptions`. With
        ``fidelity=``, ``popsize * (generations + 1)`` configurations are tried in all, and there
        are no variants: a model of all results picks children and those that train longer
        (``'surrogate-asha'``), unless ``search=`` names another. `crossover` and `mutation` are
        settings of ``'dehb'``, which a call gets that gives one of them.

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

    R. Tanabe, A. Fukunaga (2013). Success-history based parameter adaptation for differential
    evolution. IEEE Congress on Evolutionary Computation, 71-78.

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
    objectives = as_objectives(direction, checked.metric)
    call = EvolutionCall(
        space,
        objectives[0].direction,
        popsize,
        generations,
        crossover,
        mutation,
        variant,
        mode,
        checked.n_configurations if halving is None else None,
        seed,
        one_by_one=checked.one_by_one,
    )
    if halving is not None:
        halving.check_objectives(objectives)
        searcher, why = _halved(call, halving)
    else:
        searcher, why = call.searcher() if len(objectives) == 1 else call.pareto(objectives)
    notes = (why,) if why else ()
    search = Search(searcher, objectives, space, notes=notes)
    return start_search(spark, train, search, checked)


def _halved(call: EvolutionCall, halving: Halving) -> tuple[Searcher, str]:
    """Return the multi-fidelity search, and in words why it was chosen."""
    if call.variant is not None or call.mode is not None:
        raise InvalidArgumentError(
            "With fidelity= the search is 'surrogate-asha', or that of search=, got "
            f"variant={call.variant!r}, mode={call.mode!r}. Leave both out, or fidelity."
        )
    plain = call.classic()
    n, seed = plain.n_trials, call.seed
    weighed = not (call.crossover is None and call.mutation is None)
    if halving.search == "dehb" or (halving.search is None and weighed):
        why = "" if halving.search else "search 'dehb', which has crossover and mutation"
        found = halving.dehb(call.space, call.direction, n, plain.crossover, plain.mutation, seed)
        return found, why
    if weighed:
        raise InvalidArgumentError(
            f"search={halving.search!r} has no crossover and mutation, got "
            f"crossover={call.crossover!r}, mutation={call.mutation!r}. Leave them out, or say "
            "search='dehb'."
        )
    if halving.search in (None, "surrogate-asha"):
        why = "search 'surrogate-asha': a model picks children and promotions"
        found = halving.surrogate(call.space, call.direction, n, plain.popsize, seed)
        return found, "" if halving.search else why
    searcher = halving.searcher(
        "evolution", call.space, call.direction, n, popsize=plain.popsize, seed=seed
    )
    return searcher, ""
