"""The seam between the search loop and the places where trials run."""

from __future__ import annotations

import abc
import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self, final

from sparkexp.engine.gang import Gang
from sparkexp.engine.place import Place
from sparkexp.errors import InvalidArgumentError
from sparkexp.objective import Objective
from sparkexp.runs import find_root
from sparkexp.tracking import AttemptTrackers, TrialTracker
from sparkexp.trial import Trial, TrialResult

__all__ = ["Engine", "Isolation", "Train", "TrialTask"]

Train = Callable[..., Any]
Wrapper = Callable[[Train, Place], Train]
Isolation = Literal["fork", "spawn", "none"]


@dataclass(frozen=True)
class TrialTask:
    """All that an executor needs to run one trial.

    Parameters
    ----------
    trial : Trial
        The trial.
    train : Callable or bytes
        The train function, or what cloudpickle made of it (a parent process that forks a child
        per trial must not load the user's code).
    logdir : str
        The run's log directory; the trial's own lies below it.
    objectives : tuple of Objective
        What the train function must return; with several, a dict of all.
    constraints : tuple of str
        Further entries that it must return: those that should be at most 0.
    needs_value : bool
        Whether a trial without a value has failed (a searcher needs values, a grid doesn't).
    isolation : {'fork', 'spawn', 'none'}
        Whether the trial has a process of its own, and how it is made.
    gpus : tuple of str, optional
        GPUs that the driver assigned; None leaves the choice to Spark's resources.
    preload : tuple of str
        Modules that a worker imports before it forks.
    late_modules : tuple of str
        Modules that must not be loaded before the train function is called: it sets environment
        variables that they read when they are imported.
    modules : tuple of str
        Shipped files that the trial's process puts first on its search path: names on the
        driver, paths on the executor.
    timeout_s : float, optional
        Seconds after which the trial is killed.
    max_retries : int
        Attempts after the first one, for trials whose executor was lost.
    first_attempt : int
        Attempts that earlier Spark jobs made at the trial.
    threads : int, optional
        Threads for numeric libraries; 0 takes Spark's own limit away, None leaves all as it is.
    data : str, optional
        A file with the first argument for the train function.
    data_digest : str
        What the driver wrote there, as `write_data` says it: nothing else is read.
    environment : Mapping[str, str]
        Environment variables set for the trial, unless they are set already.
    trackers : tuple of TrialTracker or bytes
        The trackers' parts on the executor; each attempt gets copies. Or what cloudpickle made of
        them: their classes may be found only where `modules` have been unpacked.
    attempt : AttemptTrackers or bytes
        These copies, once they have started, or what cloudpickle made of them: the process that
        supervises the trial must not load users' code.
    tracking_environment : Mapping[str, str]
        Environment variables that the trackers set for the trial; they replace what is set.
    reads_reports : bool
        Whether the driver reads what the trial reports.
    keeps_reports : bool
        Whether it needs all of that, however much it is.
    on_report : Callable, optional
        Called after each report; in the driver's own process only.
    run_id : str, optional
        The id of the run, by which a log directory is known that holds another one meanwhile.
    gang : Gang, optional
        The workers that train the trial's model together.
    wrapper : Callable, optional
        Called in the trial's process with the train function and its place; what it returns is
        called instead of the train function.
    place : Place
        Which worker of the trial's gang the process is.
    """

    trial: Trial
    train: Train | bytes
    logdir: str
    objectives: tuple[Objective, ...] = (Objective(),)
    needs_value: bool = True
    isolation: Isolation = "fork"
    gpus: tuple[str, ...] | None = None
    preload: tuple[str, ...] = ()
    late_modules: tuple[str, ...] = ()
    modules: tuple[str, ...] = ()
    timeout_s: float | None = None
    max_retries: int = 2
    first_attempt: int = 0
    threads: int | None = None
    data: str | None = None
    data_digest: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)
    trackers: tuple[TrialTracker, ...] | bytes = ()
    attempt: AttemptTrackers | bytes = b""
    tracking_environment: Mapping[str, str] = field(default_factory=dict)
    reads_reports: bool = False
    keeps_reports: bool = False
    on_report: Callable[[], None] | None = None
    run_id: str | None = None
    gang: Gang | None = None
    wrapper: Wrapper | None = None
    place: Place = Place()
    constraints: tuple[str, ...] = ()

    @property
    def is_root_own(self) -> bool:
        """Whether the log directory doesn't hold another run meanwhile."""
        root = Path(self.logdir)
        return find_root(root, self.run_id) == root

    @property
    def starts_together(self) -> bool:
        """Whether the trial has several workers that start all at once, in one job."""
        return self.gang is not None and self.gang.is_synchronous

    def follow_root(self) -> TrialTask:
        """Return the task with all files where they belong now: see `find_root`."""
        root = find_root(Path(self.logdir), self.run_id)
        if root == Path(self.logdir):
            return self
        data = None if self.data is None else str(root / Path(self.data).name)
        return replace(self, logdir=str(root), data=data)

    def with_data(self, data: object) -> TrialTask:
        """Return the task with data bound as the first argument of its train function.

        It is for engines whose trials share the driver's memory, or a copy of it. With None as
        data, it returns the task as it is.
        """
        if data is None:
            return self
        assert callable(self.train)
        return replace(self, train=functools.partial(self.train, data))


