"""The base of evolutions whose children are mutants of one parent."""

from __future__ import annotations

import hashlib
import itertools
from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from sparkexp.checks import as_direction, as_int
from sparkexp.objective import Objective
from sparkexp.search.architecture.neighbours import find_neighbours
from sparkexp.search.base import KnownResult, SeededSearcher
from sparkexp.search.evolution.population import NOBODY, Population
from sparkexp.search.evolution.variation import Vector
from sparkexp.space import Space
from sparkexp.trial import Direction, ParamValue, Trial, TrialResult, params_key

__all__ = ["MutatingSearcher", "digest"]

# How many mutants, and how many random points, are made at most until one was not tried before.
MAX_MUTANTS, MAX_DRAWN = 200, 100
# The population by default: a tenth of the trials, within these bounds.
MIN_POPULATION, MAX_POPULATION = 10, 50
# One that mutates needs somebody to mutate, and somebody to compare.
FEWEST = 2


class MutatingSearcher(SeededSearcher):
    """A population of results; a new trial is a mutant of one of them, or random.

    A failed trial never enters the population: it is no parent, and pushes nobody out. A
    configuration is not proposed twice as long as there are others near its parent.

    To write one, implement `_select_parent` and `_enter`.

    Parameters
    ----------
    space : Space
        What is searched.
    directions : {'max', 'min'} or sequence of these
        Per objective, which value is the best.
    n_trials : int or None
        The number of trials, at least 1; None for no limit.
    population : int or None
        The size of the population, at least 2; by default a tenth of `n_trials`, but at least 10
        and at most 50.
    seed : int or None
        A whole number of at least 0; by default one is drawn, which `settings` returns.
    """

    def __init__(
        self,
        space: Space,
        directions: Direction | Sequence[Direction],
        n_trials: int | None,
        population: int | None,
        seed: int | None,
    ) -> None:
        super().__init__(space, seed)
        given = [directions] if isinstance(directions, str) else directions
        self.directions = tuple(as_direction(each) for each in given)
        self._objectives = tuple(Objective(direction=each) for each in self.directions)
        self._n_trials = None if n_trials is None else as_int("n_trials", n_trials, at_least=1)
        if population is None:
            tenth = MAX_POPULATION if self._n_trials is None else self._n_trials // 10
            population = min(max(tenth, MIN_POPULATION), MAX_POPULATION)
        self.population = as_int("population", population, at_least=FEWEST)
        none, no_losses = np.empty((0, space.n_dims)), np.empty((0, len(self.directions)))
        self._members = Population(none, no_losses, self.population)
        self._genomes: dict[int, Vector] = {}  # of the trials in flight
        self._seen: set[str] = set()
        self._n_known = 0  # members that come from an earlier search

    @property
    def n_trials(self) -> int | None:
        """The number of trials; None if there is no limit."""
        return self._n_trials

    @property
    def order_matters(self) -> bool:
        """Whether the trials depend on the order in which results are told: they do."""
        return True

    def settings(self) -> dict[str, Any]:
        """Return the settings for the record, as a dict that `json` can write."""
        return {
            "directions": list(self.directions),
            "n_trials": self._n_trials,
            "population": self.population,
            **super().settings(),
        }

    def progress(self) -> dict[str, float]:
        """Return the size of the population, and the mean age of its members in trials.

        The age of a member is the number of trials that were asked after it.
        """
        holders = [holder for holder in self._members.holders if holder != NOBODY]
        ages = [self.n_asked - 1 - holder for holder in holders]
        size = {"population size": float(len(self._members))}
        return {**size, "population age": float(np.mean(ages))} if ages else size

    def slots_note(self, slots: int) -> str | None:
        """Return a note for the plan if the trials in flight are too many for the population."""
        if 2 * slots <= self.population:
            return None
        return (
            f"up to {slots} trials in flight are more than half the population of "
            f"{self.population}: children know few of the results then, and the search finds "
            f"less. Give population={2 * slots} with enough trials, or a smaller parallelism"
        )

    @abstractmethod
    def _select_parent(self, number: int) -> int | None:
        """Return the slot of the member that is mutated; None for a random configuration."""

    @abstractmethod
    def _enter(self, number: int, genome: Vector, losses: list[float] | None) -> None:
        """Let a result enter the population; it failed if there are no losses."""

    def _make_trial(self, number: int, params: dict[str, ParamValue], slot: int | None) -> Trial:
        """Return the trial of a configuration, whose parent is in a slot."""
        holder = NOBODY if slot is None else self._members.holders[slot]
        return Trial(number, params, parent=None if holder == NOBODY else Trial(holder, {}).id)

    # From a parent to a trial.

    def _propose(self, number: int) -> Trial:
        is_given = number < len(self._initial_params)
        slot = None if is_given else self._select_parent(number)
        if is_given:
            genome = self.space.encode(self._initial_params[number])
        else:
            genome = self._choose_genome(slot)
        params = self.space.decode(genome)
        self._seen.add(digest(params))
        self._genomes[number] = genome
        return self._make_trial(number, params, slot)

    def _choose_genome(self, slot: int | None) -> Vector:
        """Return a point that was not tried before, if one is found."""
        first: Vector | None = None
        for genome in self._generate(slot):
            if digest(self.space.decode(genome)) not in self._seen:
                return genome
            first = genome if first is None else first
            if self._is_exhausted():
                break
        assert first is not None
        return first

    def _generate(self, slot: int | None) -> Iterator[Vector]:
        if slot is not None:
            start = self._members.genomes[slot]
            yield from itertools.islice(find_neighbours(self.space, start, self._rng), MAX_MUTANTS)
        for _ in range(MAX_DRAWN):
            yield self._draw_allowed(lambda: self._rng.random(self.space.n_dims))

    def _is_exhausted(self) -> bool:
        n = self.space.n_configurations
        return n is not None and len(self._seen) >= n

    # From a result to the population.

    def _learn(self, result: TrialResult) -> None:
        genome = self._genomes.pop(result.trial.number)
        self._enter(result.trial.number, genome, self._find_losses(result))

    def _find_losses(self, result: TrialResult) -> list[float] | None:
        values = result.values if len(self._objectives) > 1 else (result.value,)
        if len(values) != len(self._objectives) or any(value is None for value in values):
            return None
        pairs = zip(self._objectives, values, strict=True)
        return [objective.loss(value) for objective, value in pairs]

    def _learn_known(self, known: Sequence[KnownResult]) -> bool:
        """Make the best known results members, the best as the youngest; return True."""
        if len(self._objectives) > 1:
            return False
        ranked = sorted(known, key=lambda each: self._objectives[0].loss(each.value))
        for each in reversed(ranked[: self.population]):
            losses = [self._objectives[0].loss(each.value)]
            self._members.add([self.space.encode(each.params)], [losses], [NOBODY])
        self._n_known = len(self._members)
        self._seen.update(digest(each.params) for each in known)
        return True

    # What is saved.

    def _state(self) -> dict[str, Any]:
        genomes = {str(k): genome.tolist() for k, genome in sorted(self._genomes.items())}
        members = self._members.state()
        return {**super()._state(), **members, "open": genomes, "seen": sorted(self._seen)}

    def _restore(self, memory: Mapping[str, Any]) -> None:
        super()._restore(memory)
        self._members.restore(memory)
        self._genomes = {int(k): np.array(genome) for k, genome in memory["open"].items()}
        self._seen = set(memory["seen"])


def digest(params: Mapping[str, ParamValue]) -> str:
    """Return what a configuration is remembered by: a few characters, as states are small."""
    return hashlib.sha256(repr(params_key(params)).encode()).hexdigest()[:12]
