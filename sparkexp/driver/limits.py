"""The limits that end a search before its searcher is done."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from sparkexp.analysis.ranking import Runs
from sparkexp.driver.early_failures import EarlyFailures
from sparkexp.objective import Objective
from sparkexp.texts.counts import count
from sparkexp.trial import State, TrialResult

__all__ = ["Ask", "Limits"]

logger = logging.getLogger(__name__)

# After so many trials with one and the same value, the user is told.
N_EQUAL = 20

#: Returns why the search is to end, or an empty text.
Ask = Callable[[], str]


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
    patience : int, optional
        How many configurations in a row may end without a better value.
    asks : list of Ask
        Asked after each trial and each time; one that raises costs a warning, and is asked again.
    repeats : int
        Runs of a configuration.
    full_rung : int, optional
        In a multi-fidelity search the highest rung: values on lower ones are compared with none,
        and no target.
    early : EarlyFailures, optional
        Counts the failures before the first success.

    Attributes
    ----------
    asked_to_stop : str
        Why a trial, or a function of the user's, has asked for the search's end; else empty.

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
    patience: int | None = None
    asks: list[Ask] = field(default_factory=list)
    repeats: int = 1
    full_rung: int | None = None
    early: EarlyFailures | None = None
    asked_to_stop: str = field(default="", init=False)
    _started: float = field(default_factory=time.monotonic)
    _n_failed: int = 0
    _good_enough: TrialResult | None = None
    _runs: Runs = field(init=False)
    _best: TrialResult | None = None
    _n_without: int = 0
    _warned: bool = False
    _equal: TrialResult | None = None
    _n_equal: int = 0

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
        if result.reused_from is None and result.state is not State.CANCELLED:
            self._n_failed += result.state is State.FAILED
            self._warn_of_equal_values(result)
        if result.stops_search and not earlier:
            self.asked_to_stop = f"{result.trial.id} asked for it: {result.stops_search}"
        whole = self._runs.add(result)
        if whole is not None and whole.state is not State.CANCELLED and self._is_full(whole):
            self._compare(whole)
        if not earlier and result.state is not State.CANCELLED and not self.asked_to_stop:
            self.asked_to_stop = self._ask()

    def _is_full(self, result: TrialResult) -> bool:
        """Return whether the trial got all that a trial can get."""
        return self.full_rung is None or result.trial.rung == self.full_rung

    def _compare(self, whole: TrialResult) -> None:
        if self._good_enough is None and self._is_good_enough(whole):
            self._good_enough = whole
        if self._is_better(whole):
            self._best, self._n_without = whole, 0
        elif whole.reused_from is None:
            self._n_without += 1

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
            return f"{count(self._n_failed, 'trial')} failed (max_failures={self.max_failures})"
        if self._good_enough is not None:
            return f"{self._good_enough.trial.id} reached the target {self.target:g}"
        if self.patience is not None and self._best and self._n_without >= self.patience:
            what = "trials" if self.repeats == 1 else "configurations"
            return (
                f"{self._n_without} {what} in a row were no better than {self._best.trial.id} "
                f"(patience={self.patience})"
            )
        if reason := self.asked_to_stop or self._ask():
            return reason
        if self.seconds_left() == 0:
            return f"the time of {self.timeout_s:g} s is up"
        return None if self.early is None else self.early.stop_reason(running, slots)

    def _ask(self) -> str:
        """Return why one of those that are asked wants the search to end, or an empty text."""
        for ask in self.asks:
            try:
                answer = ask()
            except Exception:  # an error of the user's function must not end the search
                if not self._warned:
                    self._warned = True
                    logger.warning(
                        "stop_when= has raised: the search goes on, and asks it again when the "
                        "next trial has ended (this is logged once).", exc_info=True
                    )  # fmt: skip
                continue
            if answer:
                return answer
        return ""

    def _is_better(self, result: TrialResult) -> bool:
        if result.value is None:
            return False
        best = self._best
        if best is None or best.value is None or result.violation != best.violation:
            return best is None or result.violation < best.violation
        return self.objective.better(result.value, best.value)

    def _warn_of_equal_values(self, result: TrialResult) -> None:
        if self._n_equal < 0 or result.value is None:
            return
        if self._equal is not None and result.value != self._equal.value:
            self._n_equal = -1  # they differ, and there is nothing to say
            return
        self._equal = self._equal or result
        self._n_equal += 1
        if self._n_equal == N_EQUAL and result.trial.params != self._equal.trial.params:
            logger.warning(
                "The first %d trials all have the value %g: a searcher can't learn anything. Look "
                "whether the train function uses its arguments, and returns what it measures.",
                N_EQUAL, result.value,
            )  # fmt: skip

    def _is_good_enough(self, result: TrialResult) -> bool:
        if self.target is None or result.value is None or result.violation > 0:
            return False
        return not self.objective.better(self.target, result.value)
