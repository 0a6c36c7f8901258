"""Hyperband: successive halving with several first rungs, which gives slow starters a chance."""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import ClassVar

from sparkexp.search.multi_fidelity.fidelity import Fidelity
from sparkexp.search.multi_fidelity.proposing_searcher import ProposingSearcher

__all__ = ["Bracket", "HyperbandSearcher", "bracket_sizes", "halve"]


def bracket_sizes(fidelity: Fidelity, first_rung: int) -> tuple[int, ...]:
    """Return how many trials a bracket has on each rung, from `first_rung` up.

    Li et al. 2017, algorithm 1: n = ⌈(s_max + 1) / (s + 1) · eta^s⌉ configurations at the start
    of bracket s, and ⌊n · eta^-i⌋ after i promotions.

    Examples
    --------
    >>> [bracket_sizes(Fidelity('epochs', 1, 27), rung) for rung in range(4)]
    [(27, 9, 3, 1), (12, 4, 1), (6, 2), (4,)]
    """
    s = fidelity.top - first_rung
    n = math.ceil(len(fidelity.levels) / (s + 1) * fidelity.eta**s)
    return halve(n, fidelity, first_rung)


def halve(n: int, fidelity: Fidelity, first_rung: int) -> tuple[int, ...]:
    """Return how many of n configurations train on each rung, from `first_rung` up."""
    rungs = range(fidelity.top - first_rung + 1)
    # Rounding errors must not cost a trial: 27 / eta is 9, however closely eta is 3.
    return tuple(max(1, math.floor(n / fidelity.eta**i + 1e-9)) for i in rungs)


@dataclass(frozen=True)
class Bracket:
    """A run of successive halving.

    Parameters
    ----------
    first_rung : int
        The rung on which its configurations start.
    first : int
        Number of its first configuration.
    sizes : tuple of int
        Trials on each rung, from the first one up.
    """

    first_rung: int
    first: int
    sizes: tuple[int, ...] = field(default=())

    @property
    def end(self) -> int:
        """The number of its last configuration, plus one."""
        return self.first + self.sizes[0]


class HyperbandSearcher(ProposingSearcher):
    """Hyperband: brackets of successive halving that start on one rung after the other.

    A rung of a bracket is promoted when all its results are told. Slots that this leaves free go
    to the next bracket, so that the brackets overlap.

    Parameters
    ----------
    space, direction, n_configurations, fidelity, min, max, eta, proposals, popsize, configurations
        As for `AshaSearcher`; here configurations start on all rungs.
    seed : int, optional
        A whole number of at least 0; by default one is drawn, and `settings` tells it.

    Raises
    ------
    InvalidArgumentError
        If a setting is out of its range.

    References
    ----------
    L. Li, K. Jamieson, G. DeSalvo, A. Rostamizadeh, A. Talwalkar (2017). Hyperband: a novel
    bandit-based approach to hyperparameter optimization. Journal of Machine Learning Research 18,
    185: algorithm 1.

    Examples
    --------
    >>> from sparkexp.space import Space
    >>> space = Space.from_search_dict({'learning_rate': [0.005, 0.00005]})
    >>> searcher = HyperbandSearcher(space, 'max', 15, 'epochs', 1, 9, 3, seed=1)
    >>> searcher.plan()  # 9, 3, 1 and 5, 1 and the first one of the last bracket
    {1: 9, 3: 8, 9: 3}
    """

    name: ClassVar[str] = "hyperband"

    @functools.cached_property
    def _brackets(self) -> list[Bracket]:
        return list(_generate_brackets(self.n_configurations, self.fidelity))

    def plan(self) -> dict[int, int]:
        """Return the maximum number of trials for each level of the fidelity."""
        counts = [0] * len(self.fidelity.levels)
        for bracket in self._brackets:
            for rung, size in enumerate(bracket.sizes, bracket.first_rung):
                counts[rung] += size
        return dict(zip(self.fidelity.levels, counts, strict=True))

    def count_starts(self) -> dict[int, int]:
        """Return how many trials of each level are the first one of their configuration."""
        counts = dict.fromkeys(self.fidelity.levels, 0)
        for bracket in self._brackets:
            counts[self.fidelity.levels[bracket.first_rung]] += bracket.sizes[0]
        return counts

    def _next(self) -> tuple[int | None, int] | None:
        for bracket in self._brackets:
            if len(self._points) < bracket.end:
                return None, bracket.first_rung
            found = self._find_promotion(bracket)
            if found is not None:
                return found
        return None

    def _find_promotion(self, bracket: Bracket) -> tuple[int, int] | None:
        """Return a configuration that the bracket may promote now, and the rung above."""
        members = list(range(bracket.first, bracket.end))
        for rung, size in enumerate(bracket.sizes[1:], bracket.first_rung + 1):
            values = self._values[rung - 1]
            if not all(member in values for member in members):
                return None
            members = self._rank(rung - 1, members)[:size]
            for member in members:
                if member not in self._trials[rung]:
                    return member, rung
        return None


def _generate_brackets(n: int, fidelity: Fidelity) -> Iterator[Bracket]:
    """Yield brackets in turn, until they hold n configurations."""
    first = 0
    while first < n:
        for first_rung in range(fidelity.top + 1):
            sizes = bracket_sizes(fidelity, first_rung)
            if first + sizes[0] > n:
                sizes = halve(n - first, fidelity, first_rung)
            yield Bracket(first_rung, first, sizes)
            first += sizes[0]
            if first == n:
                return
