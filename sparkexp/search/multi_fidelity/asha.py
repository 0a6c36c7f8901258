"""ASHA: configurations are promoted as soon as they are among the best of their rung."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import ClassVar

from sparkexp.search.multi_fidelity.proposing_searcher import ProposingSearcher

__all__ = ["AshaSearcher"]


class AshaSearcher(ProposingSearcher):
    """Asynchronous successive halving.

    Whenever a slot is free, the highest rung that has a promotion left promotes its best
    configuration that was not promoted yet. If no rung has one left, a new configuration starts
    on the lowest rung. A rung gets one promotion for every eta results, and one for the remainder
    when no more results can come, so that the number of trials is known beforehand. (The paper
    promotes a configuration as soon as it is among the best 1/eta, which promotes some more.)

    Parameters
    ----------
    space : Space, optional
        What is searched; None for a list of configurations.
    direction : {'max', 'min'}
        Whether more or less is better.
    n_configurations : int, optional
        Configurations that start on the lowest rung, at least 1; all of a grid or list by default.
    fidelity, min, max, eta
        See `Fidelity`.
    proposals : {'random', 'grid', 'evolution'}
        Where configurations come from.
    popsize : int
        Number of parents for ``proposals='evolution'``, at least 4.
    configurations : sequence of Mapping, optional
        The configurations, if there is no space.
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
        """Return the maximum number of trials for each level of the fidelity."""
        counts = [self.n_configurations]
        for _ in range(self.fidelity.top):
            counts.append(self._count_promotions(counts[-1], complete=True))
        return dict(zip(self.fidelity.levels, counts, strict=True))

    def count_starts(self) -> dict[int, int]:
        """Return how many trials of each level are the first one of their configuration."""
        return {self.fidelity.min: self.n_configurations}

    def _count_promotions(self, n: int, *, complete: bool = False) -> int:
        """Return how many of n results may be promoted.

        The quotient is rounded down, or up where the rung is complete.
        """
        return (
            math.ceil(n / self._results_per_promotion)
            if complete
            else math.floor(n / self._results_per_promotion)
        )

    @property
    def _results_per_promotion(self) -> float:
        """The number of results for each promotion."""
        return self.fidelity.eta

    def _next(self) -> tuple[int | None, int] | None:
        promotions = list(self._find_promotions())
        if promotions:
            return promotions[-1]
        return (None, 0) if len(self._points) < self.n_configurations else None

    def _find_promotions(self) -> Iterator[tuple[int, int]]:
        """Yield the configuration that each rung may promote now, and the rung above."""
        complete = len(self._points) == self.n_configurations  # no more will start
        for rung in range(self.fidelity.top):
            told = self._values[rung]
            complete = complete and len(told) == len(self._trials[rung])
            if len(self._trials[rung + 1]) < self._count_promotions(len(told), complete=complete):
                configuration = self._find_promotable(rung, complete)
                if configuration is not None:
                    yield configuration, rung + 1
                    complete = False

    def _find_promotable(self, rung: int, complete: bool) -> int | None:
        """Return the configuration that a rung promotes next; None if there is none.

        It is the best of the first cohort that has a promotion left. If none has and the rung is
        complete, the remainder goes to the first cohort that has a configuration left.
        """
        above = self._trials[rung + 1]
        remainder = None
        for cohort in range(self._proposals.n_cohorts):
            told = [c for c in self._values[rung] if self._cohorts[c] == cohort]
            best = next((c for c in self._rank(rung, told) if c not in above), None)
            if best is None:
                continue
            if sum(c in above for c in told) < self._count_promotions(len(told)):
                return best
            remainder = best if remainder is None else remainder
        return remainder if complete else None
