"""The seam between a search and what people follow it with: TensorBoard, MLflow, their own.

::

    driver                                      executor
    ──────                                      ────────
    Tracker                                     TrialTracker, a copy for each attempt
      trial_tracker ───── pickled, once ──────►
      started                                   worker       start    before the fork
      trial_submitted ─── with the trial ─────►              end      with the result
      trial_reported, trial_ended, …            own process  enter, report, leave
      finished, close
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from sparkexp.analysis.description import SearchDescription
from sparkexp.runs import RunDirectory
from sparkexp.trial import Trial, TrialResult

__all__ = ["Attempt", "Outcome", "Report", "Tracker", "TrialTracker"]

#: How a search ended: the searcher was done, a limit was reached, Ctrl-C or a lost session, an
#: error.
Outcome = Literal["complete", "limit", "interrupted", "failed"]


@dataclass(frozen=True)
class Report:
    """What a train function reported at one step.

    Parameters
    ----------
    step : int
        0 or more.
    time : float
        Unix time in seconds, by the executor's clock.
    metrics : Mapping[str, float]
        The numbers that can be drawn: NaN and infinity are left out.
    """

    step: int
    time: float
    metrics: Mapping[str, float]


@dataclass(frozen=True)
class Attempt:
    """An attempt at a trial, as an executor sees it.

    Parameters
    ----------
    trial : Trial
        The trial.
    directory : str
        The attempt's directory on this machine.
    number : int
        0, or more where an executor was lost and the trial runs again.
    run : str
        The last part of the run's log directory.
    given : Mapping[str, str]
        What `Tracker.trial_submitted` returned for the trial.
    """

    trial: Trial
    directory: str
    number: int = 0
    run: str = ""
    given: Mapping[str, str] = field(default_factory=dict)


class TrialTracker:
    """Follows one attempt at a trial on its executor; all methods are optional.

    The driver makes one tracker. It is pickled once, and copied for every attempt. The train
    function's own process calls `enter`, `report` and `leave`: they see what `start` stored in the
    tracker. What they store there does not reach `end`, which the worker calls.

    If a method raises, or takes longer than ten seconds (`leave`: `leave_s`), the trial's
    result gets a warning, and the tracker gets no more calls for this attempt.
    """

    #: What warnings call it.
    name: str = "A tracker"
    #: For how many seconds `leave` may write.
    leave_s: float = 10.0

    def start(self, attempt: Attempt) -> Mapping[str, str]:
        """Begin, in the worker; return environment variables for the train function's process."""
        return {}

    def enter(self) -> None:
        """Prepare the train function's process, just before the train function is called."""

    def report(self, report: Report) -> None:
        """Take in a report, in the process and the thread of the train function."""

    def leave(self) -> None:
        """Write what is not written yet, in the train function's process, before it ends."""

    def end(self, result: TrialResult) -> None:
        """Take in the result of the attempt, in the worker."""


class Tracker:
    """Follows a search on the driver; all methods are optional.

    The contract, checked for every tracker by `sparkexp.testing.TrackerContract`:

    - `trial_tracker` comes first, then `check`, in the driver's thread, before anything is on
      disk. All other methods are called one after another by a thread that belongs to this
      tracker: they may take their time, the search goes on meanwhile.
    - `started` comes next, once; `trial_known` for each trial that ended in an earlier process;
      then `trial_submitted`, `trial_reported`, `trial_ended` and `searcher_progressed` as things
      happen; `finished` and `close` at the end, once each.
    - Every submitted trial is ended once, cancelled ones too. A trial that takes over the result
      of an equal one is ended without having been submitted.
    - A trial waits up to two seconds for what `trial_submitted` returns, and not at all while the
      tracker has not answered for an earlier trial.
    - If a method raises, there is one warning, and the tracker gets no more calls but `close`.
    """

    #: Whether it gets what running trials report, every ten seconds.
    reads_reports: bool = True
    #: What the user does about items that `close` could not send; the warning ends with it.
    when_unsent: str = ""
    #: What warnings call it; by default the name of its class.
    label: str = ""

    def check(self, one_host: bool, run: RunDirectory | None = None) -> None:
        """Raise a `SparkexpError` for what can't work; the search ends with it.

        Parameters
        ----------
        one_host : bool
            Whether all trials run on the driver's machine.
        run : RunDirectory, optional
            The run that is resumed.
        """

    def trial_tracker(self, search: SearchDescription) -> TrialTracker | None:
        """Return the tracker that follows trials on their executors, or None."""
        return None

    def started(self, search: SearchDescription, run: RunDirectory, resumed: bool) -> None:
        """Begin; `resumed` says whether an earlier process has worked on the run."""

    def trial_known(self, result: TrialResult) -> None:
        """Take in a trial that ended in an earlier process."""

    def trial_submitted(self, trial: Trial) -> Mapping[str, str]:
        """Return what the trial's own tracker gets as `Attempt.given`.

        It travels in clear text: Spark's pages and event logs show it. No passwords, no tokens.
        """
        return {}

    def trial_reported(self, trial: Trial, reports: Sequence[Report]) -> None:
        """Take in all that a running trial has reported so far; 512 reports at most, thinned."""

    def trial_ended(
        self,
        result: TrialResult,
        reports: Callable[[], Sequence[Report]],
        artifacts: str | None,
    ) -> None:
        """Take in a trial that ended.

        Parameters
        ----------
        result : TrialResult
            Its result.
        reports : Callable
            Reads and returns what it has reported.
        artifacts : str, optional
            The directory or URL of the files that it left in ``experiment.artifact_dir()``.
        """

    def searcher_progressed(self, n_ended: int, figures: Mapping[str, float]) -> None:
        """Take in what the searcher shows of its inside, such as the age of its population.

        Parameters
        ----------
        n_ended : int
            The number of trials that have ended.
        figures : Mapping[str, float]
            By name, whenever one has changed; see `Searcher.progress`.
        """

    def generation_ended(self, generation: int, best: TrialResult | None) -> None:
        """Take note that all trials of a generation have ended.

        Parameters
        ----------
        generation : int
            From 0.
        best : TrialResult, optional
            The best trial so far by the first objective.
        """

    def finished(self, results: Sequence[TrialResult], outcome: Outcome) -> None:
        """Take note that the search has ended, with all its trials."""

    def close(self, patience_s: float) -> int:
        """Release everything within `patience_s` seconds; return the number of unsent items."""
        return 0
