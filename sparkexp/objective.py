"""What a search is after, as its texts and pictures call it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sparkexp.trial import Direction

__all__ = ["Goal", "goals_of"]


@dataclass(frozen=True)
class Goal:
    """An objective.

    Parameters
    ----------
    metric : str, optional
        What the train function calls it, where it returns several numbers.
    direction : {'max', 'min'}
        Which value is the best.

    Examples
    --------
    >>> Goal('latency', 'min').heading, Goal(None, 'max').heading
    ('latency (min)', 'objective (max)')
    """

    metric: str | None
    direction: Direction

    @property
    def name(self) -> str:
        """The metric, or just ``'objective'``."""
        return self.metric or "objective"

    @property
    def heading(self) -> str:
        """The name, and which value is the best."""
        return f"{self.name} ({self.direction})"

    @property
    def sign(self) -> float:
        """1 where more is better, -1 where less is."""
        return 1.0 if self.direction == "max" else -1.0


def goals_of(
    metrics: Sequence[str], direction: Direction, directions: Sequence[Direction] = ()
) -> tuple[Goal, ...]:
    """Return the objectives of a search.

    Parameters
    ----------
    metrics : sequence of str
        Their names; none where the only one has none.
    direction : {'max', 'min'}
        Of the first.
    directions : sequence of {'max', 'min'}
        Of all, where there are several.
    """
    if len(directions) < 2:
        return (Goal(metrics[0] if metrics else None, direction),)
    names = metrics or [f"objective {k}" for k in range(1, len(directions) + 1)]
    return tuple(map(Goal, names, directions))
