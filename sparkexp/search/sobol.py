"""Sobol points: random, but spread more evenly than independent ones."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from sparkexp.checks import as_int
from sparkexp.search.base import SeededSearcher
from sparkexp.space import Space
from sparkexp.trial import Trial, TrialResult

__all__ = ["SobolSearcher"]


class SobolSearcher(SeededSearcher):
    """A scrambled Sobol sequence: uniform points that keep away from each other.

    Parameters
    ----------
    space : Space
        What is searched.
    n_trials : int, optional
        The number of trials, at least 1; None for no limit. Powers of two are spread best.
    seed : int, optional
        A whole number of at least 0; by default one is drawn, which `settings` returns.

    Raises
    ------
    InvalidArgumentError
        If a setting is out of its range.

    References
    ----------
    I. M. Sobol (1967). On the distribution of points in a cube and the approximate evaluation of
    integrals. USSR Computational Mathematics and Mathematical Physics 7 (4), 86-112.

    A. B. Owen (1998). Scrambling Sobol' and Niederreiter-Xing points. Journal of Complexity 14,
    466-489.

    Examples
    --------
    >>> searcher = SobolSearcher(Space.from_search_dict({'x': [0.0, 1.0]}), n_trials=8, seed=1)
    >>> sorted(int(8 * trial.params['x']) for trial in iter(searcher.ask, None))
    [0, 1, 2, 3, 4, 5, 6, 7]
    """

    name: ClassVar[str] = "sobol"
    knows_violations = True

    def __init__(self, space: Space, n_trials: int | None = None, seed: int | None = None) -> None:
        from scipy.stats import qmc  # takes a second, which other searchers need not wait for

        super().__init__(space, seed)
        self._n_trials = None if n_trials is None else as_int("n_trials", n_trials, at_least=1)
        self._sequence = qmc.Sobol(space.n_dims, rng=np.random.default_rng(self.seed))
        self._n_drawn = 0

    @property
    def n_trials(self) -> int | None:
        """The number of trials; None if there is no limit."""
        return self._n_trials

    def settings(self) -> dict[str, Any]:
        """Return the settings for the record, as a dict that `json` can write."""
        return {"n_trials": self._n_trials, **super().settings()}

    def _propose(self, number: int) -> Trial:
        if self.space.is_narrow:  # hardly a point of the sequence is allowed
            rng = np.random.Generator(np.random.PCG64([self.seed, number]))
            return Trial(number, self.space.decode(self.space.draw_point(rng)))
        return Trial(number, self.space.decode(self._draw_allowed(self._draw)))

    def _draw(self) -> NDArray[np.float64]:
        self._n_drawn += 1
        point: NDArray[np.float64] = self._sequence.random(1)[0]
        return point

    def _learn(self, result: TrialResult) -> None:
        pass

    def _state(self) -> dict[str, Any]:
        return {"n_drawn": self._n_drawn}

    def _restore(self, memory: Mapping[str, Any]) -> None:
        self._n_drawn = memory["n_drawn"]
        if self._n_drawn:
            self._sequence.fast_forward(self._n_drawn)
