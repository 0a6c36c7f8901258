"""Architecture search."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sparkexp.api.fidelity_options import SEARCH_ROWS, Halving, HalvingName, check_options
from sparkexp.api.keywords import public_call
from sparkexp.api.search import build_own_search
from sparkexp.checks import as_objectives
from sparkexp.driver.options import EngineName
from sparkexp.driver.pruning_rule import PruningRule
from sparkexp.driver.start import start_search
from sparkexp.engine import Engine, Gang, Isolation
from sparkexp.errors import InvalidArgumentError, SpaceError
from sparkexp.objective import Objective
from sparkexp.results.result import Result
from sparkexp.search import Searcher
from sparkexp.search.registry import SEARCHER_CLASSES, build_searcher
from sparkexp.search.spec import Search
from sparkexp.space import ArchitectureSpace, Space
from sparkexp.space.architecture_check import refuse_class
from sparkexp.space.constraint import Where
from sparkexp.tracking import Tracker
from sparkexp.trial import Direction

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

__all__ = ["SEARCHER_NAMES", "architecture_search"]

# What the names in the call mean in the registry.
SEARCHER_NAMES = {
    "evolution": "regularized-evolution",
    "tournament": "tournament",
    "reinforcement": "reinforcement",
    "random": "random",
}
# The parameter's name where the call has nothing but an architecture space.
ARCHITECTURE = "architecture"


@public_call(SEARCH_ROWS)
def architecture_search(
    spark: SparkSession | None,
    train: Callable[..., Any],
    space: ArchitectureSpace | Mapping[str, Any],
    searcher: str | Searcher = "evolution",
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
    """Search a neural network's architecture, each one that is tried a trial.

    Parameters
    ----------
    spark : SparkSession or None
        Classic or Connect; None with ``engine='inline'``.
    train : Callable
        Returns a number, or a dict of numbers of which ``metric=`` names the one to optimise. It
        runs on an executor, in a process of its own. Its argument ``architecture`` is a
        `nas.Architecture`, whose ``build(...)`` returns a Keras model. Records and TensorBoard
        hold the architecture's text.
    space : nas.ArchitectureSpace or dict
        What architectures there are, such as ``nas.CellSpace(blocks=5)``. A dict has it under the
        argument's name, and ordinary parameters beside it, as for `evolutionary_search`.
    searcher : {'evolution', 'tournament', 'reinforcement', 'random'} or Searcher
        ``'evolution'`` mutates the best of a sample of the population, and drops the oldest
        (regularized evolution). ``'tournament'`` draws two: the worse one dies, and a mutation of
        the better one takes its place. ``'reinforcement'`` trains a controller that proposes
        architectures. ``'random'`` is what they are compared with. Or a new instance of a
        `Searcher` of your own.
    direction : {'max', 'min'} or a list of these
        Whether to maximise or to minimise; with several metrics, each of them.
    max_trials : int
        The budget: how many trials to run at most. An architecture that is proposed again counts,
        but is not trained again. With ``fidelity=`` it counts promoted trials too, and with
        ``repeats`` all runs.
    seed : int, optional
        Makes the search repeatable; drawn and recorded if left out.

    Returns
    -------
    Result
        All trials, failed ones too. ``result.best.architecture`` is the best architecture.

    Raises
    ------
    TrainFunctionError, SpaceError, InvalidArgumentError, EnvironmentUnfitError, RunDirectoryError
        As for `evolutionary_search`.

    References
    ----------
    E. Real, A. Aggarwal, Y. Huang, Q. V. Le (2019). Regularized evolution for image classifier
    architecture search. AAAI, 4780-4789.

    E. Real, S. Moore, A. Selle, S. Saxena, Y. L. Suematsu, J. Tan, Q. V. Le, A. Kurakin (2017).
    Large-scale evolution of image classifiers. ICML, 2902-2911.

    B. Zoph, Q. V. Le (2017). Neural architecture search with reinforcement learning. ICLR.

    Examples
    --------
    >>> from sparkexp import nas
    >>> class DenseWidths(nas.ArchitectureSpace):
    ...     decisions = (nas.Decision('first', (16, 32)), nas.Decision('second', (16, 32, 64)))
    ...     def build(self, architecture, **settings):
    ...         return list(architecture.options.values())
    >>> def train(architecture):
    ...     return sum(architecture.build())
    >>> result = architecture_search(None, train, DenseWidths(), 'random', max_trials=40, seed=1,
    ...                              engine='inline', progress=False)
    >>> result.best.params, result.best.architecture.build()
    ({'architecture': '32-64'}, [32, 64])
    """
    halving, checked = check_options(locals())
    refuse_class(space)
    named = {ARCHITECTURE: space} if isinstance(space, ArchitectureSpace) else space
    searched = Space.from_search_dict(named, checked.where)
    if not searched.architectures:
        raise SpaceError(
            "An architecture search has an architecture space, such as nas.CellSpace(5), got "
            f"{', '.join(searched.names)}. Ordinary parameters alone are searched by "
            "evolutionary_search."
        )
    objectives = as_objectives(direction, checked.metric)
    if isinstance(searcher, Searcher):
        spec = build_own_search(searcher, searched, objectives, seed, checked.max_trials)
        return start_search(spark, train, spec, checked)
    if not isinstance(searcher, str) or SEARCHER_NAMES.get(searcher) not in SEARCHER_CLASSES:
        raise InvalidArgumentError(
            f"searcher must be one of {', '.join(map(repr, SEARCHER_NAMES))}, or an instance of a "
            f"class derived from sparkexp.search.Searcher, got {searcher!r}. Other searchers take "
            "an architecture space, too: experiment.search(…, searcher='surrogate')."
        )
    if halving is not None:
        chosen = _make_halving_searcher(searcher, halving, searched, objectives, seed)
    else:
        if checked.n_configurations is None:
            raise InvalidArgumentError(
                "An architecture search needs a number of trials: give max_trials=500."
            )
        directions = [each.direction for each in objectives]
        chosen = build_searcher(
            SEARCHER_NAMES[searcher], searched, directions, checked.n_configurations, seed
        )
    return start_search(spark, train, Search(chosen, objectives, searched), checked)


def _make_halving_searcher(
    given: str,
    halving: Halving,
    space: Space,
    objectives: Sequence[Objective],
    seed: int | None,
) -> Searcher:
    """Return the searcher of a multi-fidelity search."""
    halving.check_objectives(objectives)
    if not halving.has_budget:
        raise InvalidArgumentError(
            "An architecture search needs a number of trials: give max_trials=500."
        )
    direction = objectives[0].direction
    if given != "random":
        return halving.make_sourced(SEARCHER_NAMES[given], space, direction, seed)

    def make(n: int | None) -> Searcher:
        return halving.make_searcher("random", space, direction, n, seed=seed)

    return make(halving.count_configurations(make))