class Engine(abc.ABC):
    """Runs trials and returns their results.

    The contract, of which `sparkexp.testing.EngineContract` is the tests:

    - An engine serves one search. The driver calls `prepare` once, before anything else, and
      `close` at the end, also where `prepare` has raised. The constructor starts nothing.
    - `submit` returns at once and never raises for what a trial does. The caller keeps at most
      `slots` plus `ahead` trials submitted; a trial that finds no free slot is queued.
    - Every submitted trial comes back from `wait` exactly once, in the order in which trials end.
      Whatever happens to it (exception, crash, lost executor), it comes back as a `TrialResult`.
    - After `cancel`, trials that still run are ended and come back from `wait` as CANCELLED,
      unless they ended just before. The engine takes no more trials.
    - A trial that somebody else has ended (not by `stop` or `cancel`) is run again where that can
      be; else it comes back as CANCELLED, and the driver ends the search: neither is its result.
    - After `stop`, a trial is ended and comes back from `wait` as CANCELLED, unless it ended just
      before; the other trials run on.
    - `submit`, `wait`, `stop`, `cancel` and `close` are called by one thread.
    - `close` cancels what still runs, and releases everything.

    To write one, implement `_prepare`, which is given a task, and the other abstract methods. Run
    a trial by ``run_attempt(dataclasses.replace(task, trial=trial))``, in the place where it is to
    run. That calls the train function, catches what it raises, writes the trial's files and
    returns its `TrialResult`. The task's `isolation` gives each trial a process of its own there;
    an engine that makes the processes itself sets ``isolation='none'``.
    """

    #: Notes that the plan shows beside the number of slots.
    notes: tuple[str, ...] = ()
    #: Whether all trials run in the same Python: where it can't run one, it can't run any.
    one_environment: bool = False
    #: Whether the first trials wait for processes that are started for them: the terminal says so.
    starts_workers: bool = False
    #: Called after each report of a trial that `wait` itself runs; it may call `stop`.
    on_report: Callable[[], None] | None = None
    _is_prepared = False

    @final
    def prepare(self, task: TrialTask, data: object = None) -> None:
        """Get ready to run the trials of a search.

        Parameters
        ----------
        task : TrialTask
            What all trials have in common; its `trial` is only a placeholder.
        data : object, optional
            The first argument for the train function.

        Raises
        ------
        InvalidArgumentError
            If the engine served a search before.
        EnvironmentUnfitError
            If trials can't run in the engine's environment.
        TrainFunctionError
            If the train function can't be sent there.
        """
        if self._is_prepared:
            raise InvalidArgumentError(
                f"An engine serves one search, and this {type(self).__name__} was used before. "
                "Construct a new one."
            )
        self._is_prepared = True
        self._prepare(task, data)

    @abc.abstractmethod
    def _prepare(self, task: TrialTask, data: object) -> None:
        """Get ready to run the trials of a search: see `prepare`, which calls it once."""

    @property
    @abc.abstractmethod
    def slots(self) -> int:
        """How many trials run at the same time; may change from call to call."""

    @property
    def ahead(self) -> int:
        """How many trials are worth queueing beside those that run.

        A slot that becomes free takes one of them at once, without waiting for the driver.
        """
        return 0

    @property
    @abc.abstractmethod
    def where(self) -> str:
        """Where trials run, in a few words."""

    @abc.abstractmethod
    def submit(self, trial: Trial) -> None:
        """Start a trial, or queue it where all slots are taken."""

    @abc.abstractmethod
    def wait(self, timeout_s: float | None = None) -> list[TrialResult]:
        """Return results of trials that ended; at least one, unless `timeout_s` passes first.

        Raises
        ------
        SessionLostError
            If no more results can come.
        """

    @abc.abstractmethod
    def stop(self, trial: Trial) -> None:
        """End one submitted trial."""

    @abc.abstractmethod
    def cancel(self) -> None:
        """End all submitted trials, and take no more."""

    @abc.abstractmethod
    def close(self) -> None:
        """End all submitted trials and release the slots."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()
