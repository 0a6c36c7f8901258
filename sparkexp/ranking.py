"""Which trials of a search are the best."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from sparkexp.dominance import fronts
from sparkexp.trial import Direction, TrialResult

__all__ = ["BestTrial", "best_of", "front_of"]


@dataclass(frozen=True)
class BestTrial:
    """The best trial of a search, or one of the best.

    Parameters
    ----------
    id : str
        The trial's id.
    params : dict
        Its parameters.
    value : float
        Its objective, the first of several.
    metrics : dict
        All numbers that the train function returned.
    logdir : str
        Its directory.
    values : tuple of float
        All objectives, where there are several.
    """

    id: str
    params: dict[str, int | float | str | bool]
    value: float
    metrics: dict[str, float]
    logdir: str
    values: tuple[float, ...] = ()

    @classmethod
    def of(cls, result: TrialResult) -> BestTrial:
        """Return what there is to say of a trial that has a value."""
        trial = result.trial
        assert result.value is not None
        return cls(
            trial.id,
            dict(trial.params),
            result.value,
            dict(result.metrics),
            result.logdir,
            result.values,
        )


def best_of(trials: Iterable[TrialResult], direction: Direction) -> TrialResult | None:
    """Return the succeeded trial with the best value, the first of equals.

    Where trials have rungs, it is one of the highest.
    """
    sign = 1.0 if direction == "max" else -1.0
    valued = [r for r in trials if r.succeeded and r.value is not None]
    return max(valued, key=lambda r: (r.trial.rung or 0, sign * (r.value or 0.0)), default=None)


def front_of(trials: Iterable[TrialResult], directions: Sequence[Direction]) -> list[TrialResult]:
    """Return the trials that no other dominates, by their first objective, the best first.

    Of trials with the same values the first stands for all.
    """
    signs = np.array([-1.0 if direction == "max" else 1.0 for direction in directions])
    first: dict[tuple[float, ...], TrialResult] = {}
    for result in trials:
        if result.succeeded and len(result.values) == len(directions):
            first.setdefault(result.values, result)
    if not first:
        return []
    valued = list(first.values())
    losses = signs * np.array([result.values for result in valued])
    return [valued[k] for k in sorted(fronts(losses)[0], key=lambda k: losses[k].tolist())]
