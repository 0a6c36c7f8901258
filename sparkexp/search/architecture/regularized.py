"""Regularized evolution: the oldest dies, whatever it is worth."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from sparkexp.analysis.dominance import crowding_distances, sort_into_fronts
from sparkexp.checks import as_int
from sparkexp.search.architecture.mutating import FEWEST, MutatingSearcher
from sparkexp.search.evolution.variation import Vector, draw_integer
from sparkexp.space import Space
from sparkexp.trial import Direction

__all__ = ["RegularizedEvolutionSearcher"]


class RegularizedEvolutionSearcher(MutatingSearcher):
    """A queue of results: of a sample the best is mutated, and the oldest of all is dropped.

    The first trials, as many as the population has members, are random. Each later one draws a
    sample of the population with replacement, and mutates the best of it. With several objectives
    that is the one that is dominated least, and of equals the least crowded. No trial waits for
    another: a result enters the queue when it is told.

    A failed trial doesn't enter the queue, since it is no parent, and must not push a good one
    out. (As the worst one it would be drawn, too, and samples would say less.)

    Parameters
    ----------
    space : Space
        What is searched, an architecture or anything else.
    directions : {'max', 'min'} or sequence of these
        Per objective, which value is the best.
    n_trials : int, optional
        The number of trials, at least 1; None for no limit.
    population : int, optional
        The length of the queue, at least 2; by default a tenth of `n_trials`, but at least 10 and
        at most 50.
    sample : int, optional
        How many are drawn, at least 1; by default a quarter of the population. The larger it is,
        the greedier is the search.
    seed : int, optional
        A whole number of at least 0; by default one is drawn, which `settings` returns.

    Raises
    ------
    InvalidArgumentError
        If a setting is out of its range.

    References
    ----------
    E. Real, A. Aggarwal, Y. Huang, Q. V. Le (2019). Regularized evolution for image classifier
    architecture search. AAAI Conference on Artificial Intelligence 33, 4780-4789: algorithm 1.

    K. Deb, A. Pratap, S. Agarwal, T. Meyarivan (2002). A fast and elitist multiobjective genetic
    algorithm: NSGA-II. IEEE Transactions on Evolutionary Computation 6, 182-197: the comparison
    with several objectives.

    Examples
    --------
    >>> space = Space.from_search_dict({'units': [16, 32, 64], 'rate': [0.0, 1.0]})
    >>> searcher = RegularizedEvolutionSearcher(space, 'min', n_trials=200, seed=1)
    >>> searcher.population, searcher.sample
    (20, 5)
    """

    name: ClassVar[str] = "regularized-evolution"

    def __init__(
        self,
        space: Space,
        directions: Direction | Sequence[Direction] = "max",
        n_trials: int | None = None,
        population: int | None = None,
        sample: int | None = None,
        seed: int | None = None,
    ) -> None:
        super().__init__(space, directions, n_trials, population, seed)
        default = max(2, self.population // 4)
        self.sample = as_int("sample", default if sample is None else sample, at_least=1)

    def settings(self) -> dict[str, Any]:
        """Return the settings for the record, as a dict that `json` can write."""
        return {**super().settings(), "sample": self.sample}

    def _select_parent(self, number: int) -> int | None:
        n = len(self._members)
        if n < FEWEST or number + self._n_known < self.population:
            return None
        drawn = [draw_integer(self._rng, n) for _ in range(self.sample)]
        keys = self._rank_keys()
        return min(drawn, key=lambda slot: keys[slot])

    def _rank_keys(self) -> list[tuple[float, float]]:
        """Return for each member what it is compared by: less is better."""
        losses = self._members.losses
        if len(self.directions) == 1:
            return [(loss, 0.0) for loss in losses[:, 0].tolist()]
        keys = [(0.0, 0.0)] * len(losses)
        for rank, front in enumerate(sort_into_fronts(losses)):
            distances: list[float] = crowding_distances(losses[front]).tolist()
            for slot, distance in zip(front, distances, strict=True):
                keys[slot] = (float(rank), -distance)
        return keys

    def _enter(self, number: int, genome: Vector, losses: list[float] | None) -> None:
        if losses is None:
            return
        self._members.add([genome], [losses], [number])
        if len(self._members) > self.population:
            self._members.keep(np.arange(1, len(self._members)))
