"""The base of evolutions whose generations are bred, asked and closed as a whole."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from sparkexp.checks import as_float, as_int
from sparkexp.search.base import SeededSearcher
from sparkexp.search.evolution.population import MIN_MEMBERS, Population
from sparkexp.search.evolution.variation import rand_1_bin
from sparkexp.space import Space
from sparkexp.trial import ParamValue, Trial, TrialResult

__all__ = ["GenerationalSearcher"]


class GenerationalSearcher(SeededSearcher):
    """Generations of children by DE/rand/1/bin; the subclass decides which of them survive.

    A generation is asked at once and closed when all its results are told. Results are sorted by
    their trials' numbers, so nothing depends on the order of arrival. The genomes stay continuous:
    a whole number or a choice is decoded for the trial only.

    Parameters
    ----------
    space : Space
        What is searched.
    popsize : int
        Trials of a generation, at least 4: a parent and three others.
    generations : int
        Generations after the initial population, at least 0.
    crossover : float
        CR in [0, 1].
    mutation : float
        F in (0, 2].
    seed : int, optional
        A whole number of at least 0; by default one is drawn, which `settings` returns.
    """

    knows_violations = True
    _more_initial = "a larger population (popsize= or max_trials=)"
    popsize: int
    generations: int
    _population: Population

    def __init__(
        self,
        space: Space,
        popsize: int,
        generations: int,
        crossover: float,
        mutation: float,
        seed: int | None,
    ) -> None:
        super().__init__(space, seed)
        self.popsize = as_int("popsize", popsize, at_least=MIN_MEMBERS)
        self.generations = as_int("generations", generations, at_least=0)
        self.crossover = as_float("crossover", crossover, low=0, high=1)
        self.mutation = as_float("mutation", mutation, low=0, high=2, above=True)
        # The open generation: a candidate genome per slot, and what is kept of its result.
        self._generation = 0
        drawn = [
            self._draw_allowed(lambda: self._rng.random(space.n_dims)) for _ in range(self.popsize)
        ]
        self._candidates = np.array(drawn)
        self._told: dict[int, Any] = {}
        self._violations: dict[int, float] = {}  # by slot, of those told, where there are any

    @property
    def n_trials(self) -> int:
        """``popsize * (generations + 1)``."""
        return self.popsize * (self.generations + 1)

    def settings(self) -> dict[str, Any]:
        """Return the settings for the record, as a dict that `json` can write."""
        return {
            "popsize": self.popsize,
            "generations": self.generations,
            "crossover": self.crossover,
            "mutation": self.mutation,
            **super().settings(),
        }

    @abstractmethod
    def _extract(self, result: TrialResult) -> Any:
        """Return what is kept of a result until its generation ends; `json` can write it."""

    @abstractmethod
    def _survive(
        self, numbers: Sequence[int], outcomes: list[Any], violations: Sequence[float]
    ) -> None:
        """Decide which candidates enter the population.

        Parameters
        ----------
        numbers : sequence of int
            The numbers of the candidates' trials.
        outcomes : list
            What `_extract` returned for each.
        violations : sequence of float
            By how much each violates constraints.
        """

    def _find_parent(self, slot: int) -> str | None:
        """Return the id of the trial that a candidate competes with; None if it is not one."""
        return None

    def _max_initial(self) -> int:
        return self.popsize

    def _set_initial(self, initial: Sequence[Mapping[str, ParamValue]]) -> None:
        super()._set_initial(initial)
        for slot, params in enumerate(initial):
            self._candidates[slot] = self.space.encode(params)

    def _propose(self, number: int) -> Trial | None:
        generation, slot = divmod(number, self.popsize)
        if generation > self._generation:
            return None
        params = self.space.decode(self._candidates[slot])
        return Trial(number, params, generation=generation, parent=self._find_parent(slot))

    def _learn(self, result: TrialResult) -> None:
        slot = result.trial.number % self.popsize
        self._told[slot] = self._extract(result)
        if result.violation and result.value is not None:
            self._violations[slot] = result.violation
        if len(self._told) == self.popsize:
            first = self._generation * self.popsize
            outcomes = [self._told[slot] for slot in range(self.popsize)]
            violations = [self._violations.get(slot, 0.0) for slot in range(self.popsize)]
            self._survive(range(first, first + self.popsize), outcomes, violations)
            self._told, self._violations = {}, {}
            if self._generation < self.generations:
                self._generation += 1
                self._breed()

    def _breed(self) -> None:
        """Replace the candidates by children of the population."""
        self._candidates = rand_1_bin(
            self._rng, self._population.genomes, self.mutation, self.crossover
        )
        if self.space.is_narrow:
            members = self._population.genomes
            moved = [self.space.repair(child, members) for child in self._candidates]
            self._candidates = np.array(moved)

    def _state(self) -> dict[str, Any]:
        return {
            **super()._state(),
            "generation": self._generation,
            "candidates": self._candidates.tolist(),
            "told": [[slot, outcome] for slot, outcome in sorted(self._told.items())],
            "told_violations": sorted(self._violations.items()),
            **self._population.state(),
        }

    def _restore(self, memory: Mapping[str, Any]) -> None:
        super()._restore(memory)
        self._generation = memory["generation"]
        self._candidates = np.array(memory["candidates"])
        self._told = {slot: outcome for slot, outcome in memory["told"]}
        self._violations = dict(memory.get("told_violations", ()))
        self._population.restore(memory)
