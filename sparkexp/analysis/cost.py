"""What a multi-fidelity search has trained, and what it would have cost without rungs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from sparkexp.trial import State, TrialResult

__all__ = ["FidelityCost", "select_comparable", "compute_fidelity_cost", "describe_fidelity"]


@dataclass(frozen=True)
class FidelityCost:
    """The cost of a search in the unit of its fidelity.

    Parameters
    ----------
    name : str
        The unit, such as ``'epochs'``.
    trained : int
        What the trials have trained.
    full : int
        What all configurations would have taken at full fidelity.
    """

    name: str
    trained: int
    full: int

    @property
    def sentence(self) -> str:
        """The cost in words."""
        return (
            f"{self.trained} {self.name} of the {self.full} that full fidelity would take "
            f"({100 * self.trained / max(1, self.full):.0f} %)"
        )


def compute_fidelity_cost(results: Sequence[TrialResult]) -> FidelityCost | None:
    """Return the cost of the trials that ended; None where they have no rungs.

    A trial that continued from checkpoints has trained the difference to its lower rung. One that
    found none has trained from the start.

    Parameters
    ----------
    results : sequence of TrialResult
        The trials.
    """
    ladder = [r for r in results if r.trial.rung is not None and r.trial.extra]
    if not ladder:
        return None
    name = next(iter(ladder[0].trial.extra))
    levels = {r.trial.id: int(r.trial.extra[name]) for r in ladder}
    trained = 0
    for r in ladder:
        if r.reused_from is None and r.state is not State.CANCELLED:
            below = levels.get(r.trial.parent or "", 0) if r.continued else 0
            trained += levels[r.trial.id] - below
    n_configurations = sum(r.trial.parent is None for r in ladder)
    return FidelityCost(name, trained, n_configurations * max(levels.values()))


def select_comparable(results: Sequence[TrialResult]) -> list[TrialResult]:
    """Return trials whose values can be compared: those of the rung with most values.

    Without rungs, all trials are returned.
    """
    rungs = Counter(r.trial.rung for r in results if r.value is not None)
    if set(rungs) <= {None}:
        return list(results)
    (rung, _), *_ = rungs.most_common(1)
    return [r for r in results if r.trial.rung == rung]


def describe_fidelity(results: Sequence[TrialResult]) -> str:
    """Return the fidelity that all trials share, such as ``'epochs=9'``; else an empty text."""
    given = [r.trial.extra for r in results if r.trial.rung == results[0].trial.rung]
    if len(given) < max(1, len(results)) or results[0].trial.rung is None:
        return ""
    same = all(extra == given[0] for extra in given)
    return ", ".join(f"{name}={value}" for name, value in given[0].items()) if same else ""
