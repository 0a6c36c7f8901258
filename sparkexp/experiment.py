"""The front door: hand over a train function and a search space, get the best configuration.

::

    from sparkexp import experiment

    result = experiment.launch(spark, train,
        {'learning_rate': [0.001, 0.01], 'dropout': [0.5, 0.6]})
    result = experiment.evolutionary_search(spark, train,
        {'learning_rate': [0.0001, 0.1], 'dropout': [0.0, 0.9]}, popsize=10, generations=3)
    result.best.params
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Unpack

from sparkexp.arguments import as_direction, as_int
from sparkexp.errors import InvalidArgumentError, SpaceError
from sparkexp.options import Options, ResumeOptions, RunOptions
from sparkexp.result import Result
from sparkexp.resuming import load, resume
from sparkexp.search import EvolutionSearcher, GridSearcher, ListSearcher, RandomSearcher, Searcher
from sparkexp.search_spec import Search
from sparkexp.space import Choice, Float, Int, Space
from sparkexp.start import start_search
from sparkexp.tracking.current import current_trial
from sparkexp.trial import Direction, ParamValue

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

__all__ = [
    "Choice",
    "Float",
    "Int",
    "Result",
    "ResumeOptions",
    "RunOptions",
    "Space",
    "dry_run",
    "evolutionary_search",
    "launch",
    "load",
    "logdir",
    "random_search",
    "report",
    "resume",
]


def launch(
    spark: SparkSession | None,
    train: Callable[..., Any],
    args_dict: Mapping[str, Any] | Sequence[Mapping[str, ParamValue]] | None = None,
    *,
    direction: Direction = "max",
    **options: Unpack[RunOptions],
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
        A dict of lists is their Cartesian product, the last name varying fastest; a value that is
        no list is the same in all trials. A list of dicts are the trials one by one. None runs
        the function once, without arguments.
    direction : {'max', 'min'}
        Which value is the best.
    **options
        See `RunOptions`.

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
    checked = Options.checked(options)
    space: Space | None = None
    searcher: Searcher
    if isinstance(args_dict, Mapping):
        space = Space.from_grid_dict(args_dict)
        searcher = GridSearcher(space)
    elif args_dict is None or isinstance(args_dict, (list, tuple)):
        configurations = [{}] if args_dict is None else args_dict
        searcher = ListSearcher(configurations)
    else:
        raise SpaceError(
            "args_dict must be a dict of lists, a list of dicts or None, got "
            f"{type(args_dict).__name__}. Write {{'learning_rate': [0.001, 0.01]}}."
        )
    search = Search(searcher, as_direction(direction), space, needs_values=False, reuse=False)
    return start_search(spark, train, search, checked)


def evolutionary_search(
    spark: SparkSession | None,
    train: Callable[..., Any],
    search_dict: Mapping[str, Any],
    direction: Direction = "max",
    popsize: int = 10,
    generations: int = 10,
    crossover: float = 0.7,
    mutation: float = 0.5,
    *,
    seed: int | None = None,
    **options: Unpack[RunOptions],
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
    direction : {'max', 'min'}
        Whether to maximise or to minimise.
    popsize : int
        Size of the population, at least 4.
    generations : int
        Generations after the initial population, at least 0: ``popsize * (generations + 1)``
        trials at most. A configuration that comes again isn't run again.
    crossover : float
        Probability in [0, 1] that a gene comes from the donor (CR). One always does.
    mutation : float
        Weight of the difference of two members in the donor (F), in (0, 2].
    seed : int, optional
        Makes the search repeatable; drawn and recorded if left out.
    **options
        See `RunOptions`.

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
    checked = Options.checked(options)
    space = Space.from_search_dict(search_dict)
    sense = as_direction(direction)
    searcher = EvolutionSearcher(space, sense, popsize, generations, crossover, mutation, seed)
    return start_search(spark, train, Search(searcher, sense, space), checked)


def random_search(
    spark: SparkSession | None,
    train: Callable[..., Any],
    search_dict: Mapping[str, Any],
    direction: Direction = "max",
    n_trials: int = 10,
    *,
    seed: int | None = None,
    **options: Unpack[RunOptions],
) -> Result:
    """Search with configurations drawn at random, each a trial.

    Parameters
    ----------
    spark : SparkSession or None
        Classic or Connect; None with ``engine='inline'``.
    train, search_dict, direction, seed, **options
        As for `evolutionary_search`.
    n_trials : int
        Configurations to draw, at least 1.

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
    checked = Options.checked(options)
    space = Space.from_search_dict(search_dict)
    sense = as_direction(direction)
    n_trials = as_int("n_trials", n_trials, at_least=1)  # to the searcher, None is no end
    searcher = RandomSearcher(space, n_trials, seed)
    return start_search(spark, train, Search(searcher, sense, space), checked)


def dry_run(search: Callable[..., Result], *args: Any, **options: Any) -> Result:
    """Show the plan of a search, and try it out on one executor without training anything.

    Parameters
    ----------
    search : Callable
        `launch`, `evolutionary_search` or `random_search`.
    *args, **options
        The arguments of the search.

    Returns
    -------
    Result
        One trial: failed if the train function or a module that it needs can't be loaded on an
        executor; its ``output`` names Python, the modules and their versions. Nothing is left on
        disk.

    Raises
    ------
    SparkexpError
        What the search itself would raise.

    Examples
    --------
    >>> def train(x):
    ...     raise RuntimeError('never called')
    >>> dry_run(random_search, None, train, {'x': [0.0, 1.0]}, engine='inline',
    ...         progress=False).failures()
    <function train at ...
    {}
    """
    if search not in (launch, evolutionary_search, random_search):
        raise InvalidArgumentError(
            f"dry_run tries out launch, evolutionary_search or random_search, got {search!r}. "
            "Write dry_run(launch, spark, train, …)."
        )
    return search(*args, **{**options, "dry_run": True})


def logdir() -> str:
    """Return the directory of the running trial, for ``tf.keras.callbacks.TensorBoard``.

    To be called in a train function.

    Raises
    ------
    EnvironmentUnfitError
        If no trial runs in this process.

    Examples
    --------
    >>> def train(x):
    ...     directory = logdir()
    ...     return float(directory.endswith('trial-00000'))
    >>> launch(None, train, {'x': [1]}, engine='inline', progress=False).best.value
    1.0
    """
    return current_trial("logdir()").directory


def report(step: int, **metrics: float) -> None:
    """Write metrics of the running trial to TensorBoard, where they show at once.

    To be called in a train function, say once per epoch.

    Parameters
    ----------
    step : int
        At least 0, growing.
    **metrics : float
        Numbers by name; what isn't finite is left out with a warning.

    Raises
    ------
    EnvironmentUnfitError
        If no trial runs in this process.
    InvalidArgumentError
        If the step or a metric isn't a number.

    Examples
    --------
    >>> def train(x):
    ...     for epoch in range(3):
    ...         report(epoch, accuracy=1 - x / (epoch + 1))
    ...     return 1 - x / 3
    >>> launch(None, train, {'x': [0.5]}, engine='inline', progress=False).best.params
    {'x': 0.5}
    """
    trial = current_trial("report()")
    trial.reporter.report(step, metrics)
