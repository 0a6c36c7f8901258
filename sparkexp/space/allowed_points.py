"""Finds points that a constraint allows where drawing finds almost none, and spreads them out."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sparkexp.space.traced_numbers import Trace, trace_numbers
from sparkexp.trial import ParamValue

__all__ = ["draw_neighbour", "find_allowed", "move_inside", "spread_out"]

_Vector = NDArray[np.float64]
_Allows = Callable[[_Vector], bool]
_Distance = tuple[int, float]

# Points that are found by their comparisons, the calls for that, and the members of a population.
N_LED, MAX_LED, POPSIZE = 16, 40_000, 40
# A population that finds nothing in so many generations is begun anew.
GENERATIONS = 200
# Points that are drawn at most where comparisons don't help: if none is found, for at most so many
# seconds, and if some are.
MAX_DRAWN, TIME_S, MAX_MORE = 200_000, 60.0, 20_000
# How often a move is tried again nearer to its start.
TRIES = 30
# Moves of each point until the points are spread, for each axis, and for all.
MOVES_PER_AXIS, MOVES = 1, 8
# Halvings of the way to an allowed point.
HALVINGS = 12


def find_allowed(
    rng: np.random.Generator,
    n_dims: int,
    decode: Callable[[_Vector], Mapping[str, ParamValue]],
    where: Callable[[dict[str, Any]], Any],
    found: Sequence[_Vector],
) -> tuple[list[_Vector], int]:
    """Return some allowed points, those found before among them, and how many were tried.

    A differential evolution follows the comparisons that `where` makes: the later it stops and
    the smaller the last difference, the nearer is a point. If that leads nowhere, as for a
    constraint that doesn't compare numbers, points are drawn.

    Parameters
    ----------
    rng : numpy.random.Generator
        The source of all random numbers.
    n_dims : int
        The number of axes.
    decode, where : Callable
        Return the configuration at a point, and whether it is allowed.
    found : sequence of ndarray
        Allowed points that are known.

    References
    ----------
    R. Storn, K. Price (1997). Differential evolution: a simple and efficient heuristic for global
    optimization over continuous spaces. Journal of Global Optimization 11, 341-359.
    """
    points, n_tried = list(found), 0
    while len(points) < N_LED and n_tried < MAX_LED:
        point, n = _follow_comparisons(rng, n_dims, decode, where)
        n_tried += n
        if point is not None:
            points.append(point)
        elif n < POPSIZE * GENERATIONS:
            break  # it compares nothing
    started, n_drawn = time.monotonic(), 0
    while len(points) < N_LED and n_drawn < (MAX_MORE if points else MAX_DRAWN):
        if not points and time.monotonic() - started > TIME_S:
            break
        n_drawn += 1
        if where(dict(decode(point := rng.random(n_dims)))):
            points.append(point)
    return points, n_tried + n_drawn


def _follow_comparisons(
    rng: np.random.Generator,
    n_dims: int,
    decode: Callable[[_Vector], Mapping[str, ParamValue]],
    where: Callable[[dict[str, Any]], Any],
) -> tuple[_Vector | None, int]:
    """Return an allowed point, or None, and how many points were tried."""

    def measure(point: _Vector) -> _Distance | None:
        """Return how far from allowed a point is, less being nearer; None if it is allowed."""
        params, trace = dict(decode(point)), Trace()
        try:
            seems_allowed = bool(where(trace_numbers(params, trace)))
        except Exception:  # of something that takes ordinary numbers only
            seems_allowed, trace = True, Trace()
        return None if seems_allowed and where(params) else (-trace.n, trace.gap)

    points = rng.random((POPSIZE, n_dims))
    distances: list[_Distance] = []
    for point in points:
        if (distance := measure(point)) is None:
            return point, len(distances) + 1
        distances.append(distance)
    if not any(n for n, _ in distances):
        return None, POPSIZE
    for generation in range(1, GENERATIONS):
        for k in range(POPSIZE):
            a, b, c = points[rng.permutation(POPSIZE)[:3]]
            donor = a + (0.4 + 0.5 * rng.random()) * (b - c)
            donor = 1.0 - np.abs(1.0 - np.abs(donor) % 2.0)  # reflected at the walls
            child = np.where(rng.random(n_dims) < 0.9, donor, points[k])
            distance = measure(child)
            if distance is None:
                return child, generation * POPSIZE + k + 1
            if distance <= distances[k]:
                points[k], distances[k] = child, distance
    return None, POPSIZE * GENERATIONS


def spread_out(
    rng: np.random.Generator, points: Sequence[_Vector], n: int, allows: _Allows
) -> _Vector:
    """Return `n` allowed points, spread over the parts of the space that some points lie in.

    Parameters
    ----------
    rng : numpy.random.Generator
        The source of all random numbers.
    points : sequence of ndarray
        Allowed points, at least one.
    n : int
        How many to return.
    allows : Callable
        Whether a point is allowed.
    """
    spread = np.array([points[k % len(points)] for k in range(n)])
    n_dims = spread.shape[1]
    for _ in range(MOVES_PER_AXIS * n_dims + MOVES):
        for k in range(n):
            spread[k] = draw_neighbour(rng, spread[k], spread, allows)
    return spread


def draw_neighbour(
    rng: np.random.Generator, point: _Vector, others: _Vector, allows: _Allows
) -> _Vector:
    """Return an allowed point on a line through an allowed point, which leaves a uniform
    distribution uniform.

    The line follows an axis, or leads from one of the others to another one, so that narrow parts
    are crossed lengthwise. A point that is not allowed shortens the line.

    References
    ----------
    R. L. Smith (1984). Efficient Monte Carlo procedures for generating points uniformly
    distributed over bounded regions. Operations Research 32, 1296-1308 (hit and run).

    R. M. Neal (2003). Slice sampling. Annals of Statistics 31, 705-767: section 4.1 (shrinkage).
    """
    n_dims = len(point)
    if rng.random() < 0.5:
        way = np.zeros(n_dims)
        way[min(int(rng.random() * n_dims), n_dims - 1)] = 1.0
    else:
        one, other = (others[int(rng.random() * len(others))] for _ in range(2))
        way = one - other
    moving = np.abs(way) > 1e-12
    if not moving.any():
        return point
    walls = np.array([-point[moving], 1.0 - point[moving]]) / way[moving]
    low, high = float(walls.min(axis=0).max()), float(walls.max(axis=0).min())
    for _ in range(TRIES):
        step = low + (high - low) * rng.random()
        moved: _Vector = np.clip(point + step * way, 0.0, 1.0)
        if allows(moved):
            return moved
        low, high = (step, high) if step < 0 else (low, step)
    return point


def move_inside(point: _Vector, goal: _Vector, allows: _Allows) -> _Vector:
    """Return a point between one that is not allowed and an allowed one, near the border."""
    outside, inside = 0.0, 1.0
    moved = goal
    for _ in range(HALVINGS):
        share = (outside + inside) / 2
        between: _Vector = point + (goal - point) * share
        if allows(between):
            inside, moved = share, between
        else:
            outside = share
    return moved
