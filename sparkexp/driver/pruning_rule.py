"""Rules that decide from the trials' curves which running trials end early."""

from __future__ import annotations

import abc
import dataclasses
import math
import statistics
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from typing import Any

from sparkexp.checks import as_int
from sparkexp.context.curve import Point
from sparkexp.errors import InvalidArgumentError
from sparkexp.objective import Objective

__all__ = ["Curve", "MedianRule", "PruningRule", "as_rule", "rule_to_json", "drop_own_rule"]

# The key of the class name in a record, for a rule that the record can't hold.
OWN_RULE = "rule"


@dataclass(frozen=True)
class Curve:
    """The values of its objective that a trial has reported.

    Parameters
    ----------
    points : sequence of (int, float)
        Steps, ascending, and the values there.

    Examples
    --------
    >>> curve = Curve([(0, 0.5), (2, 0.75)])
    >>> curve.steps, curve.values, curve.mean_until(1), curve.mean_until(2)
    ((0, 2), (0.5, 0.75), 0.5, 0.625)
    """

    points: Sequence[Point]

    @cached_property
    def steps(self) -> tuple[int, ...]:
        """The steps."""
        return tuple(step for step, _ in self.points)

    @cached_property
    def values(self) -> tuple[float, ...]:
        """The values, as many as there are steps."""
        return tuple(value for _, value in self.points)

    def mean_until(self, step: int) -> float | None:
        """Return the mean of the values up to a step; None if there are none."""
        n = bisect_right(self.steps, step)
        return self._means[n - 1] if n else None

    @cached_property
    def _means(self) -> list[float]:
        return [total / n for n, total in enumerate(accumulate(self.values), 1)]


class PruningRule(abc.ABC):
    """Decides from a trial's curve whether the trial ends early.

    What the driver promises: it calls `should_prune` in its loop, for each running trial, whenever
    that trial has reported something new. If it returns True, the trial is ended, and the rule is
    not asked about it again. The other curves are the same objects in all calls, and cache what
    they have computed (`Curve.mean_until`). A rule that raises is not asked again: the search goes
    on without it.

    What a rule promises: its answer depends on the arguments and its own settings alone. It is
    fast, since the driver does nothing else meanwhile.
    """

    @abc.abstractmethod
    def should_prune(self, curve: Curve, others: Sequence[Curve], objective: Objective) -> bool:
        """Tell whether a trial has to end.

        Parameters
        ----------
        curve : Curve
            The curve of the trial, with at least one point.
        others : sequence of Curve
            The curves of the trials that succeeded, in the order in which they ended.
        objective : Objective
            What is optimised.
        """


@dataclass(frozen=True)
class MedianRule(PruningRule):
    """Ends a trial whose best value so far is worse than the median of the others' means so far.

    The others are the trials that succeeded; each counts with the mean of what it had reported up
    to the same step.

    Parameters
    ----------
    min_trials : int
        Number of trials that must have succeeded before any trial is ended.
    warmup : int
        Number of reports of a trial before it can be ended.

    References
    ----------
    D. Golovin, B. Solnik, S. Moitra, G. Kochanski, J. Karro, D. Sculley (2017). Google Vizier: a
    service for black-box optimization. KDD: section 3.2.2, the median stopping rule.

    Examples
    --------
    >>> rule = MedianRule(min_trials=1, warmup=2)
    >>> others = [Curve([(0, 0.5), (1, 0.7)])]
    >>> bad, good = Curve([(0, 0.4), (1, 0.5)]), Curve([(0, 0.4), (1, 0.7)])
    >>> accuracy = Objective('accuracy', 'max')
    >>> rule.should_prune(bad, others, accuracy), rule.should_prune(good, others, accuracy)
    (True, False)
    """

    min_trials: int = 5
    warmup: int = 3

    def should_prune(self, curve: Curve, others: Sequence[Curve], objective: Objective) -> bool:
        """Tell whether a trial has to end; see `PruningRule`."""
        if len(curve.points) < max(1, self.warmup) or len(others) < max(1, self.min_trials):
            return False
        step = curve.steps[-1]
        means = [mean for other in others if (mean := other.mean_until(step)) is not None]
        if not means:
            return False
        median, best = statistics.median(means), objective.best(curve.values)
        if math.isclose(best, median, rel_tol=1e-9):
            return False  # means of equal values may differ in the last digit
        return objective.better(median, best)


def as_rule(given: object) -> PruningRule | None:
    """Return the rule that `prune=` names or holds.

    Raises
    ------
    InvalidArgumentError
        If there is no such rule.

    Examples
    --------
    >>> as_rule('median'), as_rule({'min_trials': 3})
    (MedianRule(min_trials=5, warmup=3), MedianRule(min_trials=3, warmup=3))
    """
    if given is None or isinstance(given, PruningRule):
        return given
    if given == "median":
        return MedianRule()
    settings: Mapping[str, Any] | None = given if isinstance(given, Mapping) else None
    if settings is None or not set(settings) <= {"min_trials", "warmup"}:
        raise InvalidArgumentError(
            "prune must be 'median', a dict with min_trials and warmup, or a PruningRule, got "
            f"{given!r}. Write prune='median' or prune={{'min_trials': 5, 'warmup': 3}}."
        )
    checked = {name: as_int(name, value, at_least=1) for name, value in settings.items()}
    return MedianRule(**checked)


def rule_to_json(given: object) -> object:
    """Return the value of `prune=` for the record: the numbers of a median rule, or a class name.

    Examples
    --------
    >>> rule_to_json('median'), rule_to_json(MedianRule())
    ('median', {'min_trials': 5, 'warmup': 3})
    """
    if type(given) is MedianRule:
        return dataclasses.asdict(given)
    return {OWN_RULE: type(given).__name__} if isinstance(given, PruningRule) else given


def drop_own_rule(recorded: Mapping[str, Any], options: Mapping[str, Any]) -> dict[str, Any]:
    """Return recorded options without a pruning rule that the record couldn't hold.

    Parameters
    ----------
    recorded : Mapping[str, Any]
        The options as they were recorded.
    options : Mapping[str, Any]
        The options that `resume` was called with.

    Raises
    ------
    InvalidArgumentError
        If there is such a rule, and `options` have no `prune`.
    """
    rule = recorded.get("prune")
    if not isinstance(rule, Mapping) or OWN_RULE not in rule:
        return dict(recorded)
    if "prune" not in options:
        raise InvalidArgumentError(
            f"This search was pruned by a {rule[OWN_RULE]} of your own, which a log directory "
            "can't hold. Hand it over again: resume(spark, train, logdir, "
            f"prune={rule[OWN_RULE]}(…)), or go on without: prune=None."
        )
    return {name: value for name, value in recorded.items() if name != "prune"}
