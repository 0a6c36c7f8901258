"""Functions of the user's that the driver calls when trials have ended."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from sparkexp.results.result import Result
from sparkexp.tracking import Report, Tracker
from sparkexp.trial import TrialResult

__all__ = ["StopFunction", "TrialCallback"]


class StopFunction:
    """Asks a function of the result so far whether the search is to end, once for each result.

    Parameters
    ----------
    function : Callable
        Gets the result.
    count : Callable
        Returns how many trials have ended.
    build : Callable
        Returns the result so far.
    """

    def __init__(
        self,
        function: Callable[[Result], Any],
        count: Callable[[], int],
        build: Callable[[], Result],
    ) -> None:
        self._function = function
        self._count = count
        self._build = build
        self._n_seen = 0

    def __call__(self) -> str:
        """Return why the search is to end, or an empty text."""
        if (n := self._count()) == self._n_seen:
            return ""
        self._n_seen = n
        answer = self._function(self._build())
        if not answer:
            return ""
        return answer if isinstance(answer, str) else f"stop_when returned {answer!r}"


class TrialCallback(Tracker):
    """Calls a function with each result, in the thread of a tracker.

    Parameters
    ----------
    function : Callable
        Gets the `TrialResult`; if it returns something true, the search is to end.
    """

    reads_reports = False

    def __init__(self, function: Callable[[TrialResult], Any]) -> None:
        self._function = function
        self._stop_reason = ""

    def __call__(self) -> str:
        """Return why the search is to end, or an empty text."""
        return self._stop_reason

    def trial_ended(
        self,
        result: TrialResult,
        reports: Callable[[], Sequence[Report]],
        artifacts: str | None,
    ) -> None:
        """Call the function."""
        answer = self._function(result)
        if answer and not self._stop_reason:
            said = answer if isinstance(answer, str) else f"on_trial_end returned {answer!r}"
            self._stop_reason = f"{said} ({result.trial.id})"
