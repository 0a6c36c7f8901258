"""DEHB: differential evolution on every rung of Hyperband's brackets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from sparkexp.checks import as_float, as_int
from sparkexp.search.evolution.population import Member, Population, losses_to_lists
from sparkexp.search.evolution.variation import Vector, draw_distinct, rand_1_bin_child
from sparkexp.search.multi_fidelity.fidelity import Fidelity
from sparkexp.search.multi_fidelity.hyperband import bracket_sizes, halve
from sparkexp.search.multi_fidelity.proposals import Point, Proposals, RandomProposals
from sparkexp.search.multi_fidelity.rungs import RungSearcher
from sparkexp.space import Space
from sparkexp.trial import Direction, Trial, TrialResult

__all__ = ["DehbSearcher"]


class DehbSearcher(RungSearcher):
    """DEHB: each rung has a population, and its parents are the best of the rung below.

    The first bracket is successive halving of random configurations, which go on training as they
    are promoted. In later brackets every trial is a new configuration: a crossover of a target
    from the rung's own population with a mutant. The mutant's parents are the best of the rung
    below; on a bracket's first rung they are the rung's own population. (In the first round of
    brackets, the first rung of each takes random configurations.) The new configuration replaces
    the target if it is at least as good. Slots that a bracket leaves free go to the next one.

    Parameters
    ----------
    space : Space
        What is searched.
    direction : {'max', 'min'}
        Whether more or less is better.
    n_configurations : int
        New configurations on all rungs together, at least 1.
    fidelity, min, max, eta
        See `Fidelity`.
    crossover : float
        CR in [0, 1]: the probability that a gene is taken from the mutant. One gene always is.
    mutation : float
        F in (0, 2]: the weight of the difference in the mutant.
    seed : int, optional
        A whole number of at least 0; by default one is drawn, and `settings` tells it.

    Raises
    ------
    InvalidArgumentError
        If a setting is out of its range.

    References
    ----------
    N. Awad, N. Mallik, F. Hutter (2021). DEHB: evolutionary Hyperband for scalable, robust and
    efficient hyperparameter optimization. IJCAI: algorithms 1 and 2. (Genes outside of the cube
    are reflected here, not drawn anew.)

    Examples
    --------
    >>> space = Space.from_search_dict({'learning_rate': [0.005, 0.00005]})
    >>> searcher = DehbSearcher(space, 'max', 40, 'epochs', 1, 27, seed=1)
    >>> searcher.n_trials, searcher.plan()
    (53, {1: 27, 3: 21, 9: 4, 27: 1})
    """

    name: ClassVar[str] = "dehb"
    space: Space

    def __init__(
        self,
        space: Space,
        direction: Direction = "max",
        n_configurations: int = 110,
        fidelity: str = "epochs",
        min: int = 1,
        max: int = 27,
        eta: float = 3,
        crossover: float = 0.5,
        mutation: float = 0.5,
        seed: int | None = None,
    ) -> None:
        super().__init__(space, direction, Fidelity(fidelity, min, max, eta), seed)
        self.n_configurations = as_int("n_configurations", n_configurations, at_least=1)
        self.crossover = as_float("crossover", crossover, low=0, high=1)
        self.mutation = as_float("mutation", mutation, low=0, high=2, above=True)
        self._random = RandomProposals(space)
        self._sizes = [bracket_sizes(self.fidelity, r) for r in range(self.fidelity.top + 1)]
        if self.n_configurations < self._sizes[0][0]:
            self._sizes[0] = halve(self.n_configurations, self.fidelity, 0)
        # One per rung. The members are random points without a result, until trials replace them.
        self._populations = [
            Population(self._rng.random((sizes[0], space.n_dims))) for sizes in self._sizes
        ]
        self._turn = [0] * len(self._sizes)
        # Per bracket that has started: trials asked and told on each of its rungs.
        self._asked: list[list[int]] = []
        self._told: list[list[int]] = []
        # By number of an open trial: its bracket, and the slot in the population it competes for.
        self._places: dict[int, tuple[int, int]] = {}

    @property
    def proposals(self) -> Proposals:
        return self._random

    @property
    def n_trials(self) -> int:
        """The new configurations, and the promotions of the first bracket."""
        return self.n_configurations + sum(self._sizes[0][1:])

    def plan(self) -> dict[int, int]:
        """Return the number of trials for each level of the fidelity."""
        counts = [0] * len(self._sizes)
        bracket = 0
        while (left := self.n_trials - sum(counts)) > 0:
            first = bracket % len(self._sizes)
            for rung, size in enumerate(self._sizes[first], first):
                counts[rung] += min(size, left)
                left -= min(size, left)
            bracket += 1
        return dict(zip(self.fidelity.levels, counts, strict=True))

    def count_starts(self) -> dict[int, int]:
        """Return how many trials of each level are the first one of their configuration."""
        promoted = (0, *self._sizes[0][1:])
        counts = zip(self.plan().items(), promoted, strict=True)
        return {level: n - above for (level, n), above in counts}

    def settings(self) -> dict[str, Any]:
        """Return the settings for the record, as a dict that `json` can write."""
        return {
            "direction": self.direction,
            "n_configurations": self.n_configurations,
            **self.fidelity.settings(),
            "crossover": self.crossover,
            "mutation": self.mutation,
            "seed": self.seed,
        }

    def _next(self) -> tuple[int | None, int] | None:
        if self._n_asked == self.n_trials:
            return None
        bracket, step = self._find_job()
        rung = bracket % len(self._sizes) + step
        return (self._find_promotion(rung) if bracket == 0 and step else None), rung

    def _find_job(self) -> tuple[int, int]:
        """Return the first bracket with a trial to start, and the step: 0 on its first rung."""
        for bracket, (asked, told) in enumerate(zip(self._asked, self._told, strict=True)):
            sizes = self._sizes[bracket % len(self._sizes)]
            for step, size in enumerate(sizes):
                if asked[step] < size:
                    return bracket, step
                if told[step] < size:
                    break
        return len(self._asked), 0

    def _find_promotion(self, rung: int) -> int | None:
        """Return the first bracket's best configuration that is not on this rung yet."""
        first_bracket = range(self._sizes[0][0])
        ranked = self._rank(rung - 1, first_bracket)
        return next((c for c in ranked if c not in self._trials[rung]), None)

    def _propose(self, number: int) -> Trial | None:
        bracket, step = self._find_job()
        if bracket == len(self._asked):
            sizes = self._sizes[bracket % len(self._sizes)]
            self._asked.append([0] * len(sizes))
            self._told.append([0] * len(sizes))
        rung = bracket % len(self._sizes) + step
        slot = self._turn[rung]
        self._turn[rung] = (slot + 1) % len(self._populations[rung])
        self._places[number] = (bracket, slot)
        trial = super()._propose(number)
        self._asked[bracket][step] += 1
        return trial

    def _draw(self, configuration: int, rung: int) -> tuple[Point, int]:
        bracket, slot = self._places[self._n_asked]
        step = rung - bracket % len(self._sizes)
        if bracket < len(self._sizes) and step == 0:
            return self._populations[rung].genomes[slot].tolist(), 0
        size = self._sizes[bracket % len(self._sizes)][step]
        return self._make_child(
            rung, slot, self._select_parents(rung, size if step else None)
        ).tolist(), 0

    def _select_parents(self, rung: int, n_best: int | None) -> Vector:
        """Return the n best of the rung below, at least 3; this rung's members if n is None."""
        if n_best is None:
            return self._populations[rung].genomes
        below = self._populations[rung - 1]
        ranked = below.genomes[below.rank_finite()]
        if len(best := ranked[:n_best]) >= 3:
            return best
        # Too few for a difference: add others, first of the rung below, then of all rungs.
        everyone = [population.genomes for population in self._populations]
        return np.concatenate([ranked, *everyone])[:3]

    def _make_child(self, rung: int, slot: int, parents: Vector) -> Vector:
        """Return a target's child: DE/rand/1/bin."""
        others = parents[draw_distinct(self._rng, len(parents), 3)]
        target = self._populations[rung].genomes[slot]
        return rand_1_bin_child(self._rng, target, others, self.mutation, self.crossover)

    def _learn(self, result: TrialResult) -> None:
        super()._learn(result)
        number, rung = result.trial.number, result.trial.rung or 0
        bracket, slot = self._places.pop(number)
        self._told[bracket][rung - bracket % len(self._sizes)] += 1
        if result.value is not None:
            genome = np.array(self._points[self._configurations[number]])
            challenger = Member(genome, self._objective.loss(result.value), number)
            self._populations[rung].challenge(slot, challenger)

    def _state(self) -> dict[str, Any]:
        return {
            **super()._state(),
            "genomes": [population.genomes.tolist() for population in self._populations],
            "held": [
                losses_to_lists(self._objective.loss_sign * p.losses) for p in self._populations
            ],
            "turn": list(self._turn),
            "asked": [list(asked) for asked in self._asked],
            "told": [list(told) for told in self._told],
            "places": [[number, *place] for number, place in self._places.items()],
        }

    def _restore(self, memory: Mapping[str, Any]) -> None:
        super()._restore(memory)
        for population, genomes, held in zip(
            self._populations, memory["genomes"], memory["held"], strict=True
        ):
            losses = [None if value is None else self._objective.loss(value) for value in held]
            population.restore({"genomes": genomes, "losses": losses})
        self._turn = list(memory["turn"])
        self._asked = [list(asked) for asked in memory["asked"]]
        self._told = [list(told) for told in memory["told"]]
        self._places = {number: (bracket, slot) for number, bracket, slot in memory["places"]}
