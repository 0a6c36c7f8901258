"""When a search ends before its searcher is done."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from sparkexp.analysis.ranking import Runs
from sparkexp.objective import Objective
from sparkexp.trial import State, TrialResult

__all__ = ["Limits"]


@dataclass
class Limits:
    """The ends that the user set; without any, a search runs until its searcher is done.

    Parameters
    ----------
    objective : Objective
        What is optimised, the first of several.
    timeout_s : float, optional
        Seconds from now.
    max_failures : int, optional
        How many trials may fail; one more failure ends the search.
    target : float, optional
        A value that is good enough; with repeats, a mean of all of them.
    max_trials : int, optional
        Trials to run at most; reused ones don't count.
    repeats : int
        Runs of a configuration.

    Examples
    --------
    >>> Limits(Objective('accuracy', 'max'), target=0.9).reached() is None
    True
    """

    objective: Objective
    timeout_s: float | None = None
    max_failures: int | None = None
    target: float | None = None
    max_trials: int | None = None
    repeats: int = 1
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
        """Take note of a trial that ended."""
        self._n_failed += result.state is State.FAILED and result.reused_from is None
        whole = self._runs.add(result)
        if self._good_enough is None and whole is not None and self._is_good_enough(whole):
            self._good_enough = whole

    def reached(self) -> str | None:
        """Return why the search is to end, if it is."""
        if self.max_failures is not None and self._n_failed > self.max_failures:
            return f"{self._n_failed} trials failed (max_failures={self.max_failures})"
        if self._good_enough is not None:
            return f"{self._good_enough.trial.id} reached the target {self.target:g}"
        if self.seconds_left() == 0:
            return f"the time of {self.timeout_s:g} s is up"
        return None

    def _is_good_enough(self, result: TrialResult) -> bool:
        if self.target is None or result.value is None:
            return False
        return not self.objective.better(self.target, result.value)
