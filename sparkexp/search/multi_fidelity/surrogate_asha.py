"""ASHA with a model that learns from the results of all rungs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from sparkexp.search.base import KnownResult
from sparkexp.search.evolution.population import MIN_MEMBERS
from sparkexp.search.evolution.result_model import ResultModel, select_informative
from sparkexp.search.evolution.surrogate import make_candidates
from sparkexp.search.evolution.variation import Vector, find_unordered, latin_hypercube
from sparkexp.search.multi_fidelity.asha import AshaSearcher
from sparkexp.search.multi_fidelity.proposals import Point
from sparkexp.space import Space
from sparkexp.trial import Direction, State, TrialResult, params_key

__all__ = ["SurrogateAshaSearcher"]

# At most so many configurations of a rung are compared for a promotion: the best, and others.
MAX_COMPARED = 300
# Promotions compare predictions that are better by so many standard deviations.
OPTIMISM = 1.0


class SurrogateAshaSearcher(AshaSearcher):
    """Asynchronous halving whose configurations are proposed, and promoted, by a model.

    A Gaussian process is fitted to the results of all rungs; the height of the rung is one of its
    coordinates. So it learns from a few full trainings what the many short ones are worth. For a
    new configuration it compares 60 points, children of the best configurations and random points.
    It takes the one with the best optimistic prediction for a full training. A rung promotes by
    such predictions, too, so not always the configuration that leads. As the proposals are good,
    more are promoted than by `AshaSearcher`: one of ``sqrt(eta)``, 58 % where eta is 3. The first
    `popsize` configurations are a Latin hypercube.

    Parameters
    ----------
    space : Space
        What is searched.
    direction : {'max', 'min'}
        Whether more or less is better.
    n_configurations : int
        Configurations that start on the lowest rung, at least 1.
    fidelity, min, max, eta
        See `Fidelity`.
    popsize : int
        Number of parents of the proposals, at least 4.
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
        self._choices = find_unordered(space)
        self._model = ResultModel(space, n_more=1)
        # The points on the top rung, as the model takes them; it may lag behind `_points`.
        self._tops: list[Vector] = []
        # Keys of the points and of the known results; it may lag behind `_points`.
        self._seen: set[Any] = set()
        self._n_seen = 0

    def settings(self) -> dict[str, Any]:
        """Return the settings for the record, as a dict that `json` can write."""
        return {key: value for key, value in super().settings().items() if key != "proposals"}

    @property
    def _results_per_promotion(self) -> float:
        return math.sqrt(self.fidelity.eta)

    def _next(self) -> tuple[int | None, int] | None:
        n_first = max(len(self._initial), len(self._initial_params))
        if len(self._points) < min(n_first, self.n_configurations):
            return None, 0  # nothing is promoted before these have started
        return super()._next()

    def _learn_known(self, known: Sequence[KnownResult]) -> bool:
        """Learn the known results as those of full trainings."""
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
            return  # its value belongs to no rung
        self._model.learn(self._add_fidelity(point, rung), self._objective.loss(result.value))
        self._model.fit()  # now: `_next` must not change the model

    # New configurations.

    def _draw(self, configuration: int, rung: int) -> tuple[Point, int]:
        if configuration < len(self._initial):
            return self._initial[configuration].tolist(), 0
        members = self._select_members()
        if len(members) >= MIN_MEMBERS:
            # Only their order counts.
            losses = list(map(float, range(len(members))))
            children = make_candidates(self._rng, members, losses, self._choices)
            children = np.array([self.space.repair(child) for child in children])
            at_top = np.column_stack([children, np.ones(len(children))])
            for point in self._model.rank(at_top, self._get_open_points()):
                if not self._is_known(point[:-1]):
                    return point[:-1].tolist(), 0
        return self.space.draw_point(self._rng).tolist(), 0

    def _select_members(self) -> Vector:
        """Return the points with the best predictions, of shape ``(n, n_dims)``."""
        told = [c for c, value in self._values[0].items() if value is not None]
        known = [
            self._add_fidelity(self.space.encode(k.params), self.fidelity.top) for k in self._known
        ]
        points = np.array([self._get_top_point(c) for c in self._select_compared(0, told)] + known)
        if not len(points):
            return points
        order = np.argsort(self._model.predict(points), kind="stable")
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
        """Return the configuration with the best prediction, of those not promoted yet."""
        above = self._trials[rung + 1]
        values = self._values[rung]
        unpromoted = [c for c, value in values.items() if value is not None and c not in above]
        if not unpromoted:
            return None
        few = self._select_compared(rung, unpromoted)
        tops = np.array([self._get_top_point(c) for c in few])
        return few[int(np.argmin(self._model.predict(tops, OPTIMISM)))]

    def _select_compared(self, rung: int, configurations: Sequence[int]) -> list[int]:
        """Return at most `MAX_COMPARED` configurations of a rung: the best, and others."""
        values = np.array([self._values[rung][c] for c in configurations])
        losses = self._objective.loss_sign * values
        return [configurations[k] for k in select_informative(losses, MAX_COMPARED)]

    # Points of the model: a configuration's point, and the height of its rung from 0 to 1.

    def _add_fidelity(self, point: Point, rung: int) -> Vector:
        return np.append(point, rung / self.fidelity.top)

    def _get_top_point(self, configuration: int) -> Vector:
        for point in self._points[len(self._tops) :]:
            top = self._add_fidelity(point, self.fidelity.top)
            self._tops.append(self._model.clear_inactive(top))
        return self._tops[configuration]

    # What is saved.

    def _state(self) -> dict[str, Any]:
        return {**super()._state(), "model": self._model.state()}

    def _restore(self, memory: Mapping[str, Any]) -> None:
        super()._restore(memory)
        self._model.restore(memory["model"])
