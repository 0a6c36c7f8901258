"""Search with a searcher of the user's choice."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sparkexp.api.fidelity_options import SEARCH_ROWS, Halving, HalvingName, check_options
from sparkexp.api.keywords import public_call
from sparkexp.checks import as_objectives, class_name
from sparkexp.driver.options import EngineName
from sparkexp.driver.pruning_rule import PruningRule
from sparkexp.driver.start import start_search
from sparkexp.engine import Engine, Gang, Isolation
from sparkexp.errors import InvalidArgumentError
from sparkexp.objective import Objective
from sparkexp.results.result import Result
from sparkexp.search import OptunaSearcher, Searcher
from sparkexp.search.evolution.evolution_call import EvolutionCall
from sparkexp.search.optuna_search import is_sampler
from sparkexp.search.own_searcher import check_searcher, find_own_class
from sparkexp.search.registry import SEARCHERS, build_searcher
from sparkexp.search.spec import Search
from sparkexp.space import Space
from sparkexp.space.constraint import Where
from sparkexp.tracking import Tracker
from sparkexp.trial import Direction

if TYPE_CHECKING:
    from optuna.samplers import BaseSampler
    from pyspark.sql import SparkSession

__all__ = ["build_own_search", "search"]


@public_call(SEARCH_ROWS)
def search(
    spark: SparkSession | None,
    train: Callable[..., Any],
    search_dict: Mapping[str, Any],
    searcher: str | BaseSampler | Searcher = "evolution",
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
    """Search with the searcher of your choice, each configuration a trial.

    Parameters
    ----------
    spark : SparkSession or None
        Classic or Connect; None with ``engine='inline'``.
    train : Callable
        Returns a number, or a dict of numbers of which ``metric=`` names the one to optimise. It
        runs on an executor, in a process of its own.
    search_dict : dict
        As for `evolutionary_search`; with ``searcher='grid'`` as for `launch`.
    searcher : str, optuna.samplers.BaseSampler or Searcher
        ``'random'``; ``'sobol'``, which spreads random points more evenly; ``'grid'``;
        ``'evolution'``, which chooses the variant that suits the budget, or the name of a variant;
        ``'regularized-evolution'``, ``'tournament'`` or ``'reinforcement'``, which are made for
        architectures; with ``fidelity=`` each of these proposes the configurations;
        a sampler of Optuna, such as ``optuna.samplers.TPESampler()``
        (``pip install 'sparkexp[optuna]'``); or a new instance of a `Searcher` of your own.
    direction : {'max', 'min'} or a list of these
        Whether to maximise or to minimise; with several metrics, each of them.
    max_trials : int, optional
        The budget: how many trials to run at most. It is needed, except for a grid, and for a
        searcher of your own that has a number of trials. A configuration that is proposed again
        counts, but is not run again. With ``fidelity=`` it counts promoted trials too, and with
        ``repeats`` all runs.
    seed : int, optional
        Makes the search repeatable; drawn and recorded if left out. A sampler of Optuna has its
        own seed, and a searcher of your own has its own seed and number of trials.

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
        If the session can't run tasks, or Optuna is needed and not installed.
    RunDirectoryError
        If the log directory can't be written or holds another run.

    Examples
    --------
    >>> result = search(None, lambda x: x, {'x': [0.0, 1.0]}, 'sobol', max_trials=16, seed=1,
    ...                 engine='inline', progress=False)
    >>> len(result), result.best.value > 0.9
    (16, True)
    """
    halving, checked = check_options(locals())
    grid = searcher == "grid"
    parse = Space.from_grid_dict if grid else Space.from_search_dict
    space = parse(search_dict, checked.where)
    objectives = as_objectives(direction, checked.metric)
    if isinstance(searcher, Searcher):
        spec = build_own_search(searcher, space, objectives, seed, checked.max_trials)
        return start_search(spark, train, spec, checked)
    if grid and seed is not None:
        raise InvalidArgumentError(
            "A grid runs all of its combinations, and nothing in it is random: leave seed out."
        )
    if not grid and checked.max_trials is None and (halving is None or not halving.has_budget):
        raise InvalidArgumentError("A search needs a number of trials: give max_trials=50.")
    n, why = checked.n_configurations, ""
    if halving is not None:
        chosen, why = _make_halving_searcher(searcher, halving, space, objectives, seed)
    elif searcher == "evolution" and len(objectives) == 1:
        call = EvolutionCall(
            space, objectives[0].direction, max_trials=n, seed=seed, one_by_one=checked.one_by_one
        )
        chosen, why = call.build()
    else:
        chosen = _make_searcher(searcher, space, [each.direction for each in objectives], n, seed)
    notes = (why,) if why else ()
    given = class_name(searcher) if is_sampler(searcher) else None
    spec = Search(chosen, objectives, space, reuse=not grid, notes=notes, given=given)
    return start_search(spark, train, spec, checked)


def _make_halving_searcher(
    given: object,
    halving: Halving,
    space: Space,
    objectives: Sequence[Objective],
    seed: int | None,
) -> tuple[Searcher, str]:
    """Return the searcher of a multi-fidelity search, and why it was chosen."""
    halving.check_objectives(objectives)
    direction = objectives[0].direction
    if given == "evolution":
        return halving.make_evolution(EvolutionCall(space, direction, seed=seed))
    if given == "random":

        def make(n: int | None) -> Searcher:
            return halving.make_searcher("random", space, direction, n, seed=seed)

        return make(halving.count_configurations(make)), ""
    if given == "grid":
        n = halving.n_configurations
        return halving.make_searcher("grid", space, direction, n, seed=0), ""
    if isinstance(given, str) and given in SEARCHERS:
        return halving.make_sourced(given, space, direction, seed), ""
    raise InvalidArgumentError(
        f"With fidelity= the searcher is one of {', '.join(map(repr, SEARCHERS))}, got "
        f"{given!r}. Leave fidelity out, or choose one of these."
    )


def build_own_search(
    searcher: Searcher,
    space: Space,
    objectives: tuple[Objective, ...],
    seed: int | None,
    max_trials: int | None,
) -> Search:
    """Return the search with a searcher that the user constructed.

    Raises
    ------
    InvalidArgumentError
        If it doesn't fit the call, or neither of the two has a number of trials.
    """
    if seed is not None:
        raise InvalidArgumentError(
            "A searcher of your own sets its seed itself: leave seed out, and give it to "
            f"{type(searcher).__name__}(…)."
        )
    check_searcher(searcher, space, [each.direction for each in objectives])
    if searcher.n_trials is None and max_trials is None:
        raise InvalidArgumentError(
            f"A search needs a number of trials, and this {type(searcher).__name__} has none: "
            "give max_trials=50."
        )
    return Search(
        searcher,
        objectives,
        space,
        own_searcher=find_own_class(searcher),
        given=class_name(searcher),
    )


def _make_searcher(
    given: object,
    space: Space,
    directions: Sequence[Direction],
    n_trials: int | None,
    seed: int | None,
) -> Searcher:
    if is_sampler(given):
        if seed is not None:
            raise InvalidArgumentError(
                f"A sampler of Optuna has its own seed: write {type(given).__name__}(seed={seed}) "
                "and leave seed= out."
            )
        return OptunaSearcher(space, directions, n_trials, given)
    if not isinstance(given, str) or given not in SEARCHERS:
        raise InvalidArgumentError(
            f"searcher must be one of {', '.join(map(repr, SEARCHERS))}, or a sampler of Optuna "
            f"such as optuna.samplers.TPESampler(), got {given!r}. A searcher of your own is "
            "handed over as an instance of a class derived from sparkexp.search.Searcher."
        )
    return build_searcher(given, space, directions, n_trials, seed)
