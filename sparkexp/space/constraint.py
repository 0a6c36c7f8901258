"""A constraint on configurations, and the repair of points that don't satisfy it."""

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

# Points that are drawn before a search, and how many of the allowed ones are kept at most.
N_DRAWN, MAX_KEPT = 4000, 256
# At least one of so many points must be allowed. If fewer are, a searcher would get almost only
# the kept points.
MAX_DRAWN_PER_ALLOWED = 1000
# Steps of a repair from a point that is not allowed to the nearest kept one.
STEPS = 16


class Constraint:
    """A constraint that a configuration has to satisfy.

    Some points of the unit cube that satisfy it are found beforehand. With them, `repaired` always
    succeeds, and its result depends on the given point only.

    Parameters
    ----------
    where : Callable
        Takes a configuration as a dict and returns whether it is allowed.
    decode : Callable
        Returns the configuration at a point of the unit cube.
    n_dims : int
        The number of axes.
    all_points : sequence of ndarray
        A point for each configuration, if there are few; by default points are drawn at random.

    Raises
    ------
    SpaceError
        If `where` is not a function, raises, or allows no or almost no configuration.
    """

    def __init__(
        self, where: Where, decode: _Decode, n_dims: int, all_points: Sequence[_Vector] = ()
    ) -> None:
        if not callable(where):
            raise SpaceError(
                f"where must be a function of a configuration, got {where!r}: write "
                "where=lambda p: p['a'] < p['b']."
            )
        self._where = where
        self._decode = decode
        self._warned = False
        # A fixed seed: these points don't change a search's own random sequence.
        drawn = np.random.Generator(np.random.PCG64(0))
        points = all_points or (drawn.random(n_dims) for _ in range(N_DRAWN))
        kept: list[_Vector] = []
        n_tried = 0
        for point in points:
            n_tried += 1
            if self._check_where(decode(point)):
                kept.append(point)
            if len(kept) == MAX_KEPT:
                break
        if not kept or (not all_points and len(kept) * MAX_DRAWN_PER_ALLOWED < n_tried):
            raise SpaceError(
                f"where must leave something to be searched: of {n_tried} configurations "
                f"{'' if all_points else 'drawn '}it allowed {len(kept) or 'none'}. Loosen it, or "
                "choose a space of which it allows more."
            )
        self._kept = np.array(kept)

    def allows(self, params: Mapping[str, ParamValue]) -> bool:
        """Return whether a configuration is allowed; False if `where` raises."""
        try:
            return bool(self._where(dict(params)))
        except Exception:
            if not self._warned:
                logger.warning("where raised, and counts as not satisfied.", exc_info=True)
            self._warned = True
            return False

    def repair(self, genome: _Vector) -> _Vector:
        """Return the point if it is allowed, else one on the line to the nearest kept point."""
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

    def _check_where(self, params: dict[str, ParamValue]) -> bool:
        try:
            return bool(self._where(dict(params)))
        except Exception as error:
            raise SpaceError(
                f"where raised {type(error).__name__}: {error} for {params}. It must return "
                "whether a configuration, a dict p, is allowed; for a parameter that may be "
                "missing, write p.get(name)."
            ) from error
