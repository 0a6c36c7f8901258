"""Normalised regret, and what the tables of the search benchmark tell about it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

__all__ = ["Regrets", "compare", "mean_ranks", "paired", "regret", "summary"]

# By problem, then by seed.
Regrets = Mapping[str, Mapping[int, float]]
# Of the t distribution, two-sided 95 %, from 1 degree of freedom; then the normal's.
T_95 = (12.71, 4.30, 3.18, 2.78, 2.57, 2.45, 2.36, 2.31, 2.26, 2.23, 2.20, 2.18, 2.16, 2.14)
T_95 += (2.13, 2.12, 2.11, 2.10, 2.09, 2.09, 2.08, 2.07, 2.07, 2.06, 2.06, 2.06, 2.05, 2.05)
Z_95 = 1.96


def regret(value: float, best: float, random: float) -> float:
    """Return 0 for the best known value, 1 for the median of random search at this budget.

    Raises
    ------
    ValueError
        If random search finds the best known value: such a problem tells nothing.
    """
    if not random > best:
        raise ValueError(f"random search finds the best known value, {best}")
    return (value - best) / (random - best)


def summary(regrets: Regrets) -> tuple[float, float]:
    """Return the mean over problems of the mean over seeds, and its standard error.

    The error is that of the seeds: the problems are taken as they are.
    """
    rows = [np.array(list(by_seed.values())) for by_seed in regrets.values()]
    mean = float(np.mean([row.mean() for row in rows]))
    return mean, _error(rows)


def _error(rows: Sequence[np.ndarray]) -> float:
    if any(len(row) < 2 for row in rows):
        return math.nan
    return math.sqrt(sum(row.var(ddof=1) / len(row) for row in rows)) / len(rows)


def paired(ours: Regrets, theirs: Regrets) -> tuple[float, float, float]:
    """Return the mean difference, and half the width of its 95 % interval in two ways.

    Differences are taken seed by seed, on problems and seeds which both have. The first half-width
    is that of other seeds on these problems, the second that of other problems like these.
    """
    rows = []
    for problem in ours.keys() & theirs.keys():
        seeds = sorted(ours[problem].keys() & theirs[problem].keys())
        if seeds:
            rows.append(np.array([ours[problem][s] - theirs[problem][s] for s in seeds]))
    if not rows:
        return math.nan, math.nan, math.nan
    means = np.array([row.mean() for row in rows])
    if len(means) < 2:
        return float(means.mean()), Z_95 * _error(rows), math.nan
    t = T_95[len(means) - 2] if len(means) - 2 < len(T_95) else Z_95
    spread = t * float(means.std(ddof=1)) / math.sqrt(len(means))
    return float(means.mean()), Z_95 * _error(rows), spread


def mean_ranks(systems: Mapping[str, Regrets]) -> dict[str, float]:
    """Return each system's rank by its mean over seeds (1 is best), averaged over problems."""
    names = list(systems)
    problems = set.intersection(*(set(systems[name]) for name in names)) if names else set()
    ranks: dict[str, list[float]] = {name: [] for name in names}
    for problem in problems:
        means = np.array([np.mean(list(systems[name][problem].values())) for name in names])
        for name, mean in zip(names, means, strict=True):
            ties = int((means == mean).sum())
            ranks[name].append(1 + int((means < mean).sum()) + (ties - 1) / 2)
    return {name: float(np.mean(found)) if found else math.nan for name, found in ranks.items()}


def compare(ours: Regrets, theirs: Regrets) -> str:
    """Return the paired difference as a cell of a table."""
    mean, seeds, problems = paired(ours, theirs)
    if math.isnan(mean):
        return "–"
    inner, outer = (
        "" if math.isnan(half) else f" [{mean - half:+.2f}, {mean + half:+.2f}]"
        for half in (seeds, problems)
    )
    return f"{mean:+.2f}{inner}{outer}"
