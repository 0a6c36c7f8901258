"""Hyperband: successive halving from several rungs on, so that slow starters have a chance."""

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
    """Return how many trials a bracket has on each rung, from its first one on.

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
    """Return how many of n configurations come to each rung, from their first one on."""
    rungs = range(fidelity.top - first_rung + 1)
    # A little more than the quotient: 27 / 3 is 9 for any eta near 3.
    return tuple(max(1, math.floor(n / fidelity.eta**i + 1e-9)) for i in rungs)


@dataclass(frozen=True)
class Bracket:
    """A run of successive halving.

    Parameters
    ----------
    first_rung : int
        Where its configurations start.
    first : int
        Number of its first configuration.
    sizes : tuple of int
        Trials on each rung, from the first one on.
    """

    first_rung: int
    first: int
    sizes: tuple[int, ...] = field(default=())

    @property
    def end(self) -> int:
        """The number after that of its last configuration."""
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
        return list(_brackets(self.n_configurations, self.fidelity))

    def plan(self) -> dict[int, int]:
        """Return how many trials train for how long, at most."""
        counts = [0] * len(self.fidelity.levels)
        for bracket in self._brackets:
            for rung, size in enumerate(bracket.sizes, bracket.first_rung):
                counts[rung] += size
        return dict(zip(self.fidelity.levels, counts, strict=True))

    def count_starts(self) -> dict[int, int]:
        """Return how many of them are a configuration's first trial."""
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
        """Return a configuration of a bracket that waits for its next rung, and this rung."""
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


def _brackets(n: int, fidelity: Fidelity) -> Iterator[Bracket]:
    """Return brackets in turn, until n configurations are in them."""
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
