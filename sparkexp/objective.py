"""What a search optimises; this is the only module that knows what "better" means."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from sparkexp.trial import Direction

__all__ = ["Objective", "objectives_of", "select_values", "sum_violations", "describe_violation"]


@dataclass(frozen=True)
class Objective:
    """A number that a trial returns, and whether it is to be large or small.

    A search has one or several objectives, in a tuple that is never empty.

    Parameters
    ----------
    name : str, optional
        The entry of the dict that the train function returns; None if it returns a number.
    direction : {'max', 'min'}
        Which value is the best.

    Examples
    --------
    >>> latency = Objective('latency', 'min')
    >>> latency.heading, latency.loss(0.5), latency.better(0.5, 0.7)
    ('latency (min)', 0.5, True)
    >>> Objective().heading, Objective().loss(0.5), Objective().best([0.5, 0.7])
    ('objective (max)', -0.5, 0.7)
    """

    name: str | None = None
    direction: Direction = "max"

    @property
    def label(self) -> str:
        """The name, or just ``'objective'``."""
        return self.name or "objective"

    @property
    def heading(self) -> str:
        """The label, and which value is the best."""
        return f"{self.label} ({self.direction})"

    @property
    def maximised(self) -> bool:
        """Whether more is better."""
        return self.direction == "max"

    @property
    def loss_sign(self) -> float:
        """What a value is multiplied by to get its loss: -1 where more is better, else 1."""
        return -1.0 if self.maximised else 1.0

    def loss(self, value: float | None) -> float:
        """Return the value as a loss: less is better, and None becomes infinity."""
        return math.inf if value is None else self.loss_sign * value

    def better(self, value: float, other: float) -> bool:
        """Tell whether a value is better than another, and not equal to it."""
        return value > other if self.maximised else value < other

    def best(self, values: Iterable[float]) -> float:
        """Return the best of some values."""
        return max(values) if self.maximised else min(values)

    def worst(self, values: Iterable[float]) -> float:
        """Return the worst of some values."""
        return min(values) if self.maximised else max(values)

    def best_first(self, values: Iterable[float]) -> list[float]:
        """Return the values in order, from the best to the worst."""
        return sorted(values, reverse=self.maximised)


def objectives_of(
    metric: str | Sequence[str] | None, directions: Sequence[Direction]
) -> tuple[Objective, ...]:
    """Return the objectives of a search.

    Parameters
    ----------
    metric : str, sequence of str or None
        The names; None if the only objective has no name.
    directions : sequence of {'max', 'min'}
        The direction of each objective.

    Examples
    --------
    >>> objectives_of(['accuracy', 'latency'], ['max', 'min'])
    (Objective(name='accuracy', direction='max'), Objective(name='latency', direction='min'))
    """
    names: Sequence[str | None] = [metric] if metric is None or isinstance(metric, str) else metric
    if len(directions) > 1 and len(names) != len(directions):
        names = [f"objective {k}" for k in range(1, len(directions) + 1)]
    return tuple(Objective(*pair) for pair in zip(names, directions, strict=True))


def select_values(
    objectives: Sequence[Objective], metrics: Mapping[str, float]
) -> tuple[float, ...]:
    """Return the values of several objectives; empty if one is missing or there is only one."""
    names = [each.name for each in objectives if each.name is not None]
    several = len(objectives) > 1 and all(name in metrics for name in names)
    return tuple(metrics[name] for name in names) if several else ()


def sum_violations(constraints: Sequence[str], metrics: Mapping[str, float]) -> float:
    """Return the sum of those of a trial's constraints that are above 0; 0 if it satisfies all.

    Parameters
    ----------
    constraints : sequence of str
        The names of the entries that should be at most 0; one that is missing counts nothing.
    metrics : Mapping[str, float]
        All numbers that the train function returned.

    Examples
    --------
    >>> sum_violations(['size', 'latency'], {'size': -3.0, 'latency': 0.5, 'loss': 1.0})
    0.5
    """
    above = sum(max(0.0, metrics.get(name, 0.0)) for name in constraints)
    return min(above, sys.float_info.max)


def describe_violation(violation: float) -> str:
    """Return what is said beside the best trial if it violates constraints; else an empty text.

    Examples
    --------
    >>> describe_violation(0.25), describe_violation(0.0)
    ('no trial satisfies the constraints, this one violates them least, by 0.25', '')
    """
    if not violation:
        return ""
    return f"no trial satisfies the constraints, this one violates them least, by {violation:.3g}"
