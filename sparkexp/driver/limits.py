"""The limits that end a search before its searcher is done."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass, field

from sparkexp.analysis.ranking import Runs
from sparkexp.driver.early_failures import EarlyFailures
from sparkexp.objective import Objective
from sparkexp.trial import State, TrialResult

__all__ = ["Limits"]


@dataclass
class Limits:
    """The limits that the user set; without any, a search runs until its searcher is done.

    Parameters
    ----------
    objective : Objective
        What is optimised; with several objectives, the first.
    timeout_s : float, optional
        Seconds that the search may take from now on.
    max_failures : int, optional
        How many trials may fail; one more failure ends the search.
    target : float, optional
        A value that is good enough; with repeats, the mean of a configuration must reach it.
    max_trials : int, optional
        The largest number of trials to run; trials with a reused result don't count.
    repeats : int
        Runs of a configuration.
    early : EarlyFailures, optional
        Counts the failures before the first success.

    Examples
    --------
    >>> Limits(Objective('accuracy', 'max'), target=0.9).stop_reason() is None
    True
    """

    objective: Objective
    timeout_s: float | None = None
    max_failures: int | None = None
    target: float | None = None
    max_trials: int | None = None
    repeats: int = 1
    early: EarlyFailures | None = None
    _started: float = field(default_factory=time.monotonic)
    _n_failed: int = 0
    _good_enough: TrialResult | None = None
    _runs: Runs = field(init=False)

    def __post_init__(self) -> None:
        self._runs = Runs(self.repeats)

    def seconds_left(self) -> float | None:
        """Return the seconds until the time is up; None without a limit."""
        if self.timeout_s is None:
            return None
        return max(0.0, self._started + self.timeout_s - time.monotonic())

    def trial_ended(self, result: TrialResult, earlier: bool = False) -> None:
        """Count a trial that ended."""
        if self.early is not None:
            self.early.trial_ended(result, earlier)
        self._n_failed += result.state is State.FAILED and result.reused_from is None
        whole = self._runs.add(result)
        if self._good_enough is None and whole is not None and self._is_good_enough(whole):
            self._good_enough = whole

    def stop_reason(self, running: Iterable[int] = (), slots: int = 1) -> str | None:
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
        if self.max_failures is not None and self._n_failed > self.max_failures:
            return f"{self._n_failed} trials failed (max_failures={self.max_failures})"
        if self._good_enough is not None:
            return f"{self._good_enough.trial.id} reached the target {self.target:g}"
        if self.seconds_left() == 0:
            return f"the time of {self.timeout_s:g} s is up"
        return None if self.early is None else self.early.stop_reason(running, slots)

    def _is_good_enough(self, result: TrialResult) -> bool:
        if self.target is None or result.value is None:
            return False
        return not self.objective.better(self.target, result.value)
