"""A Gaussian process over the unit cube, which predicts the results of new points."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from sparkexp.search.evolution.variation import Vector
from sparkexp.space import Axis, Choice, Int, Space

__all__ = ["Features", "GaussianProcess", "Kernel", "fit_kernel", "scale_losses"]

Indices = NDArray[np.intp]

# The priors of a length in the unit cube, the inverse of a weight, and of the noise's variance.
LENGTH, LENGTH_SPREAD = 0.5, 1.0
NOISE, NOISE_SPREAD = 1e-3, 2.0
MIN_NOISE = 1e-6
# Steps of the fit, the size of the first one, and the largest size (resilient propagation).
STEPS, FIRST_STEP, LONGEST_STEP = 20, 0.2, 0.6


class Features:
    """Turns points of the unit cube into features for the model.

    Equal configurations have equal features: a discrete parameter's values are evenly spaced from
    0 to 1, and the options of an unordered choice are corners at distance 1 from each other.

    Parameters
    ----------
    space : Space
        What is searched.
    n_more : int
        How many coordinates in [0, 1] follow a point's genes, such as how long it was trained.

    Examples
    --------
    >>> space = Space.from_search_dict({'x': [0.0, 1.0], 'n': [1, 3], 'act': ['relu', 'tanh']})
    >>> Features(space).transform(np.array([[0.25, 0.9, 0.1]])).round(2).tolist()
    [[0.25, 1.0, 0.71, 0.0]]
    """

    def __init__(self, space: Space, n_more: int = 0) -> None:
        self._axes = space.axes
        # Per column, the index of its weight.
        owners = [[k] * _count_columns(axis) for k, axis in enumerate(self._axes)]
        self.n_weights = space.n_dims + n_more
        owners.append([*range(space.n_dims, self.n_weights)])
        self.owners = np.array([owner for some in owners for owner in some])

    def transform(self, genomes: Vector) -> Vector:
        """Return the features of genomes, of shape ``(n, n_columns)``."""
        n = len(self._axes)
        columns = [*map(_make_columns, self._axes, genomes.T[:n]), list(genomes.T[n:])]
        return np.stack([column for some in columns for column in some], axis=1)


def _count_columns(parameter: Axis) -> int:
    return parameter.n_values if isinstance(parameter, Choice) and not parameter.ordered else 1


def _make_columns(parameter: Axis, u: Vector) -> list[Vector]:
    n_values = parameter.n_values
    if n_values is None:
        return [u]
    if isinstance(parameter, Int) and parameter.log:
        low, high = math.log(parameter.low - 0.5), math.log(parameter.high + 0.5)
        values = np.floor(np.exp(low + (high - low) * u) + 0.5)
        values = np.clip(values, parameter.low, parameter.high)
        span = max(math.log(parameter.high) - math.log(parameter.low), 1e-300)
        return [(np.log(values) - math.log(parameter.low)) / span]
    cells = np.minimum((u * n_values).astype(int), n_values - 1)
    if _count_columns(parameter) > 1:
        return [(cells == k) * math.sqrt(0.5) for k in range(n_values)]
    return [cells / max(n_values - 1, 1)]


@dataclass(frozen=True)
class Kernel:
    """Matérn 5/2 with a weight per parameter, and the variance of the noise.

    Parameters
    ----------
    weights : ndarray
        The inverse lengths, of shape ``(n_weights,)``.
    noise : float
        Variance of the noise, in units of the process's own variance.

    References
    ----------
    C. E. Rasmussen, C. K. I. Williams (2006). Gaussian Processes for Machine Learning. MIT Press:
    eq. 4.17 (kernel), 2.25, 2.26 (prediction), 5.8, 5.9 (likelihood and its gradient).
    """

    weights: Vector
    noise: float

    @classmethod
    def prior(cls, n_weights: int) -> Kernel:
        """Return the kernel to use before there is any result."""
        return cls(np.full(n_weights, 1.0 / _length(n_weights)), NOISE)

    def distances(self, a: Vector, b: Vector, owners: Indices) -> Vector:
        """Return ``sqrt(5)`` times the weighted distances of all pairs."""
        scale = self.weights[owners]
        a, b = a * scale, b * scale
        squares = (a * a).sum(1)[:, None] + (b * b).sum(1)[None] - 2.0 * a @ b.T
        distances: Vector = np.sqrt(5.0 * np.maximum(squares, 0.0))
        return distances


def _length(n_weights: int) -> float:
    return LENGTH * math.sqrt(n_weights)


def _matern(r: Vector) -> Vector:
    return (1.0 + r + r * r / 3.0) * np.exp(-r)


class GaussianProcess:
    """A Gaussian process with prior mean 0, conditioned on some values.

    Parameters
    ----------
    kernel : Kernel
        Its covariance.
    owners : ndarray
        See `Features`.
    x : ndarray
        Features of shape ``(n, n_columns)``: first of the points with values, then of those
        without one yet, which count as if they had the values predicted for them.
    y : ndarray
        Values, one for each of the first points.
    """

    def __init__(self, kernel: Kernel, owners: Indices, x: Vector, y: Vector) -> None:
        self._kernel, self._owners, self._x = kernel, owners, x
        covariance = _matern(kernel.distances(x, x, owners))
        covariance[np.diag_indices(len(x))] = 1.0 + kernel.noise
        n = len(y)
        self._inverse = np.linalg.inv(covariance)
        inverse = self._inverse if n == len(x) else np.linalg.inv(covariance[:n, :n])
        self._alpha = inverse @ y
        self._scale = math.sqrt(_estimate_variance(float(y @ self._alpha), n))

    def predict(self, x: Vector) -> tuple[Vector, Vector]:
        """Return mean and standard deviation at points given by their features."""
        k = _matern(self._kernel.distances(x, self._x, self._owners))
        mean = k[:, : len(self._alpha)] @ self._alpha
        rest = np.maximum(1.0 - ((k @ self._inverse) * k).sum(1), 0.0)
        return mean, self._scale * np.sqrt(rest)


def _estimate_variance(fit: float, n: int) -> float:
    """Return the most likely variance, shrunk towards 1 as if by two more values."""
    return (fit + 2.0) / (n + 2.0)


def fit_kernel(kernel: Kernel, owners: Indices, x: Vector, y: Vector) -> Kernel:
    """Return a kernel fitted to values, by a few gradient steps that start at `kernel`.

    References
    ----------
    M. Riedmiller, H. Braun (1993). A direct adaptive method for faster backpropagation learning:
    the RPROP algorithm. IEEE International Conference on Neural Networks, 586-591.
    """
    logs = np.log(np.append(kernel.weights, kernel.noise))
    best, best_logs = -math.inf, logs
    step = np.full(len(logs), FIRST_STEP)
    before = np.zeros(len(logs))
    for _ in range(STEPS):
        value, slope = _log_posterior(logs, owners, x, y)
        if value > best:
            best, best_logs = value, logs
        agreed = np.sign(slope * before)
        step = np.minimum(
            step * np.where(agreed > 0, 1.3, np.where(agreed < 0, 0.5, 1.0)), LONGEST_STEP
        )
        before = np.where(agreed < 0, 0.0, slope)
        logs = logs + np.sign(before) * step
        logs[-1] = max(logs[-1], math.log(MIN_NOISE))
    return Kernel(np.exp(best_logs[:-1]), math.exp(best_logs[-1]))


def _log_posterior(logs: Vector, owners: Indices, x: Vector, y: Vector) -> tuple[float, Vector]:
    """Return the log posterior of a kernel, and its gradient; `logs` are its logarithms."""
    n, n_weights = len(y), len(logs) - 1
    kernel = Kernel(np.exp(logs[:-1]), math.exp(logs[-1]))
    r = kernel.distances(x, x, owners)
    decay = np.exp(-r)
    covariance = (1.0 + r + r * r / 3.0) * decay
    covariance[np.diag_indices(n)] = 1.0 + kernel.noise
    inverse = np.linalg.inv(covariance)
    alpha = inverse @ y
    variance = _estimate_variance(float(y @ alpha), n)
    _, log_determinant = np.linalg.slogdet(covariance)
    value = -0.5 * ((n + 2.0) * math.log(variance) + log_determinant)
    # eq. 5.9: half the trace of (alpha alpha' / variance - inverse) dK.
    pull = 0.5 * (np.outer(alpha, alpha) / variance - inverse)
    # For the logarithm of weight j, dK = -5/3 (1 + r) exp(-r) (w_j (x_j - x'_j))^2.
    pulled = pull * (-5.0 / 3.0 * (1.0 + r) * decay)
    scaled = x * kernel.weights[owners]
    per_column = 2.0 * ((scaled * scaled).T @ pulled.sum(1) - (scaled * (pulled @ scaled)).sum(0))
    slope = np.zeros(n_weights + 1)
    np.add.at(slope, owners, per_column)
    slope[-1] = kernel.noise * np.trace(pull)
    centre = np.append(np.full(n_weights, -math.log(_length(n_weights))), math.log(NOISE))
    spread = np.append(np.full(n_weights, LENGTH_SPREAD), NOISE_SPREAD)
    off = (logs - centre) / spread
    return value - 0.5 * float(off @ off), slope - off / spread


def scale_losses(losses: Sequence[float], clip: float = 3.0, mix: float = 0.5) -> Vector:
    """Return losses on a scale which a Gaussian process can learn; the lowest is the best.

    A scaled loss is the mean of the normal score, which depends on ranks only, and of the clipped
    robust z-score. An infinite loss, that of a failed trial, counts as the worst finite one. The
    scaled losses have mean 0 and standard deviation 1.

    References
    ----------
    D. Salinas, H. Shen, V. Perrone (2020). A quantile-based approach for hyperparameter transfer
    learning. International Conference on Machine Learning (normal scores).

    Examples
    --------
    >>> scale_losses([1.0, 2.0, 3.0, 1e9, math.inf]).round(2).tolist()
    [-1.21, -0.76, -0.4, 1.18, 1.18]
    """
    values = np.array(losses)
    finite = np.isfinite(values)
    if not finite.any():
        return np.zeros(len(values))
    # Quarters, as the difference of two large floats overflows.
    values = np.where(finite, values, values[finite].max()) / 4.0
    # Equal losses share the mean of their ranks.
    ordered = np.sort(values)
    ranks = (np.searchsorted(ordered, values) + np.searchsorted(ordered, values, "right")) / 2
    inverse = NormalDist().inv_cdf
    normal = np.array([inverse(rank / len(values)) for rank in ranks])
    away = values - np.median(values)
    with np.errstate(over="ignore"):
        deviation = 1.4826 * float(np.median(np.abs(away)))
        robust = np.clip(away / max(deviation, 1e-300), -clip, clip)
    mixed = mix * normal + (1.0 - mix) * robust
    scaled: Vector = (mixed - mixed.mean()) / max(float(mixed.std()), 1e-9)
    return scaled
