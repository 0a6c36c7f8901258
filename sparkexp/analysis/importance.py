"""Which parameters mattered."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from sparkexp.analysis.axes import Axis
from sparkexp.errors import EnvironmentUnfitError
from sparkexp.trial import TrialResult

__all__ = ["explain_variance", "measure_in_forest", "select_most_important"]

_Vector = NDArray[np.float64]
MAX_BINS = 8
MIN_TRIALS = 6
# The most trials that a forest learns from, and its trees: 0.4 s.
MAX_LEARNT = 2000
N_TREES = 64


def explain_variance(results: Sequence[TrialResult], axes: Sequence[Axis]) -> dict[str, float]:
    """Return the share of the objective's variance that each parameter explains by itself.

    The effect size omega squared of a one-way analysis of variance of the objective's ranks, in
    up to 8 groups of trials with neighbouring values of the parameter. It sees no interactions.

    Parameters
    ----------
    results : sequence of TrialResult
        Those without a value are left out; with fewer than 6 the result is empty.
    axes : sequence of Axis
        The parameters.

    Returns
    -------
    dict of float
        By name, in [0, 1], largest first.

    References
    ----------
    W. L. Hays (1963). Statistics for Psychologists (omega squared).
    """
    valued = [r for r in results if r.value is not None]
    if len(valued) < MIN_TRIALS:
        return {}
    ranks = _rank(np.array([r.value or 0.0 for r in valued]))
    shares = {
        axis.name: _compute_omega_squared(
            axis.scale_to_unit(r.trial.params.get(axis.name) for r in valued), ranks
        )
        for axis in axes
        if axis.varies
    }
    return _sort_descending(shares)


def measure_in_forest(
    results: Sequence[TrialResult], axes: Sequence[Axis], seed: int = 0
) -> dict[str, float]:
    """Return how much worse a random forest predicts the objective with each parameter shuffled.

    Parameters
    ----------
    results : sequence of TrialResult
        Those without a value are left out; with fewer than 6 the result is empty. Of more than
        2,000 a random sample is taken.
    axes : sequence of Axis
        The parameters.
    seed : int
        Seed of the forest, the sample and the shuffling.

    Returns
    -------
    dict of float
        By name, largest first; they add up to 1.

    Raises
    ------
    EnvironmentUnfitError
        Without scikit-learn.

    References
    ----------
    L. Breiman (2001). Random forests. Machine Learning 45, 5-32: section 10 (permutation).
    """
    try:
        from sklearn.ensemble import RandomForestRegressor
        from sklearn.inspection import permutation_importance
    except ModuleNotFoundError as error:
        raise EnvironmentUnfitError(
            "The importance of parameters needs scikit-learn, which is not installed: "
            "pip install 'sparkexp[plots]'."
        ) from error
    valued = [r for r in results if r.value is not None]
    varying = [axis for axis in axes if axis.varies]
    if len(valued) < MIN_TRIALS or not varying:
        return {}
    rng = np.random.default_rng(seed)
    if len(valued) > MAX_LEARNT:
        valued = [valued[k] for k in sorted(rng.choice(len(valued), MAX_LEARNT, replace=False))]
    table = np.stack(
        [axis.scale_to_unit(r.trial.params.get(axis.name) for r in valued) for axis in varying],
        axis=1,
    )
    table = np.where(np.isfinite(table), table, -1.0)
    values = np.array([r.value or 0.0 for r in valued])
    forest = RandomForestRegressor(N_TREES, min_samples_leaf=2, random_state=seed)
    forest.fit(table, values)
    worse = permutation_importance(forest, table, values, n_repeats=5, random_state=seed)
    means = np.maximum(worse.importances_mean, 0.0)
    total = float(means.sum())
    shares = means / total if total > 0 else means
    return _sort_descending({a.name: float(s) for a, s in zip(varying, shares, strict=True)})


def select_most_important(
    results: Sequence[TrialResult], axes: Sequence[Axis], n: int = 2
) -> list[Axis]:
    """Return the axes that matter most, as `explain_variance` measures it.

    With too few trials to tell, these are the first axes.
    """
    varying = [axis for axis in axes if axis.varies]
    shares = explain_variance(results, varying)
    return sorted(varying, key=lambda axis: -shares.get(axis.name, 0.0))[:n]


def _rank(values: _Vector) -> _Vector:
    """Return the values' ranks; equal values share the mean of their ranks."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    middles: _Vector = last - (counts + 1) / 2
    return middles[inverse]


def _compute_omega_squared(positions: _Vector, ranks: _Vector) -> float:
    there = np.isfinite(positions)
    positions, ranks = positions[there], ranks[there]
    groups = _group(positions)
    n_groups = int(groups.max(initial=-1)) + 1
    total = float(((ranks - ranks.mean()) ** 2).sum()) if len(ranks) else 0.0
    if n_groups < 2 or len(ranks) <= n_groups or not total:
        return 0.0
    counts = np.bincount(groups, minlength=n_groups)
    means = np.bincount(groups, weights=ranks, minlength=n_groups) / counts
    between = float((counts * (means - ranks.mean()) ** 2).sum())
    noise = (total - between) / (len(ranks) - n_groups)
    return min(1.0, max(0.0, (between - (n_groups - 1) * noise) / (total + noise)))


def _group(positions: _Vector) -> NDArray[np.int64]:
    """Return a group for each position: its value where there are few, else its quantile."""
    values, inverse = np.unique(positions, return_inverse=True)
    if len(values) <= MAX_BINS:
        return np.asarray(inverse, dtype=np.int64)
    n_bins = min(MAX_BINS, max(2, len(positions) // 5))
    order = np.argsort(np.argsort(positions, kind="stable"))
    groups = order * n_bins // len(positions)
    # Equal positions stay together.
    first = {value: group for value, group in zip(positions[::-1], groups[::-1], strict=True)}
    _, groups = np.unique([first[value] for value in positions], return_inverse=True)
    return np.asarray(groups, dtype=np.int64)


def _sort_descending(shares: dict[str, float]) -> dict[str, float]:
    return dict(sorted(shares.items(), key=lambda item: -item[1]))
