"""Where the configurations of a multi-fidelity search come from."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

import numpy as np

from sparkexp.errors import InvalidArgumentError
from sparkexp.search.base import Searcher
from sparkexp.search.evolution.variation import current_to_best, reflect
from sparkexp.search.grid import GridSearcher, ListSearcher
from sparkexp.space import Space
from sparkexp.trial import ParamValue, TrialResult

__all__ = [
    "EvolutionProposals",
    "GridProposals",
    "Kind",
    "Leaders",
    "Point",
    "Proposals",
    "RandomProposals",
    "SearcherProposals",
    "make_proposals",
]

Kind = Literal["random", "grid", "evolution", "searcher"]
# A configuration as it is saved: its index in the grid, or its genome.
Point = Any
# Returns the n best configurations, or all if there are fewer.
Leaders = Callable[[int], Sequence[Point]]

CHILD_EVERY = 3
MIN_PARENTS = 4


class Proposals(ABC):
    """Draws new configurations."""

    kind: Kind
    #: The number of configurations; None if there is no limit.
    n_points: int | None = None
    #: On a rung, configurations are compared only with those of their own cohort.
    n_cohorts: int = 1
    #: Whether it learns from the results of the lowest rung. The configurations that start on
    #: other rungs are random then, as their results can't be compared with these.
    learns: bool = False

    @abstractmethod
    def propose(self, k: int, rng: np.random.Generator, leaders: Leaders) -> tuple[Point, int]:
        """Return the k-th configuration, in a form that `json` can write, and its cohort.

        Parameters
        ----------
        k : int
            The number of the configuration, from 0.
        rng : numpy.random.Generator
            The searcher's own.
        leaders : Callable
            Returns the n best configurations that were trained to the end.
        """

    @abstractmethod
    def decode(self, point: Point) -> dict[str, ParamValue]:
        """Return the arguments of a configuration."""

    def learn(self, k: int, result: TrialResult) -> None:
        """Learn the result of the k-th configuration on the lowest rung, if it `learns`."""
        return None

    def progress(self) -> Mapping[str, float]:
        """Return figures for curves over the trials; see `Searcher.progress`."""
        return {}

    def state(self) -> dict[str, Any]:
        """Return what `restore` needs, as a dict that `json` can write."""
        return {}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take over what `state` returned."""
        return None


class RandomProposals(Proposals):
    """Independent points, uniform in the unit cube.

    Parameters
    ----------
    space : Space
        What is searched.
    """

    kind: Kind = "random"

    def __init__(self, space: Space) -> None:
        self._space = space

    def propose(self, k: int, rng: np.random.Generator, leaders: Leaders) -> tuple[Point, int]:
        return self._space.draw_point(rng).tolist(), 0

    def decode(self, point: Point) -> dict[str, ParamValue]:
        return self._space.decode(np.array(point))


class GridProposals(Proposals):
    """All combinations of a grid, or all configurations of a list, in random order.

    In the grid's own order, configurations would compete with their neighbours only.

    Parameters
    ----------
    fixed : GridSearcher or ListSearcher
        Holds the configurations.
    seed : int
        The seed of the order.
    """

    kind: Kind = "grid"

    def __init__(self, fixed: GridSearcher | ListSearcher, seed: int) -> None:
        self._fixed = fixed
        self.n_points = fixed.n_trials
        self._order = np.random.Generator(np.random.PCG64(seed)).permutation(fixed.n_trials)

    def propose(self, k: int, rng: np.random.Generator, leaders: Leaders) -> tuple[Point, int]:
        return int(self._order[k]), 0

    def decode(self, point: Point) -> dict[str, ParamValue]:
        return self._fixed.configuration(point)


