"""Functions of the user's that the driver calls when trials have ended."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from sparkexp.errors import NoBestTrialError
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
        self._copies: dict[int, tuple[TrialResult, TrialResult]] = {}

    def __call__(self) -> str:
        """Return why the search is to end, or an empty text."""
        if (n := self._count()) == self._n_seen:
            return ""
        self._n_seen = n
        result = self._build()
        try:
            answer = self._function(replace(result, trials=tuple(map(self._copy, result.trials))))
        except NoBestTrialError:  # not yet
            return ""
        if not answer:
            return ""
        return answer if isinstance(answer, str) else f"stop_when returned {bool(answer)}"

    def _copy(self, result: TrialResult) -> TrialResult:
        """Return a copy, made once for each result."""
        original, copy = self._copies.get(id(result), (None, result))
        if original is not result:
            copy = _copy_result(result)
            self._copies[id(result)] = result, copy
        return copy


class TrialCallback(Tracker):
    """Calls a function with each result, in the thread of a tracker.

    Parameters
    ----------
    function : Callable
        Gets the `TrialResult`; if it returns something true, the search is to end.
    """

    reads_reports = False
    label = "on_trial_end="

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
        answer = self._function(_copy_result(result))
        if answer and not self._stop_reason:
            said = answer if isinstance(answer, str) else f"on_trial_end returned {bool(answer)}"
            self._stop_reason = f"{said} ({result.trial.id})"


def _copy_result(result: TrialResult) -> TrialResult:
    """Return a result that the user may change: the search's own stays as it is."""
    return replace(
        result,
        trial=replace(result.trial, params=dict(result.trial.params)),
        metrics=dict(result.metrics),
        notes=dict(result.notes),
    )
