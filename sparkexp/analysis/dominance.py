"""Several objectives at once: who dominates whom, and who is kept."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["crowding", "fronts", "selected"]

_Losses = NDArray[np.float64]


def fronts(losses: _Losses) -> list[list[int]]:
    """Return the rows by rank: those that no row dominates, those that only these dominate, …

    Parameters
    ----------
    losses : ndarray of shape (n, n_objectives)
        What is to be small, in every column. One row dominates another if it is nowhere larger
        and somewhere smaller.

    References
    ----------
    K. Deb, A. Pratap, S. Agarwal, T. Meyarivan (2002). A fast and elitist multiobjective genetic
    algorithm: NSGA-II. IEEE Transactions on Evolutionary Computation 6, 182-197: section III A.

    Examples
    --------
    >>> fronts(np.array([[1.0, 4.0], [2.0, 5.0], [3.0, 1.0]]))
    [[0, 2], [1]]
    """
    no_worse = np.all(losses[:, None, :] <= losses[None, :, :], axis=2)
    dominates = no_worse & ~no_worse.T
    ranked: list[list[int]] = []
    left = np.ones(len(losses), dtype=bool)
    while left.any():
        best = left & ~dominates[left].any(axis=0)
        ranked.append(np.flatnonzero(best).tolist())
        left &= ~best
    return ranked


def crowding(losses: _Losses) -> NDArray[np.float64]:
    """Return how far apart the neighbours of each row are; infinite for the ends.

    References
    ----------
    Deb et al. (2002), section III B: crowding distance.

    Examples
    --------
    >>> crowding(np.array([[0.0, 4.0], [1.0, 2.0], [4.0, 0.0]]))
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


def selected(losses: _Losses, n: int) -> list[int]:
    """Return the `n` rows that survive: whole fronts, and of the last one the least crowded.

    References
    ----------
    Deb et al. (2002), section III C.

    Examples
    --------
    >>> selected(np.array([[0.0, 4.0], [1.0, 2.0], [1.1, 1.9], [4.0, 0.0], [5.0, 5.0]]), 3)
    [0, 2, 3]
    """
    kept: list[int] = []
    for front in fronts(losses):
        if len(kept) + len(front) > n:
            distances = crowding(losses[front])
            order = np.argsort(-distances, kind="stable")
            front = [front[k] for k in order[: n - len(kept)]]
        kept += front
        if len(kept) == n:
            break
    return sorted(kept)
