"""The base of adaptive evolutions: results enter the population one by one or in batches."""

from __future__ import annotations

import hashlib
import itertools
import math
from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any, ClassVar, Literal

import numpy as np

from sparkexp.checks import as_direction, as_int
from sparkexp.errors import InvalidArgumentError
from sparkexp.objective import Objective
from sparkexp.search.base import KnownResult, SeededSearcher
from sparkexp.search.evolution.breeding import Breeder, Child
from sparkexp.search.evolution.population import MIN_MEMBERS, NOBODY, Member, Population
from sparkexp.search.evolution.variation import Vector, latin_hypercube
from sparkexp.space import Space
from sparkexp.trial import Direction, ParamValue, Trial, TrialResult, params_key

__all__ = ["AdaptiveSearcher", "Mode", "as_mode"]

Mode = Literal["asynchronous", "generational"]

# How many children are bred, and then drawn, at most, until one was not proposed before.
MAX_BRED, MAX_DRAWN = 60, 200


class AdaptiveSearcher(SeededSearcher):
    """A population whose members compete with children; a breeder makes the children.

    The first `popsize` trials, or twice as many, are a Latin hypercube, of which the best are
    kept. Only `_propose` turns a genome into a trial, and only `_enter` puts a result into the
    population. Each `popsize` trials count as a generation.

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
        Whether a result enters the population at once, or together with its whole generation.
        With generations the order of arrival changes nothing, but slots wait.
    seed : int or None
        A whole number of at least 0; by default one is drawn, which `settings` returns.
    """

    knows_violations = True
    _more_initial = "a larger population (popsize= or max_trials=)"
    popsize: int
    # How many generations are drawn before children are bred.
    initial_generations: ClassVar[int] = 1

    def __init__(
        self,
        space: Space,
        direction: Direction = "max",
        popsize: int = 10,
        n_trials: int | None = None,
        mode: Mode = "asynchronous",
        seed: int | None = None,
    ) -> None:
        super().__init__(space, seed)
        self.direction = as_direction(direction)
        self.directions = (self.direction,)
        self._objective = Objective(direction=self.direction)
        self.popsize = as_int("popsize", popsize, at_least=MIN_MEMBERS)
        self._n_trials = None if n_trials is None else as_int("n_trials", n_trials, at_least=1)
        if self._n_trials is not None:
            self.generations = (self._n_trials - 1) // self.popsize
        self.mode = as_mode(mode)
        # Drawn by the constructor: a restored searcher has them although they are not saved.
        n_initial = self.initial_generations * self.popsize
        self._initial = (
            space.draw_apart(self._rng, n_initial)
            if space.is_narrow
            else latin_hypercube(self._rng, n_initial, space.n_dims)
        )
        self._children: dict[int, Child] = {}
        self._seen: set[str] = set()
        # Results that wait for the rest of their generation, and how many entered the population.
        self._waiting: dict[int, float] = {}
        # Violations of constraints of trials whose results have not entered the population.
        self._violations: dict[int, float] = {}
        self._n_entered = 0
        self._population = Population(np.empty((0, space.n_dims)), size=self.popsize)
        self._breeder = self._make_breeder()

    @property
    def n_trials(self) -> int | None:
        """The number of trials; None if there is no limit."""
        return self._n_trials

    @property
    def order_matters(self) -> bool:
        """Whether the trials depend on the order in which results are told."""
        return self.mode == "asynchronous"

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
    def _make_breeder(self) -> Breeder:
        """Return the breeder of `_population`, which draws its random numbers from `_rng`."""

    # Initial configurations and known results.

    def _max_initial(self) -> int:
        return min(len(self._initial), self._n_trials or len(self._initial))

    def _set_initial(self, initial: Sequence[Mapping[str, ParamValue]]) -> None:
        super()._set_initial(initial)
        points = [*map(self.space.encode, initial), *self._initial[len(initial) :]]
        self._initial = np.array(points)

    def _learn_known(self, known: Sequence[KnownResult]) -> bool:
        """Make the best known results the members; return True."""
        points = [self.space.encode(each.params) for each in known]
        losses = [self._objective.loss(each.value) for each in known]
        violations = [each.violation for each in known]
        for point, loss, violation in zip(points, losses, violations, strict=True):
            self._breeder.learn(Child(point), loss, None, violation)
        self._population.add(points, losses, [NOBODY] * len(points), violations)
        self._population.keep(self._population.rank()[: self.popsize])
        self._seen.update(_digest(each.params) for each in known)
        if len(self._population) >= MIN_MEMBERS:
            self._initial = self._initial[:0]  # the known results replace the first points
        return True

    # From a genome to a trial.

    def _propose(self, number: int) -> Trial | None:
        if self.mode == "generational" and number >= self._find_block_end():
            return None
        child = self._choose_child(number)
        child = replace(child, genome=self.space.repair(child.genome))
        params = self.space.decode(child.genome)
        self._seen.add(_digest(params))
        self._children[number] = child
        parent = None if child.slot is None else self._population.find_holder(child.slot)
        return Trial(number, params, generation=number // self.popsize, parent=parent)

    def _choose_child(self, number: int) -> Child:
        """Return a child whose configuration was not proposed before, if one can be found."""
        first = None
        for child in map(self._move_inside, self._generate_children(number)):
            if not self._is_known(child):
                return child
            first = first or child
            if self._is_exhausted():
                break
        assert first is not None
        return first

    def _generate_children(self, number: int) -> Iterator[Child]:
        """Yield possible children, the most promising first."""
        slot = None
        if number < len(self._initial):
            yield Child(self._initial[number])
        elif len(self._population) >= MIN_MEMBERS:
            slot = number % len(self._population)
            has_room = len(self._population) < self.popsize
            children = self._breeder.breed(slot, number, self._list_pending())
            for child in itertools.islice(children, MAX_BRED):
                # While there is room, a child replaces no member.
                yield replace(child, slot=None) if has_room else child
        for _ in range(MAX_DRAWN):
            yield Child(self.space.draw_point(self._rng), slot)

    def _move_inside(self, child: Child) -> Child:
        """Return a child of a narrow space at an allowed point, near a member or a known point."""
        if not self.space.is_narrow:
            return child
        return replace(child, genome=self.space.repair(child.genome, self._population.genomes))

    def _list_pending(self) -> list[Vector]:
        """Return the points of the trials whose results have not entered the population."""
        return [child.genome for _, child in sorted(self._children.items())]

    def _is_known(self, child: Child) -> bool:
        return _digest(self.space.decode(child.genome)) in self._seen

    def _is_exhausted(self) -> bool:
        n = self.space.n_configurations
        return n is not None and len(self._seen) >= n

    # From a result to the population.

    def _learn(self, result: TrialResult) -> None:
        number, loss = result.trial.number, self._objective.loss(result.value)
        if result.violation and result.value is not None:
            self._violations[number] = result.violation
        if self.mode == "asynchronous":
            self._enter(number, loss)
            return
        self._waiting[number] = loss
        if len(self._waiting) == self._find_block_end() - self._n_entered:
            for number, loss in sorted(self._waiting.items()):
                self._enter(number, loss)
            self._waiting = {}

    def _find_block_end(self) -> int:
        """Return the number after the last trial that can be asked before a generation ends."""
        n_initial = len(self._initial)
        return n_initial if self._n_entered < n_initial else self._n_entered + self.popsize

    def _enter(self, number: int, loss: float) -> None:
        """Let a child compete for its slot in the population."""
        child, violation = self._children.pop(number), self._violations.pop(number, 0.0)
        self._n_entered += 1
        replaced = None
        if child.slot is None and len(self._population) < self.popsize:
            self._population.add([child.genome], [loss], [number], [violation])
        else:
            slot = self._population.find_worst() if child.slot is None else child.slot
            challenger = Member(child.genome, loss, number, violation)
            replaced = self._population.challenge(slot, challenger)
        self._breeder.learn(child, loss, replaced, violation)
        if self._n_entered % self.popsize == 0:
            self._breeder.end_generation()

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
            "waiting": [
                [number, loss if loss < math.inf else None]
                for number, loss in self._waiting.items()
            ],
            "n_entered": self._n_entered,
            "waiting_violations": sorted(self._violations.items()),
            **self._population.state(),
            **self._breeder.state(),
        }

    def _restore(self, memory: Mapping[str, Any]) -> None:
        super()._restore(memory)
        self._children = {
            int(number): Child(**{**record, "genome": np.array(record["genome"])})
            for number, record in memory["children"].items()
        }
        self._seen = set(memory["seen"])
        self._waiting = {
            number: math.inf if loss is None else loss for number, loss in memory["waiting"]
        }
        self._n_entered = memory["n_entered"]
        self._violations = dict(memory.get("waiting_violations", ()))
        self._population.restore(memory)
        self._breeder.restore(memory)


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
