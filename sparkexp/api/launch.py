"""Grid search over all combinations, or over a list of configurations."""

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
from sparkexp.errors import InvalidArgumentError, SpaceError
from sparkexp.results.result import Result
from sparkexp.search import GridSearcher, ListSearcher, Searcher
from sparkexp.search.spec import Search
from sparkexp.space import Architecture, Choice, Space
from sparkexp.space.constraint import Where
from sparkexp.space.listed_objects import replace_objects
from sparkexp.tracking import Tracker
from sparkexp.trial import Direction, ParamValue

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

__all__ = ["launch"]


@public_call(SEARCH_ROWS)
def launch(
    spark: SparkSession | None,
    train: Callable[..., Any],
    args_dict: Mapping[str, Any] | Sequence[Mapping[str, ParamValue]] | None = None,
    *,
    direction: Direction | Sequence[Direction] = "max",
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
    """Run a train function for all combinations of its arguments, each as a trial on an executor.

    Parameters
    ----------
    spark : SparkSession or None
        Classic or Connect; None with ``engine='inline'``.
    train : Callable
        Returns a number, or a dict of numbers of which ``metric=`` names the one to compare, or
        nothing. It runs on an executor, in a process of its own.
    args_dict : dict or list of dict, optional
        A dict of lists means their Cartesian product, the last name varying fastest; a value that
        is no list is the same in all trials. A list of dicts has one dict for each trial. None
        runs the function once, without arguments.
    direction : {'max', 'min'} or a list of these
        Whether the largest or the smallest value is the best; with several metrics, a list with
        one entry for each.

    Returns
    -------
    Result
        All trials, failed ones too. Where the function returns nothing they have no values.

    Raises
    ------
    TrainFunctionError
        If arguments of the function are missing in `args_dict`, or it has others.
    SpaceError, InvalidArgumentError
        If `args_dict` or an option breaks a rule.
    EnvironmentUnfitError
        If the session can't run tasks.
    RunDirectoryError
        If the log directory can't be written or holds another run.

    Examples
    --------
    >>> result = launch(None, lambda x, y: x * y, {'x': [1, 2, 3], 'y': [5, 7]},
    ...                 engine='inline', progress=False)
    >>> len(result), result.best.params
    (6, {'x': 3, 'y': 7})
    """
    halving, checked = check_options(locals())
    searcher, space, objects = _parse_args_dict(args_dict, checked.where)
    objectives = as_objectives(direction, checked.metric)
    needs_values = halving is not None
    if halving is not None:
        halving.check_objectives(objectives)
        listed = None if space is not None else searcher.settings()["configurations"]
        direction = objectives[0].direction
        searcher = halving.make_searcher(
            "grid", space, direction, halving.n_configurations, configurations=listed, seed=0
        )
    spec = Search(searcher, objectives, space, needs_values, reuse=False, listed_objects=objects)
    return start_search(spark, train, spec, checked)


def _parse_args_dict(
    args_dict: object, where: Where | None
) -> tuple[Searcher, Space | None, dict[str, Choice]]:
    """Return the searcher for `args_dict`, and its space, or what parses a list's objects."""
    if isinstance(args_dict, Mapping):
        space = Space.from_grid_dict(args_dict, where)
        return GridSearcher(space), space, {}
    if not (args_dict is None or isinstance(args_dict, (list, tuple))):
        raise SpaceError(
            "args_dict must be a dict of lists, a list of dicts or None, got "
            f"{type(args_dict).__name__}. Write {{'learning_rate': [0.001, 0.01]}}."
        )
    if where is not None:
        raise InvalidArgumentError(
            "where needs a dict of lists. Leave it out, and leave unwanted configurations out of "
            "the list yourself."
        )
    listed: Sequence[Any] = [{}] if args_dict is None else args_dict
    for each in listed:
        if isinstance(each, Mapping) and any(isinstance(v, Architecture) for v in each.values()):
            raise SpaceError(
                "In a list of dicts, an architecture can't be a value: give a dict of lists, such "
                "as {'architecture': [one, another]}, or str(architecture), which space.parse "
                "reads inside the train function."
            )
    configurations, objects = replace_objects(listed)
    return ListSearcher(configurations), None, objects
