"""An evolution whose children are picked by a model of all results."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike

from sparkexp.search.evolution.adaptive import AdaptiveSearcher
from sparkexp.search.evolution.breeding import Breeder, Child
from sparkexp.search.evolution.population import Member, Population
from sparkexp.search.evolution.result_model import ResultModel
from sparkexp.search.evolution.variation import (
    Vector,
    binomial_crossover,
    current_to_best,
    draw_distinct,
    draw_integer,
    find_unordered,
    move_halfway_back,
    rand_1,
    vote,
)
from sparkexp.space import Space

__all__ = ["ModelBreeder", "SurrogateSearcher", "make_candidates"]

N_CANDIDATES = 60
# The share of candidates that are drawn from the whole cube.
DRAWN_SHARE = 0.3
# Some candidates move towards this share of the population, and so many members at least.
BEST_SHARE, MIN_BEST = 0.25, 2
# The range of F; that of CR is [0, 1].
WEIGHTS = (0.2, 1.0)


class SurrogateSearcher(AdaptiveSearcher):
    """An evolution whose children are picked by a model of all results.

    A Gaussian process is fitted to the results. Three kinds of mutation make 60 possible children;
    the most promising one is tried, for which the mean less two standard deviations is the lowest.
    It competes with the member that is most like it, so that the population keeps to several
    regions. Trials that still run count as if they had the value that is predicted for them,
    failed ones as the worst so far.

    Parameters
    ----------
    space : Space
        What is searched.
    direction : {'max', 'min'}
        Which value is the best.
    popsize : int
        Size of the population, at least 4. As many points are drawn at first.
    n_trials : int, optional
        The number of trials, at least 1; None for no limit.
    mode : {'asynchronous', 'generational'}
        Whether each result counts at once, or `popsize` of them as a generation: then the trials
        don't depend on the order in which results arrive, and slots wait.
    seed : int, optional
        A whole number of at least 0; by default one is drawn, which `settings` returns.

    Raises
    ------
    InvalidArgumentError
        If a setting is out of its range.

    References
    ----------
    N. Srinivas, A. Krause, S. Kakade, M. Seeger (2010). Gaussian process optimization in the
    bandit setting: no regret and experimental design. International Conference on Machine
    Learning (the confidence bound).

    R. Thomsen (2004). Multimodal optimization using crowding-based differential evolution. IEEE
    Congress on Evolutionary Computation, 1382-1389 (who competes with whom).

    D. Ginsbourger, R. Le Riche, L. Carraro (2010). Kriging is well-suited to parallelize
    optimization. In: Computational Intelligence in Expensive Optimization Problems, Springer (the
    believed predictions).

    Examples
    --------
    >>> space = Space.from_search_dict({'learning_rate': [0.005, 0.00005], 'num_layers': [1, 3]})
    >>> searcher = SurrogateSearcher(space, 'max', n_trials=40, seed=1)
    >>> searcher.popsize, searcher.generations, searcher.order_matters
    (10, 3, True)
    """

    name: ClassVar[str] = "surrogate"
    # Members in poor regions stay: no children compete with them once all are in the best region.
    shows_best = True

    def _make_breeder(self) -> Breeder:
        return ModelBreeder(self._rng, self._population, self.space)


class ModelBreeder(Breeder):
    """Makes children as `SurrogateSearcher` describes.

    Parameters
    ----------
    rng : numpy.random.Generator
        The searcher's own.
    population : Population
        The population of the parents.
    space : Space
        What is searched.
    """

    def __init__(self, rng: np.random.Generator, population: Population, space: Space) -> None:
        self._rng = rng
        self._population = population
        self._space = space
        self._choices = find_unordered(space)
        self._model = ResultModel(space)

    def breed(self, slot: int, number: int, pending: Sequence[Vector]) -> Iterator[Child]:
        members, places = self._population.genomes, self._population.find_positions()
        found = make_candidates(self._rng, members, places, self._choices)
        if self._space.is_narrow:  # the model is to rank what will be tried
            found = np.array([self._space.repair(point, members) for point in found])
        for genome in self._model.rank(found, pending):
            yield Child(genome, self._model.find_nearest(members, genome))

    def learn(
        self, child: Child, loss: float, replaced: Member | None, violation: float = 0.0
    ) -> None:
        self._model.learn(child.genome, loss, violation)

    def end_generation(self) -> None:
        """Change nothing: the model has learned every result at once."""

    def state(self) -> dict[str, Any]:
        return {"model": self._model.state()}

    def restore(self, state: Mapping[str, Any]) -> None:
        self._model.restore(state["model"])


def make_candidates(
    rng: np.random.Generator,
    members: Vector,
    losses: ArrayLike,
    choices: list[tuple[int, int]],
) -> Vector:
    """Return possible children of a population, by mutations of three kinds.

    Parameters
    ----------
    rng : numpy.random.Generator
        The source of all random numbers.
    members : ndarray
        The population, of shape ``(n, n_dims)``, at least 4.
    losses : array_like
        One for each member.
    choices : list of (int, int)
        See `variation.find_unordered`.
    """
    n, n_dims = members.shape
    best = np.argsort(losses, kind="stable")[: max(MIN_BEST, math.ceil(BEST_SHARE * n))]
    low, high = WEIGHTS
    found: list[Vector] = []
    for k in range(N_CANDIDATES):
        if rng.random() < DRAWN_SHARE:
            found.append(rng.random((n_dims,)))
            continue
        slot = draw_integer(rng, n)
        weight, crossover = low + (high - low) * rng.random(), rng.random()
        x, good = members[slot], members[best[draw_integer(rng, len(best))]]
        a, b, c = list(members[draw_distinct(rng, n, 3, exclude=slot)])
        if k % 3 == 0:
            donor, parents = rand_1(a, b, c, weight), [a, b, c]
        elif k % 3 == 1:
            donor, parents = current_to_best(x, good, a, b, weight), [x, good, a, b]
        else:
            donor, parents = rand_1(good, a, b, weight), [good, a, b]
        donor = vote(rng, move_halfway_back(donor, x), parents, choices)
        found.append(binomial_crossover(rng, x, donor, crossover))
    return np.array(found)
