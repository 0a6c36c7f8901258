"""ASHA with a model of all results, whatever they were trained for."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from sparkexp.search.base import KnownResult
from sparkexp.search.evolution.population import MIN_MEMBERS
from sparkexp.search.evolution.result_model import ResultModel, telling
from sparkexp.search.evolution.surrogate import candidates
from sparkexp.search.evolution.variation import Vector, latin_hypercube, unordered
from sparkexp.search.multi_fidelity.asha import AshaSearcher
from sparkexp.search.multi_fidelity.proposals import Point
from sparkexp.space import Space
from sparkexp.trial import Direction, State, TrialResult, params_key

__all__ = ["SurrogateAshaSearcher"]

# Configurations of a rung among which the next promotion is chosen, at most: the best, and others.
MAX_COMPARED = 300
# How many standard deviations a configuration may end better than predicted, to be promoted.
OPTIMISM = 1.0


class SurrogateAshaSearcher(AshaSearcher):
    """Asynchronous halving whose configurations are proposed, and promoted, by a model.

    A Gaussian process is fitted to the results of all rungs; how far up a rung is, is one of its
    coordinates. So it knows from a few full trainings what the many short ones are worth. A new
    configuration is the one of 60 points, children of the best and some drawn anywhere, of which
    most may be expected after a full training; promoted is the one of its rung of which most may
    be expected then, which need not be the one that leads. As the proposals are good, more are
    promoted than by `AshaSearcher`: one of ``sqrt(eta)``, 58 % where eta is 3. The first `popsize`
    configurations are a Latin hypercube.

    Parameters
    ----------
    space : Space
        What is searched.
    direction : {'max', 'min'}
        Whether more or less is better.
    n_configurations : int
        Configurations that start at the bottom, at least 1.
    fidelity, min, max, eta
        See `Fidelity`.
    popsize : int
        Parents of the proposals, at least 4.
    seed : int, optional
        A whole number of at least 0; by default one is drawn, and `settings` tells it.

    Raises
    ------
    InvalidArgumentError
        If a setting is out of its range.

    References
    ----------
    A. Klein, L. Tiao, T. Lienart, C. Archambeau, M. Seeger (2020). Model-based asynchronous
    hyperparameter and neural architecture search. arXiv:2003.10865 (proposals of a process that
    learns from all rungs).

    K. Kandasamy, G. Dasarathy, J. Schneider, B. Póczos (2017). Multi-fidelity Bayesian
    optimisation with continuous approximations. International Conference on Machine Learning
    (the fidelity as a coordinate of the process).

    Examples
    --------
    >>> space = Space.from_search_dict({'learning_rate': [0.005, 0.00005]})
    >>> searcher = SurrogateAshaSearcher(space, 'max', 40, 'epochs', 1, 27, 3, seed=1)
    >>> searcher.plan()
    {1: 40, 3: 24, 9: 14, 27: 9}
    """

    name: ClassVar[str] = "surrogate-asha"
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
        popsize: int = 10,
        seed: int | None = None,
    ) -> None:
        super().__init__(
            space, direction, n_configurations, fidelity, min=min, max=max, eta=eta,
            popsize=popsize, seed=seed,
        )  # fmt: skip
        self._initial = latin_hypercube(self._rng, self.popsize, space.n_dims)
        self._choices = unordered(space)
        self._model = ResultModel(space, n_more=1)
        # The points at the top, as the model takes them; `_points` may be ahead of it.
        self._tops: list[Vector] = []
        # Of the points and of what is known beforehand; `_points` may be ahead of it.
        self._seen: set[Any] = set()
        self._n_seen = 0

    def settings(self) -> dict[str, Any]:
        """Return the settings for the record, as a dict that `json` can write."""
        return {key: value for key, value in super().settings().items() if key != "proposals"}

    @property
    def _results_per_promotion(self) -> float:
        return math.sqrt(self.fidelity.eta)

    def _next(self) -> tuple[int | None, int] | None:
        n_first = max(len(self._initial), len(self._planted))
        if len(self._points) < min(n_first, self.n_configurations):
            return None, 0  # nobody is promoted before these have begun
        return super()._next()

    def _know(self, known: Sequence[KnownResult]) -> bool:
        """Learn them as full trainings."""
        for each in known:
            point = self._add_fidelity(self.space.encode(each.params), self.fidelity.top)
            self._model.learn(point, self._objective.loss(each.value))
            self._seen.add(params_key(each.params))
        return True

    def _learn(self, result: TrialResult) -> None:
        super()._learn(result)
        rung = result.trial.rung or 0
        point = self._points[self._configurations[result.trial.number]]
        if result.state is State.PRUNED:
            return  # its value is of no rung
        self._model.learn(self._add_fidelity(point, rung), self._objective.loss(result.value))
        self._model.fit()  # now, so that looking at what would be next changes nothing

    # New configurations.

    def _draw(self, configuration: int, rung: int) -> tuple[Point, int]:
        if configuration < len(self._initial):
            return self._initial[configuration].tolist(), 0
        members = self._select_members()
        if len(members) >= MIN_MEMBERS:
            # Their order is all that counts.
            losses = list(map(float, range(len(members))))
            children = candidates(self._rng, members, losses, self._choices)
            children = np.array([self.space.repair(child) for child in children])
            at_top = np.column_stack([children, np.ones(len(children))])
            for point in self._model.ranked(at_top, self._get_open_points()):
                if not self._is_known(point[:-1]):
                    return point[:-1].tolist(), 0
        return self._rng.random(self.space.n_dims).tolist(), 0

    def _select_members(self) -> Vector:
        """Return the configurations of which most is expected, of shape ``(n, n_dims)``."""
        told = [c for c, value in self._values[0].items() if value is not None]
        known = [
            self._add_fidelity(self.space.encode(k.params), self.fidelity.top) for k in self._known
        ]
        points = np.array([self._get_top_point(c) for c in self._select_compared(0, told)] + known)
        if not len(points):
            return points
        order = np.argsort(self._model.expected(points), kind="stable")
        members: Vector = points[order[: self.popsize], :-1]
        return members

    def _get_open_points(self) -> list[Vector]:
        """Return the points of the open trials."""
        return [
            self._add_fidelity(self._points[self._configurations[trial.number]], trial.rung or 0)
            for trial in self.open_trials()
        ]

    def _is_known(self, child: Vector) -> bool:
        for point in self._points[self._n_seen :]:
            self._seen.add(params_key(self.proposals.decode(point)))
        self._n_seen = len(self._points)
        return params_key(self.space.decode(child)) in self._seen

    # Promotions.

    def _find_promotable(self, rung: int, complete: bool) -> int | None:
        """Return the configuration that promises most, of those not promoted yet."""
        above = self._trials[rung + 1]
        values = self._values[rung]
        unpromoted = [c for c, value in values.items() if value is not None and c not in above]
        if not unpromoted:
            return None
        few = self._select_compared(rung, unpromoted)
        tops = np.array([self._get_top_point(c) for c in few])
        return few[int(np.argmin(self._model.expected(tops, OPTIMISM)))]

    def _select_compared(self, rung: int, configurations: Sequence[int]) -> list[int]:
        """Return the best of many configurations of a rung, and others."""
        values = np.array([self._values[rung][c] for c in configurations])
        losses = self._objective.loss_sign * values
        return [configurations[k] for k in telling(losses, MAX_COMPARED)]

    # Points of the model: a configuration, and how far up it was trained.

    def _add_fidelity(self, point: Point, rung: int) -> Vector:
        return np.append(point, rung / self.fidelity.top)

    def _get_top_point(self, configuration: int) -> Vector:
        for point in self._points[len(self._tops) :]:
            self._tops.append(self._model.plain(self._add_fidelity(point, self.fidelity.top)))
        return self._tops[configuration]

    # What is saved.

    def _state(self) -> dict[str, Any]:
        return {**super()._state(), "model": self._model.state()}

    def _restore(self, memory: Mapping[str, Any]) -> None:
        super()._restore(memory)
        self._model.restore(memory["model"])
