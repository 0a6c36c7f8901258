"""The population of an evolution: its members, and how they are replaced.

All evolutions have this one. Its children are made elsewhere (`variation`, `breeding`). The
searcher decides which of them survive: it calls `Population.challenge`, or `Population.keep` with
its own selection.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sparkexp.search.evolution.variation import Vector
from sparkexp.trial import Trial

__all__ = [
    "MIN_MEMBERS",
    "NOBODY",
    "Member",
    "Population",
    "Rank",
    "losses_from_lists",
    "losses_to_lists",
    "rank_of",
]

# A mutation takes members that differ from each other and from the parent.
MIN_MEMBERS = 4
Rank: TypeAlias = tuple[bool, float, float]

# The holder of a slot that no trial of this search has won.
NOBODY = -1


@dataclass(frozen=True)
class Member:
    """A point that holds a slot, or competes for one.

    Parameters
    ----------
    genome : ndarray
        The point of the unit cube.
    loss : float
        Its loss: less is better. It is infinite if there is no result.
    holder : int
        The number of its trial; `NOBODY` if it comes from no trial of this search.
    violation : float
        By how much it violates constraints.
    """

    genome: Vector
    loss: float
    holder: int = NOBODY
    violation: float = 0.0

    @property
    def rank(self) -> Rank:
        """What orders members, the best first: see `rank_of`."""
        return rank_of(self.loss, self.violation)


def rank_of(loss: float, violation: float) -> Rank:
    """Return what orders points, the best first.

    One without a result is the worst. Of two that violate constraints, the one is better that
    violates them less; one that satisfies them is better than one that does not; of two that
    satisfy them, the one with the smaller loss.

    References
    ----------
    K. Deb (2000). An efficient constraint handling method for genetic algorithms. Computer Methods
    in Applied Mechanics and Engineering 186, 311-338.

    Examples
    --------
    >>> rank_of(5.0, 0.0) < rank_of(1.0, 0.1) < rank_of(2.0, 0.1) < rank_of(math.inf, 0.0)
    True
    """
    return math.isinf(loss), violation, loss


class Population:
    """The members of an evolution, by slot: a point, its loss, and its trial's number.

    Parameters
    ----------
    genomes : ndarray
        The first members, of shape ``(n, n_dims)``; there may be none.
    losses : ndarray, optional
        Of shape ``(n,)``, or ``(n, n_objectives)``; by default they are infinite, so that any
        result wins.
    size : int, optional
        The number of members of the full population, and of trials in a generation; by default
        the number of `genomes`.

    Attributes
    ----------
    genomes, losses : ndarray
        As above.
    holders : list of int
        The numbers of the trials.
    violations : ndarray
        By how much the members violate constraints, of shape ``(n,)``.

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
        self.violations = np.zeros(len(genomes))
        self.holders = [NOBODY] * len(genomes)
        self.size = len(genomes) if size is None else size

    def __len__(self) -> int:
        return len(self.holders)

    def add(
        self,
        genomes: ArrayLike,
        losses: ArrayLike,
        holders: Sequence[int],
        violations: Sequence[float] = (),
    ) -> None:
        """Add members; no other member is removed. By default they violate nothing."""
        added = violations or [0.0] * len(holders)
        self.violations = np.concatenate([self.violations, added])
        self.genomes = np.concatenate([self.genomes, genomes])
        self.losses = np.concatenate([self.losses, losses])
        self.holders = [*self.holders, *holders]

    def keep(self, slots: Sequence[int] | NDArray[np.intp]) -> None:
        """Keep the members of these slots, in this order, and remove the others."""
        self.genomes, self.losses = self.genomes[slots], self.losses[slots]
        self.violations = self.violations[slots]
        self.holders = [self.holders[slot] for slot in slots]

    def challenge(self, slot: int, challenger: Member) -> Member | None:
        """Give the slot to a challenger that is at least as good; return the replaced member.

        For Storn and Price it has to be better. Since equals are accepted, the population drifts
        over plateaus, which whole numbers, choices and failed regions often make.
        """
        if challenger.rank > self.rank_of(slot):
            return None
        genome, loss = self.genomes[slot].copy(), float(self.losses[slot])
        replaced = Member(genome, loss, self.holders[slot], float(self.violations[slot]))
        self.genomes[slot] = challenger.genome
        self.losses[slot] = challenger.loss
        self.violations[slot] = challenger.violation
        self.holders[slot] = challenger.holder
        return replaced

    def rank_of(self, slot: int) -> Rank:
        """Return what orders a member among the others: see the function `rank_of`."""
        return rank_of(float(self.losses[slot]), float(self.violations[slot]))

    def rank(self) -> NDArray[np.intp]:
        """Return the slots in the order of their members, the best first."""
        return np.lexsort((self.losses, self.violations, np.isinf(self.losses)))

    def find_positions(self) -> NDArray[np.intp]:
        """Return each slot's place in `rank`."""
        positions = np.empty(len(self), dtype=np.intp)
        positions[self.rank()] = np.arange(len(self))
        return positions

    def rank_finite(self) -> NDArray[np.intp]:
        """Return the slots of members with a result, the best first."""
        ranked = self.rank()
        valued: NDArray[np.intp] = ranked[np.isfinite(self.losses[ranked])]
        return valued

    def find_worst(self) -> int:
        """Return the slot of the worst member."""
        return max(range(len(self)), key=self.rank_of)

    def find_holder(self, slot: int) -> str | None:
        """Return the id of the trial that holds a slot; None if no trial does."""
        number = self.holders[slot]
        return None if number == NOBODY else self.make_trial_id(number)

    def make_trial_id(self, number: int) -> str:
        """Return the id of a trial; a generation has `size` trials."""
        return Trial(number, {}, generation=number // self.size).id

    def state(self) -> dict[str, Any]:
        """Return the members as a dict that `json` can write."""
        return {
            "genomes": self.genomes.tolist(),
            "losses": losses_to_lists(self.losses),
            "holders": list(self.holders),
            **({"violations": self.violations.tolist()} if self.violations.any() else {}),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take over what `state` returned."""
        n = len(state["genomes"])
        self.genomes = np.reshape(state["genomes"], (n, self.genomes.shape[1]))
        self.losses = losses_from_lists(state["losses"]).reshape(n, *self.losses.shape[1:])
        # States of earlier versions name no trials where there are several objectives.
        self.holders = list(state.get("holders", [NOBODY] * n))
        self.violations = np.array(state.get("violations", [0.0] * n), dtype=float)


def losses_to_lists(losses: Vector) -> list[Any]:
    """Return losses as lists that `json` can write: None where they are infinite."""
    objects = losses.astype(object)
    objects[~np.isfinite(losses)] = None
    rows: list[Any] = objects.tolist()
    return rows


def losses_from_lists(losses: Sequence[Any]) -> Vector:
    """Return what `losses_to_lists` was given."""
    found = np.array(losses, dtype=float)
    return np.where(np.isnan(found), np.inf, found)
