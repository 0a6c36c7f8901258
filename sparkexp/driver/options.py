"""The keyword options that all searches share."""

from __future__ import annotations

import difflib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Literal, TypedDict, get_args

from sparkexp.checks import as_float, as_int
from sparkexp.driver.pruning_rule import PruningRule, as_rule, recorded_rule
from sparkexp.engine import Engine, Isolation
from sparkexp.errors import InvalidArgumentError, StorageError
from sparkexp.search.repeating import affordable
from sparkexp.space.constraint import Where
from sparkexp.storage.filesystems import is_remote, local_path, open_filesystem

__all__ = ["EngineName", "Options", "ResumeOptions", "RunOptions"]

EngineName = Literal["spark", "inline"]

# Options that are whole numbers, and the least that they may be.
COUNTS = {
    "parallelism": 1,
    "max_trials": 1,
    "cpus_per_trial": 1,
    "max_failures": 0,
    "repeats": 1,
    "confirm": 0,
    "max_retries": 0,
}

# What a resumed search takes over; the rest belongs to the process that drives it.
RECORDED = (
    "metric",
    "parallelism",
    "trial_timeout",
    "max_failures",
    "target",
    "max_trials",
    "max_retries",
    "cpus_per_trial",
    "gpus_per_trial",
    "limit_threads",
    "isolation",
    "prune",
    "keep",
)


class ResumeOptions(TypedDict, total=False):
    """Keyword options of `resume`, and of all searches.

    Parameters
    ----------
    metric : str or list of str
        Where the train function returns a dict: the entry to optimise, or several, with a
        direction for each; the best trials are then ``result.front``.
    parallelism : int
        Trials at the same time, at least 1; by default as many as the executors can run, also
        when some come or go meanwhile.
    trial_timeout : float
        Seconds that a trial may run; then it is killed, with all that it started, and has FAILED.
    timeout : float
        Seconds for the whole search; then the running trials are ended, and the result so far is
        returned.
    max_failures : int
        Failed trials that are put up with; one more ends the search.
    target : float
        A value that is good enough: the search ends when a trial reaches it, with `repeats` when
        the mean of a configuration does.
    max_trials : int
        Trials to run at most.
    prune : {'median'}, dict or PruningRule
        Whether to end trials whose `report` curve runs below those of others: ``'median'`` ends a
        trial whose best value so far is worse than the median of the means so far of the trials
        that succeeded (Golovin et al. 2017), once 5 have, and after 3 reports of its own;
        ``{'min_trials': 5, 'warmup': 3}`` says other numbers; an instance of a
        `PruningRule` of your own decides otherwise. Its state is PRUNED then, and the
        last value that it reported counts. It needs reports of `metric`, or of one metric only.
    max_retries : int
        How often a trial is run again whose executor was lost, 2 by default. What goes wrong in
        the train function itself is never run again.
    cpus_per_trial : int
        Cores of a trial; by default ``spark.task.cpus``.
    gpus_per_trial : float
        GPUs of a trial, a whole number or a fraction that shares one, such as 0.5; by default
        ``spark.task.resource.gpu.amount``.
    limit_threads : bool
        Whether TensorFlow and OpenMP get as many threads as the trial has cores, True by default;
        False leaves them to their own defaults, which take all cores of the machine.
    where : Callable
        Takes a configuration as a dict and tells whether it may be tried, such as
        ``lambda p: p['low'] < p['high']``; a grid leaves out the others. A search that has one is
        resumed with it, since the log directory can't hold a function.
    data : object
        What every trial needs and nobody wants to send with each: arrays, a pandas or Spark
        DataFrame, or any object that can be pickled. It becomes the first argument of the train
        function. Arrays are mapped into memory, one copy for all trials on a host; what a trial
        changes in them is its own.
    engine : {'spark', 'inline'} or Engine
        'inline' runs the trials one after another in this process, for debugging: the session may
        be None then. An engine of your own likewise; what trials are given, such as
        ``parallelism`` and ``gpus_per_trial``, is then for it to know.
    isolation : {'fork', 'spawn', 'none'}
        A process per trial, forked from a worker that has the heavy modules loaded (default), or
        started anew (for what can't be forked), or none of its own (for debugging).
    py_files : sequence of str
        Further .py or .zip files that the train function imports. The modules that it imports
        itself are found without.
    progress : bool
        Whether to show the plan and the progress, True by default.
    keep : {'all', 'best'} or int
        Whose artifacts stay, the files in `artifact_dir`: those of all trials by default, of the
        best one, or of so many of the best; with several objectives, of the Pareto front at
        least. Those of others are removed when better trials have ended.
    """

    metric: str | list[str] | None
    parallelism: int | None
    trial_timeout: float | None
    timeout: float | None
    max_failures: int | None
    target: float | None
    max_trials: int | None
    prune: str | Mapping[str, int] | PruningRule | None
    max_retries: int
    cpus_per_trial: int | None
    gpus_per_trial: float | None
    limit_threads: bool
    where: Where | None
    data: object
    engine: EngineName | Engine
    isolation: Isolation
    py_files: Sequence[str]
    progress: bool
    keep: str | int


