"""Who survives in an evolution: the one rule by which views tell it."""

from __future__ import annotations

from sparkexp.objective import Objective
from sparkexp.trial import TrialResult

__all__ = ["as_good", "was_accepted"]


def as_good(child: float | None, parent: float | None, objective: Objective) -> bool:
    """Tell whether a child takes its parent's place: whoever has no value loses.

    Examples
    --------
    >>> accuracy = Objective('accuracy', 'max')
    >>> [as_good(child, 0.5, accuracy) for child in (0.5, 0.4)], as_good(0.1, None, accuracy)
    ([True, False], True)
    """
    if child is None or parent is None:
        return parent is None
    return not objective.better(parent, child)


def was_accepted(result: TrialResult, objective: Objective) -> bool | None:
    """Tell whether a trial entered the population.

    None where the search has none, or where the trial's own value doesn't decide: one of several
    runs, or one of several objectives.
    """
    trial = result.trial
    if trial.generation is None or trial.repetition is not None or result.values:
        return None
    if result.went_wrong or result.value is None:
        return False
    return as_good(result.value, trial.parent_value, objective)
