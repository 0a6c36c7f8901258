"""Differential evolution with several objectives: who survives is decided as in NSGA-II."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from sparkexp.analysis.dominance import selected
from sparkexp.checks import as_direction, as_float, as_int
from sparkexp.search.base import SeededSearcher
from sparkexp.search.evolution.variation import rand_1_bin
from sparkexp.space import Space
from sparkexp.trial import Direction, ParamValue, Trial, TrialResult

__all__ = ["ParetoEvolutionSearcher"]


class ParetoEvolutionSearcher(SeededSearcher):
    """Children by differential evolution, survivors by dominance and crowding.

    Children are those of DE/rand/1/bin. Of parents and children together the half survives that
    few dominate, and where equals are too many, those that are least crowded. A generation is
    told as a whole, so that nothing depends on the order of arrival.

    Parameters
    ----------
    space : Space
        What is searched.
    directions : sequence of {'max', 'min'}
        Per objective, whether more or less is better.
    popsize : int
        Trials of a generation, at least 4.
    generations : int
        Generations after the initial population, at least 0.
    crossover : float
        CR in [0, 1].
    mutation : float
        F in (0, 2].
    seed : int, optional
        A whole number of at least 0; by default one is drawn, and `settings` tells it.

    Raises
    ------
    InvalidArgumentError
        If a setting is out of its range.

    References
    ----------
    S. Kukkonen, J. Lampinen (2005). GDE3: the third evolution step of generalized differential
    evolution. IEEE Congress on Evolutionary Computation, 443-450.

    K. Deb, A. Pratap, S. Agarwal, T. Meyarivan (2002). A fast and elitist multiobjective genetic
    algorithm: NSGA-II. IEEE Transactions on Evolutionary Computation 6, 182-197.
    """

    name: ClassVar[str] = "pareto-evolution"

    def __init__(
        self,
        space: Space,
        directions: Sequence[Direction] = ("max", "min"),
        popsize: int = 20,
        generations: int = 10,
        crossover: float = 0.7,
        mutation: float = 0.5,
        seed: int | None = None,
    ) -> None:
        super().__init__(space, seed)
        self.directions = tuple(as_direction(direction) for direction in directions)
        self.popsize = as_int("popsize", popsize, at_least=4)
        self.generations = as_int("generations", generations, at_least=0)
        self.crossover = as_float("crossover", crossover, low=0, high=1)
        self.mutation = as_float("mutation", mutation, low=0, high=2, above=True)
        self._signs = np.array([-1.0 if d == "max" else 1.0 for d in self.directions])
        self._generation = 0
        drawn = [
            self._admitted(lambda: self._rng.random(space.n_dims)) for _ in range(self.popsize)
        ]
        self._candidates = np.array(drawn)
        self._told: dict[int, list[float]] = {}
        # The population: genomes, and losses (infinite where the trial failed).
        self._genomes = np.empty((0, space.n_dims))
        self._losses = np.empty((0, len(self.directions)))

    @property
    def n_trials(self) -> int:
        """``popsize * (generations + 1)``."""
        return self.popsize * (self.generations + 1)

    def settings(self) -> dict[str, Any]:
        """Return the settings for the record, as a dict that `json` can write."""
        return {
            "directions": list(self.directions),
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

    def _propose(self, number: int) -> Trial | None:
        generation, slot = divmod(number, self.popsize)
        if generation > self._generation:
            return None
        params = self.space.decode(self._candidates[slot])
        return Trial(number, params, generation=generation)

    def _learn(self, result: TrialResult) -> None:
        known = len(result.values) == len(self.directions)
        losses = self._signs * result.values if known else np.full(len(self.directions), np.inf)
        self._told[result.trial.number % self.popsize] = losses.tolist()
        if len(self._told) == self.popsize:
            self._select()
            if self._generation < self.generations:
                self._generation += 1
                self._candidates = rand_1_bin(
                    self._rng, self._genomes, self.mutation, self.crossover
                )

    def _select(self) -> None:
        told = np.array([self._told[slot] for slot in range(self.popsize)])
        self._told = {}
        genomes = np.concatenate([self._genomes, self._candidates])
        losses = np.concatenate([self._losses, told])
        kept = selected(losses, self.popsize)
        self._genomes, self._losses = genomes[kept], losses[kept]

    def _state(self) -> dict[str, Any]:
        return {
            **super()._state(),
            "generation": self._generation,
            "candidates": self._candidates.tolist(),
            "told": [
                [slot, [x if np.isfinite(x) else None for x in losses]]
                for slot, losses in sorted(self._told.items())
            ],
            "genomes": self._genomes.tolist(),
            "losses": [[x if np.isfinite(x) else None for x in row] for row in self._losses],
        }

    def _restore(self, memory: Mapping[str, Any]) -> None:
        super()._restore(memory)
        self._generation = memory["generation"]
        self._candidates = np.array(memory["candidates"])
        self._told = {slot: _losses(row) for slot, row in memory["told"]}
        self._genomes = np.array(memory["genomes"]).reshape(-1, self.space.n_dims)
        rows = [_losses(row) for row in memory["losses"]]
        self._losses = np.array(rows).reshape(-1, len(self.directions))


def _losses(row: Sequence[float | None]) -> list[float]:
    return [np.inf if x is None else x for x in row]