class RunOptions(ResumeOptions, total=False):
    """Keyword options of `launch`, `evolutionary_search` and `random_search`.

    Parameters
    ----------
    name : str
        Name of the run; by default that of the train function.
    logdir : str or path
        Directory of this run: one that all executors see under the same path, or a URL such as
        ``s3://bucket/run`` or ``hdfs://namenode:8020/run``; by default
        ``sparkexp-runs/<name>-<date>-<time>-<id>`` below the working directory.
    dry_run : bool
        Whether only to show the plan and to try out on one executor whether the train function
        arrives there and finds its modules. It is not called, and nothing is left on disk. The
        result has one trial, whose ``output`` names the modules and their versions.
    initial : list of dict
        Configurations that are tried first: what is in use, or was found elsewhere.
    warm_start : Result or path
        An earlier search, or its log directory: its trials in this space are told to the searcher
        without being run again. Evolutions and Optuna's samplers learn from them; random, Sobol
        and grid search do not, and say so.
    repeats : int
        Runs of every configuration, 1 by default: of a noisy objective the searcher is told the
        mean. The runs have different seeds if the train function has an argument ``seed``.
    confirm : int
        How many of the best configurations are run ``repeats`` times more at the end, with other
        seeds: `Result.best` is then the one of them with the best mean of all its runs.
    **options
        See `ResumeOptions`.
    """

    name: str | None
    logdir: str | os.PathLike[str] | None
    dry_run: bool
    initial: Sequence[Mapping[str, Any]]
    warm_start: Any
    repeats: int
    confirm: int


@dataclass(frozen=True)
class Options:
    """`RunOptions` with defaults, checked."""

    metric: str | Sequence[str] | None = None
    name: str | None = None
    logdir: str | os.PathLike[str] | None = None
    parallelism: int | None = None
    trial_timeout: float | None = None
    timeout: float | None = None
    max_failures: int | None = None
    target: float | None = None
    max_trials: int | None = None
    prune: str | Mapping[str, int] | PruningRule | None = None
    max_retries: int = 2
    cpus_per_trial: int | None = None
    gpus_per_trial: float | None = None
    limit_threads: bool = True
    where: Where | None = None
    data: object = None
    engine: EngineName | Engine = "spark"
    isolation: Isolation = "fork"
    py_files: Sequence[str] = ()
    progress: bool = True
    dry_run: bool = False
    initial: Sequence[Mapping[str, Any]] = ()
    warm_start: Any = None
    repeats: int = 1
    confirm: int = 0
    keep: str | int = "all"

    def to_json(self) -> dict[str, Any]:
        """Return what a resumed search takes over, as a dict that `json` can write."""
        record = {name: getattr(self, name) for name in RECORDED}
        record["prune"] = recorded_rule(self.prune)
        if self.more_metrics:
            record["metric"] = [self.first_metric, *self.more_metrics]
        return record

    @property
    def n_kept(self) -> int | None:
        """Of how many trials the artifacts stay; None for all."""
        return None if self.keep == "all" else 1 if self.keep == "best" else int(self.keep)

    @property
    def n_configurations(self) -> int | None:
        """How many configurations `max_trials` suffices for, at least 1; None without a limit."""
        if self.max_trials is None:
            return None
        return affordable(self.max_trials, self.repeats, self.confirm)

    @property
    def first_metric(self) -> str | None:
        """The metric, the first of several."""
        if self.metric is None or isinstance(self.metric, str):
            return self.metric
        return self.metric[0]

    @property
    def metrics(self) -> tuple[str, ...]:
        """The names of the objectives; none where the only one has none."""
        return () if self.first_metric is None else (self.first_metric, *self.more_metrics)

    @property
    def more_metrics(self) -> tuple[str, ...]:
        """The metrics after the first."""
        several = self.metric is not None and not isinstance(self.metric, str)
        return tuple(self.metric[1:]) if several and self.metric else ()

    @classmethod
    def checked(cls, given: Mapping[str, Any]) -> Options:
        """Return the options.

        Raises
        ------
        InvalidArgumentError
            If one is unknown or its value breaks a rule.
        """
        names = [field.name for field in fields(cls)]
        for name in given:
            if name not in names:
                close = difflib.get_close_matches(name, names, n=1)
                hint = f" Did you mean {close[0]!r}?" if close else ""
                raise InvalidArgumentError(
                    f"There is no option {name!r}.{hint} The options are: {', '.join(names)}."
                )
        options = cls(**{**given, **_numbers(given)})
        _check_metric(options)
        _check_text("name", options.name)
        _check_engine(options.engine)
        _check_choice("isolation", options.isolation, get_args(Isolation))
        _check_gpus(options.gpus_per_trial)
        as_rule(options.prune)
        if isinstance(options.keep, str) and options.keep not in ("all", "best"):
            raise InvalidArgumentError(
                "keep must be 'all', 'best' or a whole number of at least 1, got "
                f"{options.keep!r}. Write keep='best' for the artifacts of the best trial only."
            )
        for name in ("progress", "limit_threads", "dry_run"):
            _check_choice(name, getattr(options, name), (True, False))
        _check_files(options.py_files)
        return options

    @property
    def one_by_one(self) -> bool:
        """Whether there is one slot for sure."""
        return self.engine == "inline" or self.parallelism == 1

    def place(self) -> str | None:
        """Return the log directory, an absolute path or a URL; None where it was left out.

        Raises
        ------
        InvalidArgumentError
            If it is neither.
        """
        if self.logdir is None:
            return None
        given = os.fspath(self.logdir) if isinstance(self.logdir, os.PathLike) else self.logdir
        if not isinstance(given, str) or not given.strip() or "\0" in given:
            raise InvalidArgumentError(f"logdir must be a path or a URL, got {self.logdir!r}.")
        try:
            if is_remote(given):
                open_filesystem(given)
                return given.rstrip("/")
            return str(local_path(given))
        except StorageError as error:
            raise InvalidArgumentError(f"logdir: {error}") from error


