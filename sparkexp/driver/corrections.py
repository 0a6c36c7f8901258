"""What a resumed search changes in its records: its metric, and trials that failed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from sparkexp.objective import Objective, select_values, sum_violations
from sparkexp.trial import State, TrialResult

__all__ = ["correct_records", "take_value"]


def take_value(
    result: TrialResult, objectives: Sequence[Objective], constraints: Sequence[str] = ()
) -> TrialResult:
    """Return a result that lacks its value with that of these objectives, if it was returned.

    Examples
    --------
    >>> from sparkexp.trial import Trial
    >>> lost = TrialResult(Trial(0, {}), State.FAILED, metrics={'accuracy': 0.5}, error='no acc')
    >>> take_value(lost, [Objective('accuracy')]).value
    0.5
    """
    if result.state not in (State.FAILED, State.SUCCEEDED):
        return result
    if any(name not in result.metrics for name in constraints):
        return result
    violation = sum_violations(constraints, result.metrics)
    if result.value is not None:
        return result
    names = [each.name for each in objectives if each.name is not None]
    if not names and len(objectives) == 1 and len(result.metrics) == 1:
        names = list(result.metrics)
    if not names or not all(name in result.metrics for name in names):
        return result
    return replace(
        result,
        state=State.SUCCEEDED,
        value=result.metrics[names[0]],
        values=select_values(objectives, result.metrics),
        violation=violation,
        error=None,
        output="",
        fault=None,
    )


def correct_records(
    results: Iterable[TrialResult],
    objectives: Sequence[Objective],
    retry_failed: bool,
    constraints: Sequence[str] = (),
) -> list[TrialResult]:
    """Return the results that differ from their records, so that the searcher begins anew.

    Parameters
    ----------
    results : iterable of TrialResult
        The records.
    objectives : sequence of Objective
        What is optimised now.
    retry_failed : bool
        Whether trials that failed are run again: if none has succeeded, nothing is lost when
        they are as if they had not ended.
    constraints : sequence of str
        The entries that have to be at most 0 now.
    """
    corrected = [(result, take_value(result, objectives, constraints)) for result in results]
    if retry_failed and all(result.went_wrong for _, result in corrected):
        corrected = [(old, replace(new, state=State.CANCELLED)) for old, new in corrected]
    return [new for old, new in corrected if new != old]
