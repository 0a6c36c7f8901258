"""Random search: independent uniform points, the baseline of every other searcher."""

from __future__ import annotations

from typing import Any, ClassVar

from sparkexp.checks import as_int
from sparkexp.search.base import SeededSearcher
from sparkexp.space import Space
from sparkexp.trial import Trial, TrialResult

__all__ = ["RandomSearcher"]


class RandomSearcher(SeededSearcher):
    """Independent points, uniform in the unit cube.

    Parameters
    ----------
    space : Space
        What is searched.
    n_trials : int, optional
        The number of trials, at least 1; None for no limit.
    seed : int, optional
        A whole number of at least 0; by default one is drawn, which `settings` returns.

    Raises
    ------
    InvalidArgumentError
        If a setting is out of its range.

    References
    ----------
    J. Bergstra, Y. Bengio (2012). Random search for hyper-parameter optimization. Journal of
    Machine Learning Research 13, 281-305.

    Examples
    --------
    >>> space = Space.from_search_dict({'dropout': [0.1, 0.9]})
    >>> first, again = (RandomSearcher(space, n_trials=5, seed=1) for _ in range(2))
    >>> first.ask() == again.ask()
    True
    """

    name: ClassVar[str] = "random"
    knows_violations = True

    def __init__(self, space: Space, n_trials: int | None = None, seed: int | None = None) -> None:
        super().__init__(space, seed)
        self._n_trials = None if n_trials is None else as_int("n_trials", n_trials, at_least=1)

    @property
    def n_trials(self) -> int | None:
        """The number of trials; None if there is no limit."""
        return self._n_trials

    def settings(self) -> dict[str, Any]:
        """Return the settings for the record, as a dict that `json` can write."""
        return {"n_trials": self._n_trials, **super().settings()}

    def _propose(self, number: int) -> Trial:
        genome = self._draw_allowed(lambda: self._rng.random(self.space.n_dims))
        return Trial(number, self.space.decode(genome))

    def _learn(self, result: TrialResult) -> None:
        pass
