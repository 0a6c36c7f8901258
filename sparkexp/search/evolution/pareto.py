"""Differential evolution with several objectives: the survivors are chosen as in NSGA-II."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from sparkexp.analysis.dominance import select_survivors
from sparkexp.checks import as_direction
from sparkexp.objective import Objective
from sparkexp.search.evolution.generational import GenerationalSearcher
from sparkexp.search.evolution.population import Population, losses_from_lists
from sparkexp.space import Space
from sparkexp.trial import Direction, TrialResult

__all__ = ["ParetoEvolutionSearcher"]


class ParetoEvolutionSearcher(GenerationalSearcher):
    """Children by differential evolution, survivors by dominance and crowding.

    Children are made by DE/rand/1/bin. Of parents and children together, the half survives that
    is dominated least; of equals, those that are least crowded survive. A generation is learned as
    a whole, so that nothing depends on the order of arrival.

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
        A whole number of at least 0; by default one is drawn, which `settings` returns.

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
        super().__init__(space, popsize, generations, crossover, mutation, seed)
        self.directions = tuple(as_direction(direction) for direction in directions)
        self._objectives = tuple(Objective(direction=each) for each in self.directions)
        none, no_losses = np.empty((0, space.n_dims)), np.empty((0, len(self.directions)))
        self._population = Population(none, no_losses, self.popsize)

    def settings(self) -> dict[str, Any]:
        """Return the settings for the record, as a dict that `json` can write."""
        return {"directions": list(self.directions), **super().settings()}

    def _extract(self, result: TrialResult) -> list[float | None]:
        if len(result.values) != len(self._objectives):
            return [None] * len(self._objectives)
        pairs = zip(self._objectives, result.values, strict=True)
        return [objective.loss(value) for objective, value in pairs]

    def _survive(
        self,
        numbers: Sequence[int],
        outcomes: list[list[float | None]],
        violations: Sequence[float],
    ) -> None:
        """Let the less dominated half of parents and children survive."""
        population = self._population
        population.add(self._candidates, losses_from_lists(outcomes), numbers, violations)
        kept = select_survivors(population.losses, self.popsize, population.violations)
        population.keep(kept)
