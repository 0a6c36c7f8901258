"""The contract of all strategies that make the children of a population one by one."""

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
    """A point that was proposed and whose result has not entered the population yet.

    Parameters
    ----------
    genome : ndarray
        The point of the unit cube.
    slot : int, optional
        The slot of the population that it competes for. Without one it joins the population, or
        competes with the worst member if that is full.
    weight, crossover : float
        The F and CR that it was made with; 0 if it was made without them.
    """

    genome: Vector
    slot: int | None = None
    weight: float = 0.0
    crossover: float = 0.0


class Breeder(ABC):
    """Makes the children of a population, and learns from their results.

    The searcher owns the population: a breeder reads it and never changes it.
    """

    @abstractmethod
    def breed(self, slot: int, number: int, pending: Sequence[Vector]) -> Iterator[Child]:
        """Yield children, the most promising first; there are at least `MIN_MEMBERS` members.

        Parameters
        ----------
        slot : int
            The slot whose turn it is. The breeder may choose another one.
        number : int
            The number of the trial that one of them becomes.
        pending : sequence of ndarray
            The points of the trials whose results have not entered the population yet.
        """

    @abstractmethod
    def learn(
        self, child: Child, loss: float, replaced: Member | None, violation: float = 0.0
    ) -> None:
        """Learn a child's result, and which member it has replaced, if any.

        Results that are known from before the search come as children that replaced nothing.

        Parameters
        ----------
        child : Child
            The child.
        loss : float
            Its loss; infinite if it has failed.
        replaced : Member or None
            The member.
        violation : float
            By how much it violates constraints.
        """

    @abstractmethod
    def end_generation(self) -> None:
        """End a generation: another `popsize` results were learned."""

    @abstractmethod
    def state(self) -> dict[str, Any]:
        """Return what it remembers as a dict that `json` can write."""

    @abstractmethod
    def restore(self, state: Mapping[str, Any]) -> None:
        """Take over what `state` returned."""
