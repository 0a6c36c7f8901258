"""Who survives in an evolution: the one rule by which views tell it."""

from __future__ import annotations

from sparkexp.trial import Direction, TrialResult

__all__ = ["as_good", "was_accepted"]


def as_good(child: float | None, parent: float | None, direction: Direction) -> bool:
    """Tell whether a child takes its parent's place: whoever has no value loses.

    Examples
    --------
    >>> as_good(0.5, 0.5, 'max'), as_good(0.4, 0.5, 'max'), as_good(0.1, None, 'max')
    (True, False, True)
    """
    if child is None or parent is None:
        return parent is None
    return child >= parent if direction == "max" else child <= parent


def was_accepted(result: TrialResult, direction: Direction) -> bool | None:
    """Tell whether a trial entered the population.

    None where the search has none, or where the trial's own value doesn't decide: one of several
    runs, or one of several objectives.
    """
    trial = result.trial
    if trial.generation is None or trial.repetition is not None or result.values:
        return None
    if result.went_wrong or result.value is None:
        return False
    return as_good(result.value, trial.parent_value, direction)
