"""Trials that are ended early, since their curves run below those of others."""

from __future__ import annotations

import math
import statistics
import time
from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Any

from sparkexp.checks import as_int
from sparkexp.context.curve import Point, curve_of, read_reports
from sparkexp.errors import InvalidArgumentError
from sparkexp.objective import Objective
from sparkexp.runs import RunDirectory
from sparkexp.trial import State, Trial, TrialResult

__all__ = ["MedianRule", "Pruner", "as_rule"]

# Whatever the number of running trials, looking at their files takes this share of a second.
SECONDS_BETWEEN_LOOKS = 0.5
SECONDS_PER_LOOK = 0.02


@dataclass(frozen=True)
class MedianRule:
    """Ends a trial whose best value so far is worse than the median of the others' means so far.

    The others are the trials that succeeded; each counts with the mean of what it had reported up
    to the same step.

    Parameters
    ----------
    min_trials : int
        So many trials have to have succeeded before any is ended.
    warmup : int
        So many reports of each trial are waited for.

    References
    ----------
    D. Golovin, B. Solnik, S. Moitra, G. Kochanski, J. Karro, D. Sculley (2017). Google Vizier: a
    service for black-box optimization. KDD: section 3.2.2, the median stopping rule.

    Examples
    --------
    >>> rule = MedianRule(min_trials=1, warmup=2)
    >>> others = [[(0, 0.5), (1, 0.7)]]
    >>> accuracy = Objective('accuracy', 'max')
    >>> rule.is_to_end([(0, 0.4), (1, 0.5)], others, accuracy), rule.is_to_end(
    ...     [(0, 0.4), (1, 0.7)], others, accuracy)
    (True, False)
    """

    min_trials: int = 5
    warmup: int = 3

    def settings(self) -> dict[str, int]:
        """Return what `prune` takes for this rule, for the record of a run."""
        return {"min_trials": self.min_trials, "warmup": self.warmup}

    def is_to_end(
        self, curve: Sequence[Point], others: Iterable[Sequence[Point]], objective: Objective
    ) -> bool:
        """Tell whether a trial is to be ended.

        Parameters
        ----------
        curve : sequence of (int, float)
            Steps and values that the trial has reported.
        others : iterable of sequence of (int, float)
            Those of the trials that succeeded.
        objective : Objective
            What is optimised.
        """
        means = [_means(other) for other in others]
        return self._is_to_end(curve, means, objective)

    def _is_to_end(
        self, curve: Sequence[Point], means: Sequence[_Means], objective: Objective
    ) -> bool:
        if len(curve) < max(1, self.warmup) or len(means) < max(1, self.min_trials):
            return False
        step = curve[-1][0]
        known = [mean for other in means if (mean := _mean_at(other, step)) is not None]
        if not known:
            return False
        median, values = statistics.median(known), [value for _, value in curve]
        best = objective.best(values)
        if math.isclose(
            best, median, rel_tol=1e-9
        ):  # means of equal values differ in a last digit
            return False
        return objective.better(median, best)


# Of a curve: its steps, and the mean of its values up to each.
_Means = tuple[list[int], list[float]]


def _means(curve: Sequence[Point]) -> _Means:
    sums = accumulate(value for _, value in curve)
    return [step for step, _ in curve], [total / n for n, total in enumerate(sums, 1)]


def _mean_at(means: _Means, step: int) -> float | None:
    n = bisect_right(means[0], step)
    return means[1][n - 1] if n else None


class Pruner:
    """Looks at the curves of running trials and says which are to be ended.

    Parameters
    ----------
    rule : MedianRule
        Decides.
    objective : Objective
        What is optimised.
    run : RunDirectory
        Where the trials' curves are.
    """

    def __init__(self, rule: MedianRule, objective: Objective, run: RunDirectory) -> None:
        self._rule = rule
        self._objective = objective
        self._run = run
        self._means: list[_Means] = []
        self._curves: dict[int, list[Point]] = {}
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
            if curve:
                self._means.append(_means(curve))

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
        return curve[-1][1] if curve else None

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
        return self._rule._is_to_end(curve, self._means, self._objective)

    def _read(self, number: int) -> list[Point]:
        return curve_of(read_reports(self._path(number)), self._objective.name)

    def _path(self, number: int) -> Path:
        return self._run.paths.curve(number)


def as_rule(given: object) -> MedianRule | None:
    """Return the rule that `prune=` names.

    Raises
    ------
    InvalidArgumentError
        If there is no such rule.

    Examples
    --------
    >>> as_rule('median'), as_rule({'min_trials': 3})
    (MedianRule(min_trials=5, warmup=3), MedianRule(min_trials=3, warmup=3))
    """
    if given is None or isinstance(given, MedianRule):
        return given
    if given == "median":
        return MedianRule()
    settings: Mapping[str, Any] | None = given if isinstance(given, Mapping) else None
    if settings is None or not set(settings) <= {"min_trials", "warmup"}:
        raise InvalidArgumentError(
            "prune must be 'median', or a dict with min_trials and warmup, got "
            f"{given!r}. Write prune='median' or prune={{'min_trials': 5, 'warmup': 3}}."
        )
    checked = {name: as_int(name, value, at_least=1) for name, value in settings.items()}
    return MedianRule(**checked)
