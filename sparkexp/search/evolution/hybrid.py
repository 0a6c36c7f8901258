"""An evolution whose children are picked by a model at first, and mostly by SHADE later."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from sparkexp.search.evolution.adaptive import AdaptiveSearcher
from sparkexp.search.evolution.breeding import Breeder, Child
from sparkexp.search.evolution.population import Member
from sparkexp.search.evolution.shade import ShadeBreeder
from sparkexp.search.evolution.surrogate import ModelBreeder
from sparkexp.search.evolution.variation import Vector

__all__ = ["EARLY", "HybridSearcher"]

# The model picks the children of so many trials, and afterwards this share of the children.
EARLY, LATE_SHARE = 100, 0.3


class HybridSearcher(AdaptiveSearcher):
    """The children of `SurrogateSearcher` at first, then mostly those of `ShadeSearcher`.

    The model finds a good region within a few dozen trials. Later it keeps to
    regions that it knows, while SHADE goes on finding better points (and in the last quarter
    varies the best one). Both have the same population, and the model learns from all results.

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

    Examples
    --------
    >>> from sparkexp.space import Space
    >>> space = Space.from_search_dict({'learning_rate': [0.005, 0.00005], 'num_layers': [1, 3]})
    >>> HybridSearcher(space, 'max', n_trials=300, seed=1).generations
    29
    """

    name: ClassVar[str] = "hybrid"
    shows_best = True

    def _make_breeder(self) -> Breeder:
        model = ModelBreeder(self._rng, self._population, self.space)
        shade = ShadeBreeder(self._rng, self._population, self.space, self._n_trials)
        return _ModelThenShade(self._rng, model, shade)


class _ModelThenShade(Breeder):
    """Draws which of two breeders makes a child, after `EARLY` trials; both learn all results."""

    def __init__(self, rng: np.random.Generator, model: Breeder, shade: Breeder) -> None:
        self._rng = rng
        self._model = model
        self._shade = shade

    def breed(self, slot: int, number: int, pending: Sequence[Vector]) -> Iterator[Child]:
        if number >= EARLY and self._rng.random() >= LATE_SHARE:
            return self._shade.breed(slot, number, pending)
        return self._model.breed(slot, number, pending)

    def learn(
        self, child: Child, loss: float, replaced: Member | None, violation: float = 0.0
    ) -> None:
        self._shade.learn(child, loss, replaced, violation)
        self._model.learn(child, loss, replaced, violation)

    def end_generation(self) -> None:
        self._shade.end_generation()
        self._model.end_generation()

    def state(self) -> dict[str, Any]:
        return {**self._shade.state(), **self._model.state()}

    def restore(self, state: Mapping[str, Any]) -> None:
        self._shade.restore(state)
        self._model.restore(state)