class EvolutionProposals(Proposals):
    """Children of the best configurations that were trained to the end.

    DE/current-to-pbest/1/bin without a population of its own. Every third configuration is a
    child. The others stay random, and are compared with random ones only. Lower rungs would give
    parents earlier. But where short trainings mislead, the children of such parents are good after
    a short training, and displace configurations that are good after a long one. With parents from
    the top rung, a search is as good as one with random configurations until it is better.

    Parameters
    ----------
    space : Space
        What is searched.
    popsize : int
        Maximum number of parents. Until there are 4, all configurations are random.

    References
    ----------
    J. Zhang, A. Sanderson (2009). JADE: adaptive differential evolution with optional external
    archive. IEEE Transactions on Evolutionary Computation 13, 945-958: eq. 6 (the mutation).
    """

    kind: Kind = "evolution"
    n_cohorts = 2
    best_share = 0.5
    crossover = 0.7

    def __init__(self, space: Space, popsize: int) -> None:
        self._space = space
        self.popsize = popsize

    def propose(self, k: int, rng: np.random.Generator, leaders: Leaders) -> tuple[Point, int]:
        # Until there are parents, the same numbers are drawn as in a search without them.
        fresh = self._space.draw_point(rng)
        best = leaders(self.popsize) if k % CHILD_EVERY == CHILD_EVERY - 1 else []
        if len(best) < MIN_PARENTS:
            return fresh.tolist(), 0
        keys, taken = rng.random(self.popsize), rng.random(self._space.n_dims)
        pick, weight, forced = rng.random(3)
        parents, keys = np.array(best), keys[: len(best)]
        target, a, b = parents[np.argsort(keys, kind="stable")[:3]]
        lead = parents[int(pick * max(1, round(self.best_share * len(best))))]
        f = 0.4 + 0.6 * weight
        donor = reflect(current_to_best(target, lead, a, b, f))
        chosen = taken < self.crossover
        chosen[int(forced * self._space.n_dims)] = True
        return np.where(chosen, donor, target).tolist(), 1

    def decode(self, point: Point) -> dict[str, ParamValue]:
        return self._space.decode(np.array(point))


class SearcherProposals(Proposals):
    """What another searcher proposes, which learns the results of the lowest rung.

    There every configuration that it has proposed has a result, soon, and all of the same
    fidelity. What a short training says of a long one is all that the searcher can know.

    Parameters
    ----------
    space : Space
        What is searched.
    source : Searcher
        Proposes configurations. While it has nothing to propose, they are random.
    """

    kind: Kind = "searcher"
    learns = True

    def __init__(self, space: Space, source: Searcher) -> None:
        self._space = space
        self.source = source
        self._numbers: dict[int, int] = {}  # of the source's open trials, by configuration

    def propose(self, k: int, rng: np.random.Generator, leaders: Leaders) -> tuple[Point, int]:
        trial = self.source.ask()
        if trial is None:
            return rng.random(self._space.n_dims).tolist(), 0
        self._numbers[k] = trial.number
        return self._space.encode(trial.params).tolist(), 0

    def decode(self, point: Point) -> dict[str, ParamValue]:
        return self._space.decode(np.array(point))

    def learn(self, k: int, result: TrialResult) -> None:
        number = self._numbers.pop(k, None)
        for trial in self.source.open_trials():
            if trial.number == number:
                self.source.tell(replace(result, trial=trial))

    def progress(self) -> Mapping[str, float]:
        return self.source.progress()

    def state(self) -> dict[str, Any]:
        numbers = [list(item) for item in self._numbers.items()]
        return {"source": self.source.state(), "numbers": numbers}

    def restore(self, state: Mapping[str, Any]) -> None:
        self.source.restore(state["source"])
        for _ in self.source.open_trials():
            self.source.ask()  # these are open here, too
        self._numbers = dict(state["numbers"])


def make_proposals(
    kind: object,
    space: Space | None,
    configurations: Sequence[Mapping[str, ParamValue]] | None,
    popsize: int,
    seed: int,
    source: Searcher | None = None,
) -> Proposals:
    """Return proposals of the given kind.

    Raises
    ------
    InvalidArgumentError
        If there is no such kind, or it can't search this space or list.
    """
    if kind == "grid":
        if space is not None:
            return GridProposals(GridSearcher(space), seed)
        return GridProposals(ListSearcher(configurations or ()), seed)
    if space is None:
        raise InvalidArgumentError(
            f"proposals={kind!r} needs a space to draw from; a list of configurations takes "
            "proposals='grid'."
        )
    if kind == "searcher" and source is not None:
        return SearcherProposals(space, source)
    if kind == "random":
        return RandomProposals(space)
    if kind == "evolution":
        return EvolutionProposals(space, popsize)
    raise InvalidArgumentError(
        f"proposals are 'random', 'grid', 'evolution', or 'searcher' with source=, got {kind!r}."
    )
