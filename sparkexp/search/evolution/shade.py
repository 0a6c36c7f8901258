"""SHADE: differential evolution that learns its F and CR from what succeeded."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from sparkexp.search.evolution.adaptation import SuccessMemory
from sparkexp.search.evolution.adaptive import AdaptiveSearcher, Mode
from sparkexp.search.evolution.breeding import Breeder, Child
from sparkexp.search.evolution.population import MIN_MEMBERS, Member, Population, rank_of
from sparkexp.search.evolution.variation import (
    Vector,
    binomial_crossover,
    current_to_best,
    draw_distinct,
    draw_integer,
    find_unordered,
    move_halfway_back,
    vote,
)
from sparkexp.space import Space
from sparkexp.trial import Direction

__all__ = ["ShadeBreeder", "ShadeSearcher"]

# A child moves towards one of this share of the population, and of so many members at least.
BEST_SHARE, MIN_BEST = 0.25, 2
POPSIZE = 8
# After this share of the budget, this share of children varies the best member, with this CR.
LATE, LATE_SHARE, LATE_CROSSOVER = 0.75, 0.8, 0.3
# In a population of at most this size, steps between members go towards the better one.
FEW = 7


class ShadeSearcher(AdaptiveSearcher):
    """Differential evolution that adapts itself: SHADE, with an archive.

    A child is ``x + F (x_best - x) + F (x_a - x_b)``: x_best is one of the best quarter, x_b may
    be a member that gave way to its child lately. F and CR are drawn near those that made
    children better. Genes that leave the unit cube go half way back; unordered choices are copied
    from parents (`variation.vote`); a configuration that was proposed before is bred again.

    Two things are ours, for budgets of a few dozen trials. In the last quarter of `n_trials` four
    of five children are ``x_best + F (x_a - x_b)`` with the best member as their parent, of which
    they keep most genes (CR = 0.3, which is learned like another). And in a population of at most
    7, ``x_a`` and ``x_b`` are swapped if both are members and the second is the better one.

    Parameters
    ----------
    space : Space
        What is searched.
    direction : {'max', 'min'}
        Which value is the best.
    popsize : int, optional
        Size of the population, at least 4; by default 8, or in asynchronous mode the binary
        logarithm of `n_trials`, rounded down: 5 for 40 trials, 6 for 100, 8 for 300. Twice as many
        points are drawn at first.
    n_trials : int, optional
        The number of trials, at least 1; None for no limit.
    mode : {'generational', 'asynchronous'}
        Whether a generation is told as a whole, or each result counts at once: then no slot waits,
        and the trials depend on the order in which results arrive.
    seed : int, optional
        A whole number of at least 0; by default one is drawn, which `settings` returns.

    Raises
    ------
    InvalidArgumentError
        If a setting is out of its range.

    References
    ----------
    R. Tanabe, A. Fukunaga (2013). Success-history based parameter adaptation for differential
    evolution. IEEE Congress on Evolutionary Computation, 71-78.

    J. Zhang, A. C. Sanderson (2009). JADE: adaptive differential evolution with optional external
    archive. IEEE Transactions on Evolutionary Computation 13, 945-958: eq. 7 (mutation), the
    archive, and what becomes of genes out of bounds.

    R. Storn (1996). On the usage of differential evolution for function optimization. NAFIPS,
    519-523: DE/best/1.

    V. Feoktistov, S. Janaqi (2004). Generalization of the strategies in differential evolution.
    International Parallel and Distributed Processing Symposium: steps with a direction.

    Examples
    --------
    >>> space = Space.from_search_dict({'learning_rate': [0.005, 0.00005], 'num_layers': [1, 3]})
    >>> searcher = ShadeSearcher(space, 'max', n_trials=40, seed=1)
    >>> searcher.popsize, searcher.generations
    (8, 4)
    >>> [searcher.ask().id for _ in range(9)][-1]
    'gen-001/trial-00008'
    """

    name: ClassVar[str] = "shade"
    initial_generations: ClassVar[int] = 2

    def __init__(
        self,
        space: Space,
        direction: Direction = "max",
        popsize: int | None = None,
        n_trials: int | None = None,
        mode: Mode = "generational",
        seed: int | None = None,
    ) -> None:
        if popsize is None:
            popsize = _choose_popsize(n_trials, mode)
        super().__init__(space, direction, popsize, n_trials, mode, seed)

    def _make_breeder(self) -> Breeder:
        return ShadeBreeder(self._rng, self._population, self.space, self._n_trials)


def _choose_popsize(n_trials: int | None, mode: Mode) -> int:
    if mode == "generational" or not isinstance(n_trials, int):
        return POPSIZE
    # A small population finds good points soon, a larger one finds better points in the end.
    return max(MIN_MEMBERS, n_trials.bit_length() - 1)


class ShadeBreeder(Breeder):
    """Makes children as `ShadeSearcher` describes.

    Parameters
    ----------
    rng : numpy.random.Generator
        The searcher's own.
    population : Population
        The population of the parents.
    space : Space
        What is searched.
    n_trials : int or None
        The budget; None for no limit.
    """

    def __init__(
        self,
        rng: np.random.Generator,
        population: Population,
        space: Space,
        n_trials: int | None,
    ) -> None:
        self._rng = rng
        self._population = population
        self._n_trials = n_trials
        self._unordered = find_unordered(space)
        self._memory = SuccessMemory()
        self._archive: list[Vector] = []
        self._successes: list[tuple[float, float, float]] = []

    def breed(self, slot: int, number: int, pending: Sequence[Vector]) -> Iterator[Child]:
        # When the budget is nearly spent, improving the best member counts most.
        is_late = self._n_trials is not None and number >= LATE * self._n_trials
        while True:
            yield self._make_child(slot, is_late)

    def _make_child(self, slot: int, is_late: bool) -> Child:
        rng, members = self._rng, self._population.genomes
        weight, crossover = self._memory.draw(rng)
        ranked = self._population.rank()
        n_best = max(MIN_BEST, math.ceil(BEST_SHARE * len(members)))
        aim = int(ranked[draw_integer(rng, n_best)])
        if is_late and rng.random() < LATE_SHARE:
            slot = aim = int(ranked[0])
            crossover = LATE_CROSSOVER
        x, best = members[slot], members[aim]
        a, b = self._draw_step(slot)
        donor = move_halfway_back(current_to_best(x, best, a, b, weight), x)
        donor = vote(rng, donor, [x, best, a, b], self._unordered)
        return Child(binomial_crossover(rng, x, donor, crossover), slot, weight, crossover)

    def _draw_step(self, slot: int) -> tuple[Vector, Vector]:
        """Return two points whose difference is a step; the first one is a member."""
        members = self._population.genomes
        first = draw_distinct(self._rng, len(members), 1, exclude=slot)[0]
        others = [k for k in range(len(members)) if k not in (slot, first)]
        drawn = draw_integer(self._rng, len(others) + len(self._archive))
        if drawn >= len(others):
            return members[first], self._archive[drawn - len(others)]
        second = others[drawn]
        rank_of = self._population.rank_of
        if self._population.size <= FEW and rank_of(second) < rank_of(first):
            first, second = second, first
        return members[first], members[second]

    def learn(
        self, child: Child, loss: float, replaced: Member | None, violation: float = 0.0
    ) -> None:
        if replaced is None or child.slot is None:
            return
        if rank_of(loss, violation) >= replaced.rank:
            return
        self._archive.append(replaced.genome)
        if len(self._archive) > self._population.size:
            del self._archive[draw_integer(self._rng, len(self._archive))]
        if child.weight:
            less = replaced.violation - violation
            gain = less if less > 0 else self._compute_gain(loss, replaced.loss)
            self._successes.append((child.weight, child.crossover, gain))

    def _compute_gain(self, loss: float, before: float) -> float:
        """Return by how much a child is better than its parent, above 0."""
        if math.isinf(before):  # then it counts as the worst member
            losses = self._population.losses
            before = float(losses[np.isfinite(losses)].max())
        # Halves, as the difference of two large floats overflows.
        return max(before / 2 - loss / 2, 5e-324)

    def end_generation(self) -> None:
        self._memory.learn(self._successes)
        self._successes = []

    def state(self) -> dict[str, Any]:
        return {
            "memory": self._memory.state(),
            "archive": [genome.tolist() for genome in self._archive],
            "successes": [list(success) for success in self._successes],
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        self._memory.restore(state["memory"])
        self._archive = [np.array(genome) for genome in state["archive"]]
        self._successes = [
            (weight, crossover, gain) for weight, crossover, gain in state["successes"]
        ]
