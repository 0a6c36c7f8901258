"""Which parameters mattered: the one measure that TensorBoard, report and plots show."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from sparkexp.analysis.axes import Axis
from sparkexp.analysis.specs import Interval
from sparkexp.objective import Objective
from sparkexp.trial import ParamValue, TrialResult

__all__ = [
    "MEANING",
    "MIN_TRIALS",
    "count_best",
    "explain_shares",
    "measure_importance",
    "select_most_important",
]

_Vector = NDArray[np.float64]
_Indices = NDArray[np.int64]

# For headings and axes: what a share is.
MEANING = "share of what tells good trials from bad ones"
MIN_TRIALS = 6
# Cells of a number line, and the most values of a list that each get a cell of their own.
N_CELLS, MAX_LISTED = 50, 12
# The best tenth alone would say little of an evolution, most of whose trials are good: what told
# them from the others had been decided before.
CUTS = (0.1, 0.5, 0.75)
# Where the best tenth are fewer, more are taken.
FEWEST_BEST = 10
# Drawings at random that say how much a parameter that means nothing seems to explain.
N_DRAWINGS = 50
# A kernel that is narrower than this lies in one cell: 1.64 standard deviations reach its edge.
NARROWEST = 0.5 / 1.64


def measure_importance(
    results: Sequence[TrialResult], axes: Sequence[Axis], objective: Objective
) -> dict[str, float]:
    """Return how much each parameter, by itself, tells good trials from bad ones.

    It is PED-ANOVA: the density of a parameter's values among the best trials is compared with
    their density among all. Scaled to [0, 1], it is the share of the variance of "is among the
    best" that the parameter explains alone: 1 if it decides alone which trials are the best, 0 if
    it doesn't matter. The best are the best tenth, the better half and the best three quarters,
    and the result is the mean of the three. What is missing to 1 in the sum are interactions,
    noise, and what so many trials can't show. What a parameter without meaning seems to explain
    by chance is subtracted; that is measured with trials drawn at random instead of the best.

    Of a parameter that some trials lack, its values in the others count. In a search that follows
    its results, a parameter that settles together with one that matters gets some of its credit.

    Parameters
    ----------
    results : sequence of TrialResult
        Those without a value are left out; with fewer than 6 the result is empty.
    axes : sequence of Axis
        The parameters.
    objective : Objective
        The objective of the results' values.

    Returns
    -------
    dict of float
        By name, in [0, 1], largest first.

    References
    ----------
    S. Watanabe, A. Bansal, F. Hutter (2023). PED-ANOVA: Efficiently quantifying hyperparameter
    importance in arbitrary subspaces. IJCAI 2023, arXiv 2304.10255 (all trials are the region).

    Conditional PED-ANOVA: Hyperparameter importance in hierarchical and dynamic search spaces
    (2026). arXiv 2601.20800 (parameters that trials may lack).
    """
    shares = explain_shares(results, axes, objective)
    return {name: max(0.0, share) for name, share in shares.items()}


def explain_shares(
    results: Sequence[TrialResult],
    axes: Sequence[Axis],
    objective: Objective,
    n_drawings: int = N_DRAWINGS,
    cuts: Sequence[float] = CUTS,
) -> dict[str, float]:
    """Return the shares of `measure_importance`, below 0 where chance explains more.

    Parameters
    ----------
    results, axes, objective
        See `measure_importance`.
    n_drawings : int
        Drawings at random whose mean is subtracted; 0 subtracts nothing.
    cuts : sequence of float
        Which parts of the trials are the best; the result is the mean over them.
    """
    valued = [r for r in results if r.value is not None]
    n = len(valued)
    if n < MIN_TRIALS:
        return {}
    losses = np.array([objective.loss(r.value) for r in valued])
    ordered = np.sort(losses)
    bests = [losses <= ordered[count_best(n, cut) - 1] for cut in cuts]
    draws = np.random.default_rng(0)  # the same drawings each time: the same trials, one answer
    chance = [draws.permutation(best) for best in bests for _ in range(n_drawings)]
    shares = {}
    for axis in axes:
        if axis.varies:
            values = [r.trial.params.get(axis.name) for r in valued]
            explained = _explain_each(axis, values, [*bests, *chance])
            real, by_chance = explained[: len(bests)], explained[len(bests) :]
            shares[axis.name] = float(np.mean(real) - np.mean(by_chance or [0.0]))
    return dict(sorted(shares.items(), key=lambda item: -item[1]))


def select_most_important(
    axes: Sequence[Axis], shares: Mapping[str, float], n: int = 2
) -> list[Axis]:
    """Return the axes that matter most.

    Parameters
    ----------
    axes : sequence of Axis
        The parameters; those that don't vary are left out.
    shares : Mapping[str, float]
        What `measure_importance` returned for them. Where it is empty, since the trials were too
        few to tell, the first axes are returned.
    n : int
        The most axes to return.
    """
    order = {name: k for k, name in enumerate(shares)}
    return sorted((a for a in axes if a.varies), key=lambda axis: order.get(axis.name, 0))[:n]


def count_best(n: int, cut: float = CUTS[0]) -> int:
    """Return how many of `n` trials are the best: this part of them, of few trials more.

    Examples
    --------
    >>> [count_best(n) for n in (6, 12, 20, 60, 100)], count_best(20, 0.5)
    ([2, 3, 5, 10, 10], 10)
    """
    return max(math.ceil(n * cut), min(FEWEST_BEST, math.ceil(n / 4)))


def _explain_each(
    axis: Axis, values: Sequence[ParamValue | None], chosen: Sequence[NDArray[np.bool_]]
) -> list[float]:
    """Return for each choice of trials how much of its variance the parameter explains."""
    cells, n_cells, ordered = _sort_into_cells(axis, values)
    there = cells >= 0
    if not there.any():
        return [0.0] * len(chosen)
    all_counts = np.bincount(cells[there], minlength=n_cells)
    density = _estimate_density(all_counts, ordered)
    explained = []
    for best in chosen:
        n_best, n_there = int(best.sum()), int((best & there).sum())
        counts = np.bincount(cells[best & there], minlength=n_cells)
        if not n_there or n_best == len(best):
            explained.append(0.0)
            continue
        ratio = _estimate_density(counts, ordered) / density - 1
        divergence = float(density @ ratio**2)  # Pearson's
        quantile = n_best / len(best)
        # How many of the trials, and of the best, have the parameter.
        active = (n_there / n_best) ** 2 / (int(there.sum()) / len(best))
        explained.append(min(1.0, active * divergence * quantile / (1 - quantile)))
    return explained


def _sort_into_cells(
    axis: Axis, values: Sequence[ParamValue | None]
) -> tuple[_Indices, int, bool]:
    """Return the cell of each value, -1 without one; their number; whether they are a line."""
    domain = axis.spec.domain
    places = axis.locate(values) if axis.categories else axis.scale_to_unit(values)
    there = np.isfinite(places)
    cells = np.full(len(places), -1, dtype=np.int64)
    if axis.categories or (not isinstance(domain, Interval) and len(domain) <= MAX_LISTED):
        found, cells[there] = np.unique(places[there], return_inverse=True)
        n_listed = 0 if isinstance(domain, Interval) else len(set(domain))
        return cells, max(len(found), n_listed), False
    n_cells = N_CELLS
    whole = all(type(value) is int for value in values if value is not None)
    if whole and not axis.log:
        n_cells = max(2, min(N_CELLS, round(axis.high - axis.low) + 1))
    cells[there] = np.clip(np.rint(places[there] * (n_cells - 1)), 0, n_cells - 1)
    return cells, n_cells, True


def _estimate_density(counts: _Indices, ordered: bool) -> _Vector:
    """Return the probability of each cell: counts, smoothed, and one observation spread evenly.

    On a line each observation is a normal distribution, cut off at both ends, whose width follows
    Scott's rule.
    """
    n_cells, n = len(counts), int(counts.sum())
    if not ordered:
        smooth: _Vector = (counts + 1 / n_cells) / (n + 1)
        return smooth
    centres = np.flatnonzero(counts)
    kernels = _spread(2 * centres, _choose_width(counts, n), n_cells)
    prior = _spread(np.array([n_cells - 1]), float(n_cells), n_cells)[0]
    density: _Vector = (counts[centres] @ kernels + prior) / (n + 1)
    return density


def _choose_width(counts: _Indices, n: int) -> float:
    """Return the kernels' standard deviation in cells, by Scott's rule (1992).

    It takes the interquartile range instead of the standard deviation where that is narrower, but
    not of few observations: half of five lie close together by chance.
    """
    ordered = np.repeat(np.arange(len(counts)), counts)
    spread = float(ordered.std(ddof=1)) if n > 1 else 0.0
    if n >= FEWEST_BEST:
        spread = min(spread, float(ordered[3 * n // 4] - ordered[n // 4 - 1]) / 1.34)
    return max(NARROWEST, 1.059 * spread / math.pow(n, 0.2))


def _spread(centres: _Indices, width: float, n_cells: int) -> _Vector:
    """Return the normal distributions around centres as probabilities of the cells.

    The centres are given in halves of a cell. The shape is ``(n_centres, n_cells)``.
    """
    farthest, scale = 2 * n_cells, 1 / (2 * width * math.sqrt(2))
    table = [math.erf(halves * scale) for halves in range(-farthest, farthest + 1)]
    edges = 2 * np.arange(n_cells + 1) - 1
    masses = np.diff(np.array(table)[edges - centres[:, None] + farthest], axis=1)
    spread: _Vector = masses / masses.sum(axis=1, keepdims=True)
    return spread
