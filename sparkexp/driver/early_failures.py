"""Notices that a search can't get better: all of its first trials have failed."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from sparkexp.analysis.specs import ParameterSpec
from sparkexp.errors import AllTrialsFailedError
from sparkexp.objective import Objective
from sparkexp.texts.near_names import find_nearest
from sparkexp.trial import Fault, State, TrialResult

__all__ = ["FIRST_FAILURES", "EarlyFailures"]

# So many trials must fail alike, or as many as there are slots, if that is more.
MIN_ALIKE = 3
# So many must fail in any way, with max_failures='auto'.
FIRST_FAILURES = 20
_WHERE: dict[Fault | None, str] = {
    Fault.RETURNED: "what the train function returns",
    Fault.MODULE: "an import of the train function",
    Fault.LOADING: "the loading of the train function",
    Fault.ENVIRONMENT: "the Python of the executors",
}
# What may be the fault of one host, on which trials fail faster than on others.
_OF_HOSTS = {Fault.MODULE, Fault.LOADING, Fault.ENVIRONMENT}


class EarlyFailures:
    """Counts the failures before a search's first success.

    A failing host, or a failing region of the space, ends no search: of failures that may be a
    host's, those count that began before every trial that still runs. Of failures of any kind,
    these count too, and only once they have had several values of each parameter (a grid begins
    with all combinations of one value).

    Parameters
    ----------
    location : str
        The run's log directory, for the way out.
    objectives : sequence of Objective
        What is optimised.
    parameters : sequence of ParameterSpec
        What is searched.
    counts_any : bool
        Whether failures that don't lie in the call end the search, too.
    one_environment : bool
        Whether all trials run in the same Python, so that one failure of it speaks for all.
    """

    def __init__(
        self,
        location: str,
        objectives: Sequence[Objective] = (Objective(),),
        parameters: Sequence[ParameterSpec] = (),
        counts_any: bool = True,
        one_environment: bool = False,
    ) -> None:
        self._location = location
        self._objectives = objectives
        self._varied = [p.name for p in parameters if _has_several(p)]
        self._counts_any = counts_any
        self._one_environment = one_environment
        self._failed: list[TrialResult] = []
        self._is_over = False

    def trial_ended(self, result: TrialResult, earlier: bool = False) -> None:
        """Count a trial that ended; what failed in an earlier process may be mended."""
        if not result.went_wrong:
            self._is_over = True
        if result.state is State.FAILED and result.reused_from is None and not earlier:
            self._failed.append(result)

    def stop_reason(self, running: Iterable[int], slots: int) -> str | None:
        """Return why the search has to end; None if it goes on.

        Parameters
        ----------
        running : iterable of int
            The numbers of the trials that run.
        slots : int
            How many trials run at the same time.

        Raises
        ------
        AllTrialsFailedError
            If the first trials failed with one error that lies in the call.
        """
        if self._is_over or not self._failed:
            return None
        oldest = min(running, default=None)
        leading = [r for r in self._failed if oldest is None or r.trial.number < oldest]
        self._check_alike(leading, slots)
        n = max(FIRST_FAILURES, slots)
        if not self._counts_any or len(leading) < n or not self._has_varied(leading):
            return None
        return (
            f"the first {len(leading)} trials failed (max_failures='auto'), the last one with: "
            f"{leading[-1].reason}"
        )

    def _check_alike(self, leading: Sequence[TrialResult], slots: int) -> None:
        first = self._failed[0]
        if first.fault is None or any(_kind(r) != _kind(first) for r in self._failed):
            return
        one = self._one_environment and first.fault is Fault.ENVIRONMENT
        counted = leading if first.fault in _OF_HOSTS and not one else self._failed
        if len(counted) >= (1 if one else max(MIN_ALIKE, slots)):
            raise AllTrialsFailedError(self._describe(first))

    def _has_varied(self, failed: Sequence[TrialResult]) -> bool:
        return all(
            len({repr(r.trial.params.get(name)) for r in failed}) > 1 for name in self._varied
        )

    def _describe(self, first: TrialResult) -> str:
        """Return the error, once, and its way out."""
        n = len(self._failed)
        trials = "The first trial" if n == 1 else f"The first {n} trials"
        text = (first.error or "").strip()
        gap = "\n\n" if "\n" in text else " "
        return (
            f"{trials} failed with one error, and all others would: it lies in "
            f"{_WHERE.get(first.fault, 'the call')}, not in their configurations."
            f"{gap}{text}{gap}{self._way_out(first)}"
        )

    def _way_out(self, first: TrialResult) -> str:
        call = f"experiment.resume(spark, train, {self._location!r}"
        if first.fault is not Fault.METRIC or not first.metrics:
            return f"Once that is mended, {call}, retry_failed=True) runs them again."
        names = [each.name or "" for each in self._objectives]
        found = [
            name if name in first.metrics else find_nearest(name, list(first.metrics))
            for name in names
        ]
        fitting = [name or next(iter(first.metrics)) for name in found]
        metric = repr(fitting[0] if len(fitting) == 1 else fitting)
        return (
            f"To go on without training again what was returned: {call}, metric={metric}), which "
            "takes the values from there."
        )


def _has_several(parameter: ParameterSpec) -> bool:
    return (
        not isinstance(parameter.domain, tuple) or len(parameter.domain) > 1 or parameter.is_text
    )


def _kind(result: TrialResult) -> tuple[Fault | None, str]:
    """Return what is equal for errors that are the same; what was returned instead may differ."""
    if result.fault is Fault.METRIC:
        return result.fault, ""
    return result.fault, re.sub(r"0x[0-9a-f]+|\d+", "#", result.reason)