def _numbers(given: Mapping[str, Any]) -> dict[str, int | float]:
    """Return the options that are numbers, checked and as Python's own."""
    numbers: dict[str, int | float] = {}
    for name, value in given.items():
        if value is None and name not in ("max_retries", "repeats", "confirm", "keep"):
            continue
        if name in COUNTS:
            numbers[name] = as_int(name, value, at_least=COUNTS[name])
        elif name == "keep" and not isinstance(value, str):
            numbers[name] = as_int(name, value, at_least=1)
        elif name in ("trial_timeout", "timeout", "gpus_per_trial"):
            numbers[name] = as_float(name, value, low=0, above=True)
        elif name == "target":
            numbers[name] = as_float(name, value)
    return numbers


def _check_text(name: str, value: object) -> None:
    if value is not None and (not isinstance(value, str) or not value.strip()):
        raise InvalidArgumentError(f"{name} must be a text that isn't empty, got {value!r}.")


def _check_metric(options: Options) -> None:
    metric = options.metric
    if metric is None or isinstance(metric, str):
        return _check_text("metric", metric)
    names = list(metric) if isinstance(metric, (list, tuple)) else []
    if len(names) < 2 or len(set(names)) < len(names):
        raise InvalidArgumentError(
            f"metric must be a text, or a list of at least two different ones, got {metric!r}."
        )
    for name in names:
        _check_text("metric", name)
    if options.target is not None:
        raise InvalidArgumentError(
            "target goes with one metric: with several, no trial is simply good enough. Leave it "
            "out."
        )
    if options.prune is not None:
        raise InvalidArgumentError(
            "prune goes with one metric: with several, no trial is simply worse. Leave it out."
        )


def _check_gpus(amount: float | None) -> None:
    if amount is not None and amount > 0.5 and amount != int(amount):
        raise InvalidArgumentError(
            "gpus_per_trial must be a whole number, or a fraction of at most 0.5 by which trials "
            f"share a GPU, got {amount!r}. Write 1 for a GPU each, 0.5 for two trials on one."
        )


def _check_choice(name: str, value: object, known: tuple[object, ...]) -> None:
    if value not in known:
        listed = " or ".join(map(repr, known))
        raise InvalidArgumentError(f"{name} must be {listed}, got {value!r}.")


def _check_engine(engine: object) -> None:
    if not isinstance(engine, Engine) and engine not in get_args(EngineName):
        raise InvalidArgumentError(
            f"engine must be 'spark' or 'inline', got {engine!r}. An engine of your own is handed "
            "over as an instance of a class derived from sparkexp.engine.Engine."
        )


def _check_files(py_files: object) -> None:
    if isinstance(py_files, str) or not isinstance(py_files, Sequence):
        raise InvalidArgumentError(
            f"py_files must be a list of files, got {py_files!r}. Write py_files=['helpers.py']."
        )
    for path in py_files:
        known = isinstance(path, (str, os.PathLike)) and os.path.isfile(path)
        if not known or not str(path).endswith((".py", ".zip", ".egg")):
            raise InvalidArgumentError(
                f"py_files must name existing .py, .zip or .egg files, got {path!r}."
            )
