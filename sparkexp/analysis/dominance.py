"""Several objectives at once: which rows dominate others, and which survive."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["crowding_distances", "sort_into_fronts", "select_survivors"]

_Losses = NDArray[np.float64]


def sort_into_fronts(losses: _Losses, violations: _Losses | None = None) -> list[list[int]]:
    """Return the rows by rank: first those that no row dominates, then those that only the first
    dominate, and so on.

    Parameters
    ----------
    losses : ndarray of shape (n, n_objectives)
        Losses: less is better, in every column. One row dominates another if it is nowhere larger
        and somewhere smaller.
    violations : ndarray of shape (n,), optional
        By how much the rows violate constraints. One row then dominates another also if it
        violates them less, whatever the losses; between others that violate them nothing else
        counts.

    References
    ----------
    K. Deb, A. Pratap, S. Agarwal, T. Meyarivan (2002). A fast and elitist multiobjective genetic
    algorithm: NSGA-II. IEEE Transactions on Evolutionary Computation 6, 182-197: section III A,
    and VI for constraints.

    Examples
    --------
    >>> sort_into_fronts(np.array([[1.0, 4.0], [2.0, 5.0], [3.0, 1.0]]))
    [[0, 2], [1]]
    """
    no_worse = np.all(losses[:, None, :] <= losses[None, :, :], axis=2)
    dominates = no_worse & ~no_worse.T
    if violations is not None and violations.any():
        # A row without a result is worse than one that violates a constraint.
        excess = np.where(np.isfinite(losses).all(axis=1), violations, np.inf)
        both = (excess[:, None] == 0) & (excess[None, :] == 0)
        dominates = (dominates & both) | (excess[:, None] < excess[None, :])
    ranked: list[list[int]] = []
    left = np.ones(len(losses), dtype=bool)
    while left.any():
        best = left & ~dominates[left].any(axis=0)
        ranked.append(np.flatnonzero(best).tolist())
        left &= ~best
    return ranked


def crowding_distances(losses: _Losses) -> NDArray[np.float64]:
    """Return the distance between the neighbours of each row; infinite for the ends.

    References
    ----------
    Deb et al. (2002), section III B: crowding distance.

    Examples
    --------
    >>> crowding_distances(np.array([[0.0, 4.0], [1.0, 2.0], [4.0, 0.0]]))
    array([inf,  2., inf])
    """
    distances = np.zeros(len(losses))
    for column in losses.T:
        order = np.argsort(column, kind="stable")
        ends = column[order[[0, -1]]]
        distances[order[[0, -1]]] = np.inf
        if not np.isfinite(ends).all():
            continue  # failed trials
        # Halves: the difference of two floats can be larger than a float.
        width = ends[1] / 2 - ends[0] / 2
        if width > 0:
            gaps = column[order[2:]] / 2 - column[order[:-2]] / 2
            distances[order[1:-1]] += gaps / width
    return distances


def select_survivors(losses: _Losses, n: int, violations: _Losses | None = None) -> list[int]:
    """Return the `n` rows that survive: whole fronts, then the least crowded of the next one.

    References
    ----------
    Deb et al. (2002), section III C.

    Examples
    --------
    >>> select_survivors(np.array([[0.0, 4.0], [1.0, 2.0], [1.1, 1.9], [4.0, 0.0], [5.0, 5.0]]), 3)
    [0, 2, 3]
    """
    kept: list[int] = []
    for front in sort_into_fronts(losses, violations):
        if len(kept) + len(front) > n:
            distances = crowding_distances(losses[front])
            order = np.argsort(-distances, kind="stable")
            front = [front[k] for k in order[: n - len(kept)]]
        kept += front
        if len(kept) == n:
            break
    return sorted(kept)
