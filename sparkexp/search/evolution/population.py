"""What the adaptive evolutions share: a population that results enter one by one or in batches."""

from __future__ import annotations

import hashlib
import itertools
import math
from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, ClassVar, Literal

import numpy as np

from sparkexp.checks import as_direction, as_int
from sparkexp.errors import InvalidArgumentError
from sparkexp.search.base import Known, SeededSearcher
from sparkexp.search.evolution.variation import Vector, latin_hypercube
from sparkexp.space import Space
from sparkexp.trial import Direction, ParamValue, Trial, TrialResult, params_key

__all__ = ["Child", "Mode", "PopulationSearcher", "as_mode"]

Mode = Literal["asynchronous", "generational"]

# Who breeds takes two members that differ from each other and from the child's parent.
MIN_MEMBERS = 4
# Holds a place for what was known before the search.
NOBODY = -1
# How often a configuration that was proposed before is bred anew, and then drawn anew.
MAX_BRED, MAX_DRAWN = 60, 200


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


class PopulationSearcher(SeededSearcher):
    """A population in the unit cube, kept by tournaments between a child and its parent.

    The first ``2 * popsize`` trials are a Latin hypercube, of which the better half is kept. A
    genome becomes a trial in `_propose` alone, and a result enters in `_enter` alone. Trials are
    counted as generations of `popsize`.

    Parameters
    ----------
    space : Space
        What is searched.
    direction : {'max', 'min'}
        Which value is the best.
    popsize : int
        Size of the population, at least 4.
    n_trials : int or None
        The number of trials, at least 1; None for no limit.
    mode : {'asynchronous', 'generational'}
        Whether a result counts at once, or when all of its generation are there: then the order
        in which they arrive changes nothing, and slots wait.
    seed : int or None
        A whole number of at least 0; by default one is drawn, and `settings` tells it.
    """

    # How many generations are drawn before children are bred.
    initial_generations: ClassVar[int] = 2

    def __init__(
        self,
        space: Space,
        direction: Direction,
        popsize: int,
        n_trials: int | None,
        mode: Mode,
        seed: int | None,
    ) -> None:
        super().__init__(space, seed)
        self.direction = as_direction(direction)
        self.directions = (self.direction,)
        self.popsize = as_int("popsize", popsize, at_least=MIN_MEMBERS)
        self._n_trials = None if n_trials is None else as_int("n_trials", n_trials, at_least=1)
        self.mode = as_mode(mode)
        # Drawn first, so that a restored searcher has them without having saved them.
        self._initial = latin_hypercube(
            self._rng, self.initial_generations * self.popsize, space.n_dims
        )
        self._children: dict[int, Child] = {}
        self._seen: set[str] = set()
        # Results that wait for the rest of their generation, and how many entered.
        self._waiting: dict[int, float] = {}
        self._n_entered = 0
        # The members by slot: genome, loss (the value to be minimised, infinite for a failed
        # trial) and the trial.
        self._genomes: list[Vector] = []
        self._losses: list[float] = []
        self._holders: list[int] = []

    @property
    def n_trials(self) -> int | None:
        """The number of trials; None if there is no limit."""
        return self._n_trials

    @property
    def order_matters(self) -> bool:
        """Whether the trials depend on the order in which results are told."""
        return self.mode == "asynchronous"

    @property
    def generations(self) -> int | None:
        """The number of the last generation; None if there is no limit."""
        return None if self._n_trials is None else (self._n_trials - 1) // self.popsize

    def settings(self) -> dict[str, Any]:
        """Return the settings for the record, as a dict that `json` can write."""
        return {
            "direction": self.direction,
            "popsize": self.popsize,
            "n_trials": self._n_trials,
            "mode": self.mode,
            **super().settings(),
        }

    @abstractmethod
    def _bred(self, slot: int) -> Iterator[Child]:
        """Yield children, most wanted first; there are `MIN_MEMBERS` at least.

        `slot` has its turn, which may be heeded or not.
        """

    def _entered(self, child: Child, loss: float, replaced: tuple[Vector, float] | None) -> None:
        """Take note of a child's result; `replaced` is the member that gave way to it, if any."""

    # What it begins with.

    def _max_initial(self) -> int:
        return min(len(self._initial), self._n_trials or len(self._initial))

    def _plant(self, initial: Sequence[Mapping[str, ParamValue]]) -> None:
        super()._plant(initial)
        points = [*map(self.space.encode, initial), *self._initial[len(initial) :]]
        self._initial = np.array(points)

    def _know(self, known: Sequence[Known]) -> bool:
        """Let the best of what is known be the members."""
        sign = -1.0 if self.direction == "max" else 1.0
        ranked = sorted(known, key=lambda each: sign * each.value)
        for each in ranked[: self.popsize]:
            self._genomes.append(self.space.encode(each.params))
            self._losses.append(sign * each.value)
            self._holders.append(NOBODY)
        self._seen.update(_digest(each.params) for each in known)
        if len(self._genomes) >= MIN_MEMBERS:
            self._initial = self._initial[:0]  # what was known does for the first points
        return True

    # From a genome to a trial.

    def _propose(self, number: int) -> Trial | None:
        if self.mode == "generational" and number >= self._end_of_block():
            return None
        child = self._child(number)
        child = replace(child, genome=self.space.repaired(child.genome))
        params = self.space.decode(child.genome)
        self._seen.add(_digest(params))
        self._children[number] = child
        holder = NOBODY if child.slot is None else self._holders[child.slot]
        parent = None if holder == NOBODY else self._id(holder)
        return Trial(number, params, generation=number // self.popsize, parent=parent)

    def _child(self, number: int) -> Child:
        """Return a child whose configuration was not proposed before, if one can be found."""
        first = None
        for child in self._proposals(number):
            if not self._is_known(child):
                return child
            first = first or child
            if self._is_exhausted():
                break
        assert first is not None
        return first

    def _proposals(self, number: int) -> Iterator[Child]:
        """Yield what the trial may be, most wanted first."""
        slot = None
        if number < len(self._initial):
            yield Child(self._initial[number])
        elif len(self._genomes) >= MIN_MEMBERS:
            slot = number % len(self._genomes)
            joins = len(self._genomes) < self.popsize
            for child in itertools.islice(self._bred(slot), MAX_BRED):
                # Nobody has to give way while there is room.
                yield replace(child, slot=None) if joins else child
        for _ in range(MAX_DRAWN):
            yield Child(self._rng.random(self.space.n_dims), slot)

    def _pending(self) -> list[Vector]:
        """Return the points of the trials whose results are not in the books yet."""
        return [child.genome for _, child in sorted(self._children.items())]

    def _is_known(self, child: Child) -> bool:
        return _digest(self.space.decode(child.genome)) in self._seen

    def _is_exhausted(self) -> bool:
        n = self.space.n_configurations
        return n is not None and len(self._seen) >= n

    def _id(self, number: int) -> str:
        return Trial(number, {}, generation=number // self.popsize).id

    # From a result to the population.

    def _learn(self, result: TrialResult) -> None:
        number, value = result.trial.number, result.value
        loss = math.inf if value is None else -value if self.direction == "max" else value
        if self.mode == "asynchronous":
            self._enter(number, loss)
            return
        self._waiting[number] = loss
        if len(self._waiting) == self._end_of_block() - self._n_entered:
            for number, loss in sorted(self._waiting.items()):
                self._enter(number, loss)
            self._waiting = {}

    def _end_of_block(self) -> int:
        """Return the number after the last trial that can be asked before a generation ends."""
        n_initial = len(self._initial)
        return n_initial if self._n_entered < n_initial else self._n_entered + self.popsize

    def _enter(self, number: int, loss: float) -> None:
        """Let a child compete for its place in the population."""
        child = self._children.pop(number)
        self._n_entered += 1
        replaced = None
        if child.slot is None and len(self._genomes) < self.popsize:
            self._genomes.append(child.genome)
            self._losses.append(loss)
            self._holders.append(number)
        else:
            slot = int(np.argmax(self._losses)) if child.slot is None else child.slot
            # Equals are let in: the population drifts over plateaus, of which whole numbers,
            # choices and failed regions make many.
            if loss <= self._losses[slot]:
                replaced = (self._genomes[slot], self._losses[slot])
                self._genomes[slot] = child.genome
                self._losses[slot] = loss
                self._holders[slot] = number
        self._entered(child, loss, replaced)

    # What is saved.

    def _state(self) -> dict[str, Any]:
        children = {
            str(number): {**asdict(child), "genome": child.genome.tolist()}
            for number, child in sorted(self._children.items())
        }
        return {
            **super()._state(),
            "children": children,
            "seen": sorted(self._seen),
            "waiting": [[number, _finite(loss)] for number, loss in self._waiting.items()],
            "n_entered": self._n_entered,
            "genomes": [genome.tolist() for genome in self._genomes],
            "losses": [_finite(loss) for loss in self._losses],
            "holders": self._holders,
        }

    def _restore(self, memory: Mapping[str, Any]) -> None:
        super()._restore(memory)
        self._children = {
            int(number): Child(**{**record, "genome": np.array(record["genome"])})
            for number, record in memory["children"].items()
        }
        self._seen = set(memory["seen"])
        self._waiting = {number: _loss(value) for number, value in memory["waiting"]}
        self._n_entered = memory["n_entered"]
        self._genomes = [np.array(genome) for genome in memory["genomes"]]
        self._losses = [_loss(value) for value in memory["losses"]]
        self._holders = list(memory["holders"])


def as_mode(value: object) -> Mode:
    """Return ``'asynchronous'`` or ``'generational'``."""
    if value == "asynchronous":
        return "asynchronous"
    if value == "generational":
        return "generational"
    raise InvalidArgumentError(
        f"mode is 'asynchronous' or 'generational', got {value!r}. With 'asynchronous' no slot "
        "waits; with 'generational' a search is repeatable from its seed."
    )


def _digest(params: Mapping[str, ParamValue]) -> str:
    # The state is written after every trial: a configuration is remembered by a few characters.
    return hashlib.sha256(repr(params_key(params)).encode()).hexdigest()[:12]


def _finite(loss: float) -> float | None:
    return loss if math.isfinite(loss) else None


def _loss(value: float | None) -> float:
    return math.inf if value is None else value
