"""How children of a population are made one by one: what every such strategy offers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sparkexp.search.evolution.population import Member
from sparkexp.search.evolution.variation import Vector

__all__ = ["Breeder", "Child"]


@dataclass(frozen=True)
class Child:
    """A point that was proposed and whose result is not in the population's books yet.

    Parameters
    ----------
    genome : ndarray
        The point of the unit cube.
    slot : int, optional
        The place in the population that it competes for; None where it competes with the worst.
    weight, crossover : float
        The F and CR that made it; 0 where none did.
    """

    genome: Vector
    slot: int | None = None
    weight: float = 0.0
    crossover: float = 0.0


class Breeder(ABC):
    """Makes the children of a population, and learns from what becomes of them.

    The population is the searcher's: a breeder looks at it and changes nothing.
    """

    @abstractmethod
    def breed(self, slot: int, number: int, pending: Sequence[Vector]) -> Iterator[Child]:
        """Yield children, most wanted first; there are `MIN_MEMBERS` members at least.

        Parameters
        ----------
        slot : int
            The place that has its turn, which may be heeded or not.
        number : int
            The number of the trial that one of them becomes.
        pending : sequence of ndarray
            The points of the trials whose results are not in the books yet.
        """

    @abstractmethod
    def learn(self, child: Child, loss: float, replaced: Member | None) -> None:
        """Learn a child's result, and which member gave way to it, if any.

        What is known from before the search comes as children of nobody.
        """

    @abstractmethod
    def end_generation(self) -> None:
        """Take note that as many results were learned as there are to be members."""

    @abstractmethod
    def state(self) -> dict[str, Any]:
        """Return what it remembers as a dict that `json` can write."""

    @abstractmethod
    def restore(self, state: Mapping[str, Any]) -> None:
        """Take over what `state` returned."""
