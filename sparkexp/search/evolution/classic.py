"""Differential evolution, DE/rand/1/bin, as Storn and Price published it in 1997."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from sparkexp.checks import as_direction, as_float, as_int
from sparkexp.search.base import Known, SeededSearcher
from sparkexp.search.evolution.variation import Vector, rand_1_bin
from sparkexp.space import Space
from sparkexp.trial import Direction, ParamValue, Trial, TrialResult

__all__ = ["EvolutionSearcher"]


class EvolutionSearcher(SeededSearcher):
    """Classic generational differential evolution in the unit cube.

    A generation is asked at once and closed when all its results are told; a result's place is
    its trial's number, so nothing depends on the order of arrival. The genomes stay continuous:
    a whole number or a choice is decoded for the trial only.

    Parameters
    ----------
    space : Space
        What is searched.
    direction : {'max', 'min'}
        Whether more or less is better.
    popsize : int
        Trials of a generation, at least 4: a parent and three others.
    generations : int
        Generations after the initial population, at least 0; there are
        ``popsize * (generations + 1)`` trials.
    crossover : float
        CR in [0, 1]: the probability that a gene is taken from the donor. One gene always is.
    mutation : float
        F in (0, 2]: the weight of the difference in the donor.
    seed : int, optional
        A whole number of at least 0; by default one is drawn, and `settings` tells it.

    Raises
    ------
    InvalidArgumentError
        If a setting is out of its range.

    References
    ----------
    R. Storn, K. Price (1997). Differential evolution: a simple and efficient heuristic for global
    optimization over continuous spaces. Journal of Global Optimization 11, 341-359: eq. 2
    (mutation) and eq. 4 (crossover).

    R. Biedrzycki, J. Arabas, D. Jagodziński (2019). Bound constraints handling in differential
    evolution: an experimental study. Swarm and Evolutionary Computation,
    doi:10.1016/j.swevo.2018.10.004 (reflection among other ways).

    Examples
    --------
    >>> space = Space.from_search_dict({'learning_rate': [0.005, 0.00005], 'num_layers': [1, 3]})
    >>> searcher = EvolutionSearcher(space, 'max', popsize=10, generations=3, seed=1)
    >>> searcher.n_trials
    40
    >>> searcher.ask().id
    'gen-000/trial-00000'
    """

    name: ClassVar[str] = "evolution"

    def __init__(
        self,
        space: Space,
        direction: Direction = "max",
        popsize: int = 10,
        generations: int = 10,
        crossover: float = 0.7,
        mutation: float = 0.5,
        seed: int | None = None,
    ) -> None:
        super().__init__(space, seed)
        self.direction = as_direction(direction)
        self.directions = (self.direction,)
        self.popsize = as_int("popsize", popsize, at_least=4)
        self.generations = as_int("generations", generations, at_least=0)
        self.crossover = as_float("crossover", crossover, low=0, high=1)
        self.mutation = as_float("mutation", mutation, low=0, high=2, above=True)

        self._generation = 0
        # The open generation: a candidate genome per slot, and what its trial's value was.
        drawn = [
            self._admitted(lambda: self._rng.random(space.n_dims)) for _ in range(self.popsize)
        ]
        self._candidates = np.array(drawn)
        self._told: dict[int, float | None] = {}
        # The population: per slot the genome, the value and the id of the trial that holds it.
        # Before the first selection nobody does, which loses to any candidate.
        self._genomes = self._candidates.copy()
        self._values: list[float | None] = [None] * self.popsize
        self._holders: list[str | None] = [None] * self.popsize

    @property
    def n_trials(self) -> int:
        """``popsize * (generations + 1)``."""
        return self.popsize * (self.generations + 1)

    def settings(self) -> dict[str, Any]:
        """Return the settings for the record, as a dict that `json` can write."""
        return {
            "direction": self.direction,
            "popsize": self.popsize,
            "generations": self.generations,
            "crossover": self.crossover,
            "mutation": self.mutation,
            **super().settings(),
        }

    def _max_initial(self) -> int:
        return self.popsize

    def _plant(self, initial: Sequence[Mapping[str, ParamValue]]) -> None:
        super()._plant(initial)
        for slot, params in enumerate(initial):
            self._candidates[slot] = self.space.encode(params)

    def _know(self, known: Sequence[Known]) -> bool:
        """Let the best of what is known hold the slots; the first generation competes with it."""
        ranked = sorted(known, key=lambda k: k.value, reverse=self.direction == "max")
        for slot, best in enumerate(ranked[: self.popsize]):
            self._genomes[slot] = self.space.encode(best.params)
            self._values[slot] = best.value
        if len(ranked) >= self.popsize:
            self._candidates = self._breed()
        return True

    def _propose(self, number: int) -> Trial | None:
        generation, slot = divmod(number, self.popsize)
        if generation > self._generation:
            return None
        params = self.space.decode(self._candidates[slot])
        return Trial(number, params, generation=generation, parent=self._holders[slot])

    def _learn(self, result: TrialResult) -> None:
        self._told[result.trial.number % self.popsize] = result.value
        if len(self._told) == self.popsize:
            self._select()
            if self._generation < self.generations:
                self._generation += 1
                self._candidates = self._breed()

    def _select(self) -> None:
        """Let every candidate compete with the holder of its slot."""
        for slot, value in self._told.items():
            if self._at_least_as_good(value, self._values[slot]):
                number = self._generation * self.popsize + slot
                self._genomes[slot] = self._candidates[slot]
                self._values[slot] = value
                self._holders[slot] = Trial(number, {}, generation=self._generation).id
        self._told = {}

    def _at_least_as_good(self, child: float | None, parent: float | None) -> bool:
        # The paper asks the child to be better. With equals let in, the population drifts over
        # plateaus, of which whole numbers, choices and failed regions make many.
        if child is None or parent is None:
            return parent is None
        return child >= parent if self.direction == "max" else child <= parent

    def _breed(self) -> Vector:
        """Return a candidate per slot, of shape ``(popsize, n_dims)``."""
        return rand_1_bin(self._rng, self._genomes, self.mutation, self.crossover)

    def _state(self) -> dict[str, Any]:
        return {
            **super()._state(),
            "generation": self._generation,
            "candidates": self._candidates.tolist(),
            "told": [[slot, value] for slot, value in sorted(self._told.items())],
            "genomes": self._genomes.tolist(),
            "values": list(self._values),
            "holders": list(self._holders),
        }

    def _restore(self, memory: Mapping[str, Any]) -> None:
        super()._restore(memory)
        self._generation = memory["generation"]
        self._candidates = np.array(memory["candidates"])
        self._told = {slot: value for slot, value in memory["told"]}
        self._genomes = np.array(memory["genomes"])
        self._values = list(memory["values"])
        self._holders = list(memory["holders"])
