"""Differential evolution, DE/rand/1/bin, as Storn and Price published it in 1997."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from sparkexp.checks import as_direction
from sparkexp.objective import Objective
from sparkexp.search.base import KnownResult
from sparkexp.search.evolution.generational import GenerationalSearcher
from sparkexp.search.evolution.population import NOBODY, Member, Population
from sparkexp.space import Space
from sparkexp.trial import Direction, TrialResult

__all__ = ["EvolutionSearcher"]


class EvolutionSearcher(GenerationalSearcher):
    """Classic generational differential evolution in the unit cube.

    Every child competes with its parent. A generation is asked at once and closed when all its
    results are told, so that nothing depends on the order of arrival. The genomes stay
    continuous: a whole number or a choice is decoded for the trial only.

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
        A whole number of at least 0; by default one is drawn, which `settings` returns.

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
        super().__init__(space, popsize, generations, crossover, mutation, seed)
        self.direction = as_direction(direction)
        self.directions = (self.direction,)
        self._objective = Objective(direction=self.direction)
        # Before the first selection no trial holds a slot, and any candidate wins one.
        self._population = Population(self._candidates)

    def settings(self) -> dict[str, Any]:
        """Return the settings for the record, as a dict that `json` can write."""
        return {"direction": self.direction, **super().settings()}

    def _learn_known(self, known: Sequence[KnownResult]) -> bool:
        """Give the slots to the best known results; the first generation competes with them."""
        members = [
            Member(
                self.space.encode(each.params),
                self._objective.loss(each.value),
                violation=each.violation,
            )
            for each in known
        ]
        ranked = sorted(members, key=lambda member: member.rank)
        for slot, best in enumerate(ranked[: self.popsize]):
            self._population.challenge(slot, best)
        if len(ranked) >= self.popsize:
            self._breed()
        return True

    def _find_parent(self, slot: int) -> str | None:
        return self._population.find_holder(slot)

    def _extract(self, result: TrialResult) -> float | None:
        return result.value

    def _survive(
        self,
        numbers: Sequence[int],
        outcomes: list[float | None],
        violations: Sequence[float],
    ) -> None:
        """Let every candidate compete with the holder of its slot."""
        told = zip(numbers, outcomes, violations, strict=True)
        for slot, (number, value, violation) in enumerate(told):
            member = Member(self._candidates[slot], self._objective.loss(value), number, violation)
            self._population.challenge(slot, member)

    def _restore(self, memory: Mapping[str, Any]) -> None:
        super()._restore(memory if "losses" in memory else self._upgrade_state(memory))

    def _upgrade_state(self, memory: Mapping[str, Any]) -> dict[str, Any]:
        """Convert a state of version 0.1.0, which held values and the ids of trials."""
        numbers = {
            self._population.make_trial_id(number): number for number in range(self._n_asked)
        }
        return {
            **memory,
            "losses": [None if v is None else self._objective.loss(v) for v in memory["values"]],
            "holders": [NOBODY if h is None else numbers[h] for h in memory["holders"]],
        }
