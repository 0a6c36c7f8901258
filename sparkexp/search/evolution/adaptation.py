"""Success-history adaptation of F and CR, as SHADE does it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from sparkexp.search.evolution.variation import draw_cauchy, draw_integer, draw_normal

__all__ = ["SuccessMemory"]

# The scale at which F and CR are drawn around the means (Tanabe and Fukunaga 2013, eq. 3 and 4).
SCALE = 0.1


class SuccessMemory:
    """Remembers the F and CR that improved the population lately, and draws new ones like them.

    Parameters
    ----------
    size : int
        How many means are remembered (H); the oldest is forgotten.
    weight, crossover : float
        F and CR that all entries hold at the start.

    References
    ----------
    R. Tanabe, A. Fukunaga (2013). Success-history based parameter adaptation for differential
    evolution. IEEE Congress on Evolutionary Computation, 71-78: eq. 3 to 12 and algorithm 1.

    R. Tanabe, A. S. Fukunaga (2014). Improving the search performance of SHADE using linear
    population size reduction. IEEE Congress on Evolutionary Computation, 1658-1665.
    """

    def __init__(self, size: int = 5, weight: float = 0.5, crossover: float = 0.8) -> None:
        self._weights = [weight] * size
        self._crossovers = [crossover] * size
        self._next = 0

    def draw(self, rng: np.random.Generator) -> tuple[float, float]:
        """Return an F in (0, 1] and a CR in [0, 1]."""
        entry = draw_integer(rng, len(self._weights))
        crossover = min(max(draw_normal(rng, self._crossovers[entry], SCALE), 0.0), 1.0)
        while (weight := draw_cauchy(rng, self._weights[entry], SCALE)) <= 0.0:
            pass
        return min(weight, 1.0), crossover

    def learn(self, successes: list[tuple[float, float, float]]) -> None:
        """Replace the oldest entry by the means of F and CR that made children better.

        Parameters
        ----------
        successes : list of (float, float, float)
            F, CR, and by how much the child was better, above 0. An empty list changes nothing.
        """
        if not successes:
            return
        largest = max(gain for _, _, gain in successes)
        shares = [gain / largest for _, _, gain in successes]
        weights = [weight for weight, _, _ in successes]
        # F by the Lehmer mean, which favours large ones; CR by the arithmetic mean.
        upper = math.fsum(s * w * w for s, w in zip(shares, weights, strict=True))
        lower = math.fsum(s * w for s, w in zip(shares, weights, strict=True))
        crossovers = (s * success[1] for s, success in zip(shares, successes, strict=True))
        self._weights[self._next] = upper / lower
        self._crossovers[self._next] = math.fsum(crossovers) / math.fsum(shares)
        self._next = (self._next + 1) % len(self._weights)

    def state(self) -> dict[str, Any]:
        """Return the memory as a dict that `json` can write."""
        return {"weights": self._weights, "crossovers": self._crossovers, "next": self._next}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take over what `state` returned."""
        self._weights = list(state["weights"])
        self._crossovers = list(state["crossovers"])
        self._next = state["next"]
