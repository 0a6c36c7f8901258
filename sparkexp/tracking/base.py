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
    """Follows one attempt at a trial on its executor; all methods may be left out.

    The driver makes one, which is pickled once and copied for every attempt: what `start` keeps in
    it is there in `enter`, `report` and `leave`, which the train function's own process calls, but
    nothing comes back from there to `end`.

    What a method raises costs a warning in the trial's result, and so does one that takes longer
    than ten seconds (`report`: two); the tracker gets no more calls for this attempt.
    """

    #: What warnings call it.
    name: str = "A tracker"

    def start(self, attempt: Attempt) -> Mapping[str, str]:
        """Begin, in the worker; return environment variables for the train function's process."""
        return {}

    def enter(self) -> None:
        """Prepare the train function's process, just before the train function is called."""

    def report(self, report: Report) -> None:
        """Take in what the train function reports, in its process and in its thread."""

    def leave(self) -> None:
        """Write out what is left, in the train function's process, before that ends."""

    def end(self, result: TrialResult) -> None:
        """End, in the worker, with what became of the attempt."""


class Tracker:
    """Follows a search on the driver; all methods may be left out.

    The contract, checked for every tracker by `sparkexp.testing.TrackerContract`:

    - `trial_tracker` comes first, in the driver's thread, before anything is on disk. All other
      methods are called one after another by a thread that belongs to this tracker: they may take
      their time, the search goes on meanwhile.
    - `started` comes next, once; `trial_known` for each trial that ended in an earlier process;
      then `trial_submitted`, `trial_reported` and `trial_ended` as things happen; `finished` and
      `close` at the end, once each.
    - Every submitted trial is ended once, cancelled ones too. A trial that takes over the result
      of an equal one is ended without having been submitted.
    - A trial waits two seconds for the answer of `trial_submitted`, and not at all while the
      tracker owes one.
    - What a method raises costs one warning, and the tracker gets no more calls but `close`.
    """

    #: Whether it wants to see what running trials report, each ten seconds.
    reads_reports: bool = True

    def trial_tracker(self, search: SearchDescription) -> TrialTracker | None:
        """Return what follows the trials on their executors; None for nothing."""
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
            What became of it.
        reports : Callable
            Reads what it has reported.
        artifacts : str, optional
            The directory or URL of what it left in ``experiment.artifact_dir()``, if it left any.
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
        """Release everything within so many seconds; return how many things are still unsent."""
        return 0
