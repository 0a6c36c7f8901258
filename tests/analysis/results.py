"""Trials for tests, in a few words."""

from __future__ import annotations

from collections.abc import Mapping

from sparkexp.trial import ParamValue, State, Trial, TrialResult


def trial(
    number: int,
    value: float | None,
    params: Mapping[str, ParamValue] | None = None,
    generation: int | None = None,
    parent: TrialResult | None = None,
    reused_from: str | None = None,
) -> TrialResult:
    """A trial that ended with a value, or failed."""
    state = State.FAILED if value is None else State.SUCCEEDED
    asked = Trial(number, params or {}, generation, parent and parent.trial.id)
    error = "ValueError: no" if value is None else None
    return TrialResult(asked, state, value, error=error, reused_from=reused_from)
