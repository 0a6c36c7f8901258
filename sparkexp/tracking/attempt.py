"""All trackers of one attempt at a trial: none of them can fail the trial."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any

from sparkexp.tracking.base import Attempt, Report, TrialTracker
from sparkexp.tracking.time_limit import limit_time
from sparkexp.trial import Trial, TrialResult

__all__ = ["AttemptTrackers"]

# On a busy machine, or on a slow file system, what takes milliseconds may take seconds.
CALL_S = 10.0


class AttemptTrackers:
    """Calls the trackers of an attempt; one that raises or hangs gets no more calls.

    Parameters
    ----------
    trackers : sequence of TrialTracker
        As the driver made them; each is copied.
    """

    def __init__(self, trackers: Sequence[TrialTracker] = ()) -> None:
        self._trackers = [copy.copy(tracker) for tracker in trackers]
        #: What went wrong since this was emptied.
        self.warnings: list[str] = []

    def start(
        self, trial: Trial, directory: str, number: int = 0, run: str = ""
    ) -> dict[str, str]:
        """Begin; return environment variables for the train function's process."""
        environment: dict[str, str] = {}
        for k, tracker in enumerate(list(self._trackers)):
            given = trial.tracking.get(str(k), {})
            attempt = Attempt(trial, directory, number, run, given)
            environment |= self._call(tracker, tracker.start, attempt) or {}
        return environment

    def enter(self) -> None:
        """Prepare the train function's process."""
        for tracker in list(self._trackers):
            self._call(tracker, tracker.enter)

    def report(self, report: Report) -> None:
        """Pass on what the train function reports."""
        for tracker in list(self._trackers):
            self._call(tracker, tracker.report, report)

    def leave(self) -> None:
        """Let the trackers write what they still hold, in the train function's process."""
        for tracker in list(self._trackers):
            self._call(tracker, tracker.leave, within_s=tracker.leave_s)

    def end(self, result: TrialResult) -> None:
        """Tell the trackers how the attempt ended."""
        for tracker in list(self._trackers):
            self._call(tracker, tracker.end, result)

    def take_warnings(self) -> tuple[str, ...]:
        """Return what went wrong since the last call."""
        taken, self.warnings = tuple(self.warnings), []
        return taken

    def _call(
        self,
        tracker: TrialTracker,
        method: Callable[..., Any],
        *arguments: object,
        within_s: float = CALL_S,
    ) -> Any:
        try:
            with limit_time(within_s):
                return method(*arguments)
        except Exception as error:
            self._trackers.remove(tracker)
            self.warnings.append(
                f"{tracker.name} no longer follows this trial: its {method.__name__}() failed: "
                f"{type(error).__name__}: {error}"
            )
            return None
