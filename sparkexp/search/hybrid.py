"""An evolution that a model of all results helps early, and that goes on by itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from sparkexp.search.base import Known
from sparkexp.search.model import ResultModel
from sparkexp.search.population import Child, Mode
from sparkexp.search.shade import ShadeSearcher
from sparkexp.search.surrogate import candidates
from sparkexp.search.variation import Vector
from sparkexp.space import Space
from sparkexp.trial import Direction

__all__ = ["EARLY", "HybridSearcher"]

# How many trials the model picks all children of, and the share that it picks afterwards.
EARLY, LATE_SHARE = 100, 0.3


class HybridSearcher(ShadeSearcher):
    """The children of `SurrogateSearcher` at first, then mostly those of `ShadeSearcher`.

    The model finds a good region within a few dozen trials. Later it looks where it expects least
    surprise, while the evolution goes on finding better points: both have the same population, and
    the model learns from all results.

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
        A whole number of at least 0; by default one is drawn, and `settings` tells it.

    Raises
    ------
    InvalidArgumentError
        If a setting is out of its range.

    Examples
    --------
    >>> space = Space.from_search_dict({'learning_rate': [0.005, 0.00005], 'num_layers': [1, 3]})
    >>> HybridSearcher(space, 'max', n_trials=300, seed=1).generations
    29
    """

    name: ClassVar[str] = "hybrid"
    initial_generations: ClassVar[int] = 1

    def __init__(
        self,
        space: Space,
        direction: Direction = "max",
        popsize: int = 10,
        n_trials: int | None = None,
        mode: Mode = "asynchronous",
        seed: int | None = None,
    ) -> None:
        super().__init__(space, direction, popsize, n_trials, mode, seed)
        self._model = ResultModel(space)

    def _know(self, known: Sequence[Known]) -> bool:
        sign = -1.0 if self.direction == "max" else 1.0
        for each in known:
            self._model.learn(self.space.encode(each.params), sign * each.value)
        return super()._know(known)

    def _bred(self, slot: int) -> Iterator[Child]:
        if self.n_asked >= EARLY and self._rng.random() >= LATE_SHARE:
            yield from super()._bred(slot)
        members = np.array(self._genomes)
        found = candidates(self._rng, members, self._losses, self._unordered)
        for genome in self._model.ranked(found, self._pending()):
            yield Child(genome, self._model.nearest(members, genome))

    def _entered(self, child: Child, loss: float, replaced: tuple[Vector, float] | None) -> None:
        super()._entered(child, loss, replaced)
        self._model.learn(child.genome, loss)

    def _state(self) -> dict[str, Any]:
        return {**super()._state(), "model": self._model.state()}

    def _restore(self, memory: Mapping[str, Any]) -> None:
        super()._restore(memory)
        self._model.restore(memory["model"])
