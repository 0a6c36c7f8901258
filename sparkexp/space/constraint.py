"""A constraint on configurations, and the repair of points that don't satisfy it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from sparkexp.errors import SpaceError
from sparkexp.space.allowed_points import (
    draw_neighbour,
    find_allowed,
    move_inside,
    spread_out,
)
from sparkexp.space.where_function import Where
from sparkexp.trial import ParamValue

__all__ = ["Constraint", "Where"]

logger = logging.getLogger(__name__)

_Vector = NDArray[np.float64]
_Decode = Callable[[_Vector], dict[str, ParamValue]]

# Points that are drawn before a search, and how many of the allowed ones are kept at most.
N_DRAWN, MAX_KEPT = 4000, 256
# If fewer than one of so many points are allowed, what is allowed is a small part of the space:
# searchers would get almost only the kept points.
MAX_DRAWN_PER_ALLOWED = 100
# Where it is a small part: moves from a kept point to a new one, and how many new points are drawn
# for each of those that are to lie far from each other.
MOVES, DRAWN_PER_SPREAD = 10, 4
# Steps of a repair from a point that is not allowed to the nearest kept one.
STEPS = 16


class Constraint:
    """A constraint that a configuration has to satisfy.

    Some points of the unit cube that satisfy it are found beforehand. With them, `repaired` always
    succeeds, and its result depends on the given points only.

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
        If `where` raises, or no configuration is found that it allows.

    Attributes
    ----------
    is_narrow : bool
        Whether it allows a small part of the space only, so that points are not drawn until one is
        allowed, but moved from allowed ones.
    """

    def __init__(
        self, where: Where, decode: _Decode, n_dims: int, all_points: Sequence[_Vector] = ()
    ) -> None:
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
        self.is_narrow = not all_points and len(kept) * MAX_DRAWN_PER_ALLOWED < n_tried
        if self.is_narrow:
            kept, n_more = find_allowed(drawn, n_dims, decode, self._check_where, kept)
            n_tried += n_more
        if not kept:
            raise SpaceError(
                f"where must leave something to be searched: of {n_tried:,} configurations "
                f"{'' if all_points else 'tried '}it allowed none. Loosen it, or choose a space "
                "of which it allows more."
            )
        self._kept = np.array(kept)
        if self.is_narrow:
            self._kept = spread_out(drawn, kept, MAX_KEPT, self._allows_point)

    def allows(self, params: Mapping[str, ParamValue]) -> bool:
        """Return whether a configuration is allowed; False if `where` raises."""
        try:
            return bool(self._where(dict(params)))
        except Exception:
            if not self._warned:
                logger.warning("where raised, and counts as not satisfied.", exc_info=True)
            self._warned = True
            return False

    def repair(self, genome: _Vector, anchors: _Vector | None = None) -> _Vector:
        """Return the point if it is allowed, else one on the line to the nearest kept point.

        Parameters
        ----------
        genome : ndarray
            The point.
        anchors : ndarray, optional
            Allowed points that count as kept ones, of shape ``(n, n_dims)``; used only where
            `is_narrow`.
        """
        if self.allows(self._decode(genome)):
            return genome
        goals = self._kept
        if self.is_narrow and anchors is not None:
            goals = np.concatenate([goals, anchors])
        distances = np.square(goals - genome).sum(axis=1)
        goal = goals[int(np.argmin(distances))]
        if self.is_narrow:
            return move_inside(genome, goal, self._allows_point)
        for step in range(1, STEPS):
            between: _Vector = genome + (goal - genome) * (step / STEPS)
            if self._allows_point(between):
                return between
        nearest: _Vector = goal
        return nearest

    def draw(self, rng: np.random.Generator) -> _Vector:
        """Return an allowed point, by some moves from a kept one; for where it `is_narrow`."""
        point: _Vector = self._kept[int(rng.random() * len(self._kept))]
        for _ in range(MOVES):
            point = draw_neighbour(rng, point, self._kept, self._allows_point)
        return point

    def draw_apart(self, rng: np.random.Generator, n: int) -> _Vector:
        """Return `n` allowed points that lie far from each other, as `draw` finds them."""
        drawn = np.array([self.draw(rng) for _ in range(DRAWN_PER_SPREAD * n)])
        taken = [0]
        nearest = np.square(drawn - drawn[0]).sum(axis=1)
        while len(taken) < n:
            taken.append(int(np.argmax(nearest)))
            nearest = np.minimum(nearest, np.square(drawn - drawn[taken[-1]]).sum(axis=1))
        apart: _Vector = drawn[taken]
        return apart

    def _allows_point(self, point: _Vector) -> bool:
        return self.allows(self._decode(point))

    def _check_where(self, params: dict[str, ParamValue]) -> bool:
        try:
            return bool(self._where(dict(params)))
        except SpaceError:
            raise
        except Exception as error:
            raise SpaceError(
                f"where raised {type(error).__name__}: {error} for {params}. It must return "
                "whether a configuration, a dict p, is allowed; for a parameter that may be "
                "missing, write p.get(name)."
            ) from error
