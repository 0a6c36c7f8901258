"""The survivor selection of an evolution, as all views apply it."""

from __future__ import annotations

from sparkexp.objective import Objective
from sparkexp.trial import TrialResult

__all__ = ["survives", "was_accepted"]


def survives(
    child: float | None,
    parent: float | None,
    objective: Objective,
    violations: tuple[float, float] = (0.0, 0.0),
) -> bool:
    """Tell whether a child replaces its parent: it does if it is at least as good.

    One without a value loses; if neither has a value, the child wins. Otherwise one that violates
    constraints less than the other wins, whatever the values.

    Parameters
    ----------
    child, parent : float or None
        Their values.
    objective : Objective
        What is optimised.
    violations : tuple of float
        By how much child and parent violate constraints.

    Examples
    --------
    >>> accuracy = Objective('accuracy', 'max')
    >>> [survives(child, 0.5, accuracy) for child in (0.5, 0.4)], survives(0.1, None, accuracy)
    ([True, False], True)
    """
    if child is None or parent is None:
        return parent is None
    if violations[0] != violations[1]:
        return violations[0] < violations[1]
    return not objective.better(parent, child)


def was_accepted(result: TrialResult, objective: Objective) -> bool | None:
    """Tell whether a trial entered the population.

    None where the search has no population, or where the trial's own value does not decide: it is
    one of several runs of a configuration, or has several objectives.
    """
    trial = result.trial
    if trial.generation is None or trial.repetition is not None or result.values:
        return None
    if result.went_wrong or result.value is None:
        return False
    violations = (result.violation, trial.parent_violation)
    return survives(result.value, trial.parent_value, objective, violations)
