"""Differential evolution."""

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
from sparkexp.search.evolution.adaptive import Mode
from sparkexp.search.evolution.evolution_call import EvolutionCall, Variant
from sparkexp.search.spec import Search
from sparkexp.space import Space
from sparkexp.space.constraint import Where
from sparkexp.tracking import Tracker
from sparkexp.trial import Direction

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

__all__ = ["evolutionary_search"]


@public_call(SEARCH_ROWS)
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
    max_trials: int | None = None,
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
    """Search with differential evolution, each configuration a trial.

    A configuration that is proposed again isn't run again.

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
        have further settings (``log=``, ``step=``).
    direction : {'max', 'min'} or a list of these
        Whether to maximise or to minimise; with several metrics, a list with one entry for each.
        Dominance and crowding (NSGA-II) then decide which members survive.
    popsize : int, optional
        Size of the population, at least 4; by default 10, or what suits the variant.
    generations : int, optional
        Generations after the initial population, at least 0; by default 10, or what
        ``max_trials`` leaves room for. The budget is ``popsize * (generations + 1)`` trials, or
        ``max_trials`` where one of the two is left out.
    crossover : float, optional
        Probability in [0, 1] that a gene comes from the donor (CR), by default 0.7. At least one
        gene always does.
    mutation : float, optional
        Weight of the difference of two members in the donor (F), in (0, 2], by default 0.5.
    variant : {'classic', 'shade', 'surrogate', 'hybrid'}, optional
        ``'classic'`` is DE/rand/1/bin; it is the default if `crossover` or `mutation` is given.
        ``'shade'`` adapts both to what succeeds. ``'surrogate'`` tries the children that are the
        best by a model of all results. ``'hybrid'`` does that at first, and goes on as SHADE. By
        default the best variant for the budget is chosen, and the plan names it.
    mode : {'asynchronous', 'generational'}, optional
        ``'asynchronous'``: each result counts at once, and no slot waits; the default of all
        variants but the classic one. ``'generational'``: a generation counts when all of its
        trials have ended, so the seed decides everything, in whatever order trials end.
    seed : int, optional
        Makes the search repeatable; drawn and recorded if left out.

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

    Notes
    -----
    With ``fidelity=``, ``popsize * (generations + 1)`` configurations are tried in all, or as many
    as ``max_trials`` is enough for where one of the two is left out, and there are no variants. A
    model of all results picks the children and the configurations that train longer
    (``'surrogate-asha'``), unless ``search=`` names another search. `crossover` and `mutation` are
    settings of ``'dehb'``, which is the default if one of them is given.

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
    halving, checked = check_options(locals())
    space = Space.from_search_dict(search_dict, checked.where)
    objectives = as_objectives(direction, checked.metric)
    call = EvolutionCall(
        space,
        objectives[0].direction,
        popsize=popsize,
        generations=generations,
        crossover=crossover,
        mutation=mutation,
        variant=variant,
        mode=mode,
        max_trials=checked.n_configurations if halving is None else None,
        seed=seed,
        one_by_one=checked.one_by_one,
    )
    if halving is not None:
        halving.check_objectives(objectives)
        searcher, why = halving.make_evolution(call)
    else:
        searcher, why = call.build() if len(objectives) == 1 else call.build_pareto(objectives)
    budget = checked.max_trials is not None or (halving is not None and halving.has_budget)
    default = "" if budget else call.explain_default()
    notes = tuple(note for note in (why, default) if note)
    spec = Search(searcher, objectives, space, notes=notes)
    return start_search(spark, train, spec, checked)
