"""Where a trial comes from: its parent, the parent's parent, and what each of them changed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from sparkexp.analysis.ranking import Standings
from sparkexp.objective import Objective
from sparkexp.space import ArchitectureSpace
from sparkexp.space.recorded_architecture import UnknownSpaceError
from sparkexp.trial import ParamValue, Trial, TrialResult

__all__ = ["Step", "describe_change", "find_ancestors", "find_records", "trace_ancestry"]

# With more changes than these, the whole configuration is told instead.
MAX_CHANGES = 6

Spaces = Mapping[str, ArchitectureSpace]


@dataclass(frozen=True)
class Step:
    """A trial, and what was changed for it.

    Parameters
    ----------
    result : TrialResult
        The trial.
    change : str
        What differs from the trial before; of the first one, and where much differs, its whole
        configuration.
    """

    result: TrialResult
    change: str


def find_ancestors(result: TrialResult, trials: Mapping[str, TrialResult]) -> list[TrialResult]:
    """Return a trial's parent, the parent's parent and so on, as far as they are known.

    Parameters
    ----------
    result : TrialResult
        The trial.
    trials : Mapping[str, TrialResult]
        Trials by id.
    """
    found: list[TrialResult] = []
    while (parent := trials.get(result.trial.parent or "")) is not None:
        found.append(parent)
        result = parent
    return found


def trace_ancestry(
    result: TrialResult, trials: Mapping[str, TrialResult], spaces: Spaces
) -> list[Step]:
    """Return a trial and its ancestors, each with what it changed of its parent."""
    line = [result, *find_ancestors(result, trials)]
    parents = [*(each.trial for each in line[1:]), None]
    return [
        Step(each, describe_change(each.trial, parent, spaces))
        for each, parent in zip(line, parents, strict=True)
    ]


def find_records(
    results: Iterable[TrialResult], objective: Objective, spaces: Spaces
) -> list[Step]:
    """Return the trials that were the best when they ended, in that order."""
    standings, found = Standings(objective), list[Step]()
    for result in results:
        standings.add(result)
        best = None if standings.best is None else standings.best.runs[0]
        before = found[-1].result.trial if found else None
        if best is not None and (before is None or best.trial.params != before.params):
            found.append(Step(best, describe_change(best.trial, before, spaces)))
    return found


def describe_change(trial: Trial, before: Trial | None, spaces: Spaces) -> str:
    """Return how a trial's configuration differs from another's, an architecture by its decisions.

    Examples
    --------
    >>> one, other = Trial(0, {'rate': 0.5, 'units': 16}), Trial(1, {'rate': 0.25, 'units': 16})
    >>> describe_change(other, one, {}), describe_change(one, None, {})
    ('rate: 0.5 → 0.25', 'rate=0.5, units=16')
    """
    whole = ", ".join(f"{name}={_show(value)}" for name, value in trial.params.items())
    if before is None:
        return whole
    own, others = _spell_out(trial, spaces), _spell_out(before, spaces)
    changed = [
        f"{name}: {_show(others.get(name))} → {_show(own.get(name))}"
        for name in dict.fromkeys((*own, *others))
        if own.get(name) != others.get(name)
    ]
    return whole if len(changed) > MAX_CHANGES else ", ".join(changed) or "nothing"


def _spell_out(trial: Trial, spaces: Spaces) -> dict[str, ParamValue]:
    """Return the configuration with a name for each decision of its architectures."""
    found: dict[str, ParamValue] = {}
    for name, value in trial.params.items():
        space = spaces.get(name)
        try:
            found |= {name: value} if space is None else space.parse(str(value)).options
        except UnknownSpaceError:
            found[name] = value
    return found


def _show(value: ParamValue | None) -> str:
    if value is None:
        return "–"
    return f"{value:.5g}" if isinstance(value, float) else str(value)
