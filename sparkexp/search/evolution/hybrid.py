"""An evolution that a model of all results helps early, and that goes on by itself."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from sparkexp.search.evolution.population import Child
from sparkexp.search.evolution.shade import ShadeSearcher
from sparkexp.search.evolution.surrogate import SurrogateSearcher

__all__ = ["EARLY", "HybridSearcher"]

# How many trials the model picks all children of, and the share that it picks afterwards.
EARLY, LATE_SHARE = 100, 0.3


class HybridSearcher(SurrogateSearcher, ShadeSearcher):
    """The children of `SurrogateSearcher` at first, then mostly those of `ShadeSearcher`.

    The model finds a good region within a few dozen trials. Later it looks where it expects least
    surprise, while the evolution goes on finding better points (and in the last quarter varies the
    best one): both have the same population, and the model learns from all results.

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
    >>> from sparkexp.space import Space
    >>> space = Space.from_search_dict({'learning_rate': [0.005, 0.00005], 'num_layers': [1, 3]})
    >>> HybridSearcher(space, 'max', n_trials=300, seed=1).generations
    29
    """

    name: ClassVar[str] = "hybrid"

    def _bred(self, slot: int) -> Iterator[Child]:
        if self.n_asked >= EARLY and self._rng.random() >= LATE_SHARE:
            return ShadeSearcher._bred(self, slot)
        return SurrogateSearcher._bred(self, slot)
