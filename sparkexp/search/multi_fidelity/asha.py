"""ASHA: configurations are promoted as soon as they are among the best of their rung."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import ClassVar

from sparkexp.search.multi_fidelity.proposing_searcher import ProposingSearcher

__all__ = ["AshaSearcher"]


class AshaSearcher(ProposingSearcher):
    """Asynchronous successive halving.

    Whenever a slot is free, the highest rung that has earned a promotion promotes its best
    configuration that was not promoted yet; if none has, a new configuration starts at the
    bottom. A rung earns one promotion for every eta results, and the last one when nothing more
    comes from below, so that the number of trials is known beforehand. (The paper promotes
    whatever is among the best of 1/eta when it arrives, which are some more.)

    Parameters
    ----------
    space : Space, optional
        What is searched; None for a list of configurations.
    direction : {'max', 'min'}
        Whether more or less is better.
    n_configurations : int, optional
        Configurations that start at the bottom, at least 1; all of a grid or list by default.
    fidelity, min, max, eta
        See `Fidelity`.
    proposals : {'random', 'grid', 'evolution'}
        Where configurations come from.
    popsize : int
        Parents of an evolution, at least 4.
    configurations : sequence of Mapping, optional
        The list, where there is no space.
    seed : int, optional
        A whole number of at least 0; by default one is drawn, and `settings` tells it.

    Raises
    ------
    InvalidArgumentError
        If a setting is out of its range.

    References
    ----------
    L. Li, K. Jamieson, A. Rostamizadeh, E. Gonina, J. Ben-tzur, M. Hardt, B. Recht, A. Talwalkar
    (2020). A system for massively parallel hyperparameter tuning. MLSys: algorithm 2.

    Examples
    --------
    >>> from sparkexp.space import Space
    >>> space = Space.from_search_dict({'learning_rate': [0.005, 0.00005]})
    >>> searcher = AshaSearcher(space, 'max', 9, 'epochs', 1, 9, 3, seed=1)
    >>> searcher.n_trials
    13
    >>> trial = searcher.ask()
    >>> trial.id, trial.extra
    ('rung-0/trial-00000', {'epochs': 1})
    """

    name: ClassVar[str] = "asha"

    def plan(self) -> dict[int, int]:
        """Return how many trials train for how long, at most."""
        counts = [self.n_configurations]
        for _ in range(self.fidelity.top):
            counts.append(self._count_promotions(counts[-1], complete=True))
        return dict(zip(self.fidelity.levels, counts, strict=True))

    def count_starts(self) -> dict[int, int]:
        """Return how many of them are a configuration's first trial: those of the bottom."""
        return {self.fidelity.min: self.n_configurations}

    def _count_promotions(self, n: int, *, complete: bool = False) -> int:
        """Return how many of n results may be promoted, one more where the last are in."""
        return (
            math.ceil(n / self._results_per_promotion)
            if complete
            else math.floor(n / self._results_per_promotion)
        )

    @property
    def _results_per_promotion(self) -> float:
        """Of how many results one is promoted."""
        return self.fidelity.eta

    def _next(self) -> tuple[int | None, int] | None:
        promotions = list(self._find_promotions())
        if promotions:
            return promotions[-1]
        return (None, 0) if len(self._points) < self.n_configurations else None

    def _find_promotions(self) -> Iterator[tuple[int, int]]:
        """Yield the configuration of each rung that has earned a promotion, and where to."""
        complete = len(self._points) == self.n_configurations  # nothing more comes from below
        for rung in range(self.fidelity.top):
            told = self._values[rung]
            complete = complete and len(told) == len(self._trials[rung])
            if len(self._trials[rung + 1]) < self._count_promotions(len(told), complete=complete):
                configuration = self._find_promotable(rung, complete)
                if configuration is not None:
                    yield configuration, rung + 1
                    complete = False

    def _find_promotable(self, rung: int, complete: bool) -> int | None:
        """Return the best of a cohort that has earned it; of any, where a rest is given away."""
        above = self._trials[rung + 1]
        rest = None
        for cohort in range(self._proposals.n_cohorts):
            told = [c for c in self._values[rung] if self._cohorts[c] == cohort]
            best = next((c for c in self._rank(rung, told) if c not in above), None)
            if best is None:
                continue
            if sum(c in above for c in told) < self._count_promotions(len(told)):
                return best
            rest = best if rest is None else rest
        return rest if complete else None
