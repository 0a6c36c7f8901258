"""Looks at the curves of running trials, and ends those that a rule says are to be ended."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from pathlib import Path

from sparkexp.context.curve import curve_of, read_reports
from sparkexp.driver.pruning_rule import Curve, PruningRule
from sparkexp.objective import Objective
from sparkexp.runs import RunDirectory
from sparkexp.trial import State, Trial, TrialResult

__all__ = ["Pruner"]

logger = logging.getLogger(__name__)

# Whatever the number of running trials, looking at their files takes this share of a second.
SECONDS_BETWEEN_LOOKS = 0.5
SECONDS_PER_LOOK = 0.02


class Pruner:
    """Looks at the curves of running trials and says which are to be ended.

    Parameters
    ----------
    rule : PruningRule
        Decides.
    objective : Objective
        What is optimised.
    run : RunDirectory
        Where the trials' curves are.
    """

    def __init__(self, rule: PruningRule, objective: Objective, run: RunDirectory) -> None:
        self._rule: PruningRule | None = rule
        self._objective = objective
        self._run = run
        self._others: list[Curve] = []
        self._curves: dict[int, Curve] = {}
        self._seen: dict[int, int] = {}
        self._ended: set[int] = set()
        self._next_look = 0.0
        self._turn = 0

    def trial_ended(self, result: TrialResult, earlier: bool = False) -> None:
        """Take in a trial that has ended."""
        number = result.trial.number
        self._curves.pop(number, None)
        if result.state is State.SUCCEEDED and result.reused_from is None:
            self._run.refresh_curve(number)
            curve = self._read(number)
            if curve.points:
                self._others.append(curve)

    def look(self, running: Sequence[Trial], *, at_once: bool = False) -> list[Trial]:
        """Return running trials that are to be ended, each once.

        It takes the same time for any number of trials: what there is no time for is looked at
        the next time.

        Parameters
        ----------
        running : sequence of Trial
            The trials that run.
        at_once : bool
            Whether to look although it has just been done.
        """
        now = time.monotonic()
        if not running or (now < self._next_look and not at_once):
            return []
        self._next_look = now + SECONDS_BETWEEN_LOOKS
        found = []
        for k in range(len(running)):
            trial = running[(self._turn + k) % len(running)]
            if self._is_to_end(trial.number):
                self._ended.add(trial.number)
                found.append(trial)
            if time.monotonic() - now > SECONDS_PER_LOOK:
                self._turn = (self._turn + k + 1) % len(running)
                break
        return found

    def has_ended(self, trial: Trial) -> bool:
        """Tell whether `look` has named this trial."""
        return trial.number in self._ended

    def last_value(self, trial: Trial) -> float | None:
        """Return what a running trial has reported last."""
        curve = self._curves.get(trial.number)
        return curve.values[-1] if curve and curve.points else None

    def _is_to_end(self, number: int) -> bool:
        if number in self._ended:
            return False
        try:
            changed = self._path(number).stat().st_mtime_ns
        except OSError:
            return False  # it has reported nothing yet
        if self._seen.get(number) == changed:
            return False
        self._seen[number] = changed
        curve = self._curves[number] = self._read(number)
        return self._ask(curve) if curve.points else False

    def _ask(self, curve: Curve) -> bool:
        if self._rule is None:
            return False
        try:
            return self._rule.should_prune(curve, self._others, self._objective)
        except Exception:  # the user's code: it must not cost the search
            logger.warning(
                "%r has raised an error: the search goes on without pruning.", self._rule,
                exc_info=True,
            )  # fmt: skip
            self._rule = None
            return False

    def _read(self, number: int) -> Curve:
        return Curve(curve_of(read_reports(self._path(number)), self._objective.name))

    def _path(self, number: int) -> Path:
        return self._run.paths.curve(number)
