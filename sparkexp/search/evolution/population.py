"""The population of an evolution: who its members are, and who gives way to whom.

All evolutions have this one. How children are made is said elsewhere (`variation`, `breeding`);
who survives is said by the method that the searcher calls: `Population.challenge`, or
`Population.keep` with whom it has selected.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sparkexp.search.evolution.variation import Vector
from sparkexp.trial import Trial

__all__ = ["MIN_MEMBERS", "NOBODY", "Member", "Population", "losses_to_lists", "losses_from_lists"]

# Who breeds takes two members that differ from each other and from the child's parent.
MIN_MEMBERS = 4
# Holds a slot that no trial of this search has won.
NOBODY = -1


@dataclass(frozen=True)
class Member:
    """A point that holds a slot, or wants one.

    Parameters
    ----------
    genome : ndarray
        The point of the unit cube.
    loss : float
        Its result, of which less is better; infinite where there is none.
    holder : int
        The number of its trial; `NOBODY` where it is of no trial of this search.
    """

    genome: Vector
    loss: float
    holder: int = NOBODY


class Population:
    """The members of an evolution, by slot: a point, its loss, and its trial's number.

    Parameters
    ----------
    genomes : ndarray
        The first members, of shape ``(n, n_dims)``; there may be none.
    losses : ndarray, optional
        Of shape ``(n,)``, or ``(n, n_objectives)``; by default they are infinite, which loses to
        any result.
    size : int, optional
        How many members there are to be, and trials in a generation; by default as many as now.

    Attributes
    ----------
    genomes, losses : ndarray
        As above.
    holders : list of int
        The numbers of the trials.

    Examples
    --------
    >>> population = Population(np.array([[0.1], [0.7]]), np.array([3.0, 2.0]))
    >>> gone = population.challenge(0, Member(np.array([0.4]), 1.0, 5))
    >>> gone.loss, population.losses.tolist(), population.holders
    (3.0, [1.0, 2.0], [5, -1])
    """

    def __init__(
        self, genomes: Vector, losses: Vector | None = None, size: int | None = None
    ) -> None:
        self.genomes = genomes.copy()
        self.losses = np.full(len(genomes), np.inf) if losses is None else losses.copy()
        self.holders = [NOBODY] * len(genomes)
        self.size = len(genomes) if size is None else size

    def __len__(self) -> int:
        return len(self.holders)

    def add(self, genomes: ArrayLike, losses: ArrayLike, holders: Sequence[int]) -> None:
        """Let some join, of whom nobody else has to go."""
        self.genomes = np.concatenate([self.genomes, genomes])
        self.losses = np.concatenate([self.losses, losses])
        self.holders = [*self.holders, *holders]

    def keep(self, slots: Sequence[int] | NDArray[np.intp]) -> None:
        """Let those of other slots go."""
        self.genomes, self.losses = self.genomes[slots], self.losses[slots]
        self.holders = [self.holders[slot] for slot in slots]

    def challenge(self, slot: int, challenger: Member) -> Member | None:
        """Give the slot to a challenger that is at least as good; return who gave way to it.

        Storn and Price ask it to be better. With equals let in, the population drifts over
        plateaus, of which whole numbers, choices and failed regions make many.
        """
        if challenger.loss > self.losses[slot]:
            return None
        genome, loss = self.genomes[slot].copy(), float(self.losses[slot])
        replaced = Member(genome, loss, self.holders[slot])
        self.genomes[slot] = challenger.genome
        self.losses[slot] = challenger.loss
        self.holders[slot] = challenger.holder
        return replaced

    def rank(self) -> NDArray[np.intp]:
        """Return the slots, that of the least loss first."""
        return np.argsort(self.losses, kind="stable")

    def rank_finite(self) -> NDArray[np.intp]:
        """Return the slots of those that have a result, that of the least loss first."""
        ranked = self.rank()
        valued: NDArray[np.intp] = ranked[np.isfinite(self.losses[ranked])]
        return valued

    def find_worst(self) -> int:
        """Return the slot of the largest loss."""
        return int(np.argmax(self.losses))

    def find_holder(self, slot: int) -> str | None:
        """Return the id of the trial that holds a slot; None where nobody does."""
        number = self.holders[slot]
        return None if number == NOBODY else self.make_trial_id(number)

    def make_trial_id(self, number: int) -> str:
        """Return the id of a trial; a generation has as many as there are to be members."""
        return Trial(number, {}, generation=number // self.size).id

    def state(self) -> dict[str, Any]:
        """Return the members as a dict that `json` can write."""
        return {
            "genomes": self.genomes.tolist(),
            "losses": losses_to_lists(self.losses),
            "holders": list(self.holders),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take over what `state` returned."""
        n = len(state["genomes"])
        self.genomes = np.reshape(state["genomes"], (n, self.genomes.shape[1]))
        self.losses = losses_from_lists(state["losses"]).reshape(n, *self.losses.shape[1:])
        # States of earlier versions name no trials where there are several objectives.
        self.holders = list(state.get("holders", [NOBODY] * n))


def losses_to_lists(losses: Vector) -> list[Any]:
    """Return losses as lists that `json` can write: None where they are infinite."""
    found = losses.astype(object)
    found[~np.isfinite(losses)] = None
    rows: list[Any] = found.tolist()
    return rows


def losses_from_lists(losses: Sequence[Any]) -> Vector:
    """Return what `losses_to_lists` was given."""
    found = np.array(losses, dtype=float)
    return np.where(np.isnan(found), np.inf, found)
