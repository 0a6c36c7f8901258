"""A constraint on configurations: who satisfies it, and the way to the next who does."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sparkexp.errors import SpaceError
from sparkexp.trial import ParamValue

__all__ = ["Constraint", "Where"]

logger = logging.getLogger(__name__)

Where = Callable[[dict[str, Any]], Any]
_Vector = NDArray[np.float64]
_Decode = Callable[[_Vector], dict[str, ParamValue]]

# Points that are tried before a search, and how many of those allowed are kept.
TRIES, KEPT = 4000, 256
# Of so many, one must be allowed: below, a searcher would see nothing but the points kept.
RAREST = 1000
# Steps from a point that is not allowed to the nearest one kept.
STEPS = 16


class Constraint:
    """What a configuration has to satisfy.

    Points of the unit cube that satisfy it are looked for beforehand, so that one is at hand for
    every point that does not: `repaired` is a function of the point alone, and always succeeds.

    Parameters
    ----------
    where : Callable
        Takes a configuration as a dict and tells whether it is allowed.
    decode : Callable
        From a point of the unit cube to its configuration.
    n_dims : int
        The number of axes.
    few : sequence of ndarray
        All points, where there are few; else they are drawn.

    Raises
    ------
    SpaceError
        If it is no function, raises, or allows nothing or nearly nothing.
    """

    def __init__(
        self, where: Where, decode: _Decode, n_dims: int, few: Sequence[_Vector] = ()
    ) -> None:
        if not callable(where):
            raise SpaceError(
                f"where must be a function of a configuration, got {where!r}: write "
                "where=lambda p: p['a'] < p['b']."
            )
        self._where = where
        self._decode = decode
        self._warned = False
        # A seed of its own: the points are no part of a search's random sequence.
        drawn = np.random.Generator(np.random.PCG64(0))
        points = few or (drawn.random(n_dims) for _ in range(TRIES))
        kept: list[_Vector] = []
        n_tried = 0
        for point in points:
            n_tried += 1
            if self._first_time(decode(point)):
                kept.append(point)
            if len(kept) == KEPT:
                break
        if not kept or (not few and len(kept) * RAREST < n_tried):
            raise SpaceError(
                f"where must leave something to be searched: of {n_tried} configurations "
                f"{'' if few else 'drawn '}it allowed {len(kept) or 'none'}. Loosen it, or choose "
                "a space of which it allows more."
            )
        self._kept = np.array(kept)

    def allows(self, params: Mapping[str, ParamValue]) -> bool:
        """Tell whether a configuration satisfies it; if it raises, not."""
        try:
            return bool(self._where(dict(params)))
        except Exception:
            if not self._warned:
                logger.warning("where raised, and counts as not satisfied.", exc_info=True)
            self._warned = True
            return False

    def repaired(self, genome: _Vector) -> _Vector:
        """Return the point itself if it is allowed, else one on the way to the nearest kept."""
        if self.allows(self._decode(genome)):
            return genome
        distances = np.square(self._kept - genome).sum(axis=1)
        goal = self._kept[int(np.argmin(distances))]
        for step in range(1, STEPS):
            between: _Vector = genome + (goal - genome) * (step / STEPS)
            if self.allows(self._decode(between)):
                return between
        nearest: _Vector = goal
        return nearest

    def _first_time(self, params: dict[str, ParamValue]) -> bool:
        try:
            return bool(self._where(dict(params)))
        except Exception as error:
            raise SpaceError(
                f"where raised {type(error).__name__}: {error} for {params}. It gets a "
                "configuration as a dict and tells whether it is allowed; a parameter that is not "
                "always there is asked for by p.get(name)."
            ) from error
