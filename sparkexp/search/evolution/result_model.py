"""The model of a surrogate searcher: a Gaussian process that is fitted to the results."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from sparkexp.search.evolution.gaussian_process import (
    Features,
    GaussianProcess,
    Indices,
    Kernel,
    fit_kernel,
    scale_losses,
)
from sparkexp.search.evolution.variation import Vector
from sparkexp.space import Space

__all__ = ["ResultModel", "scale_violations", "select_informative"]

# At most so many results enter the process, and so many the fit of its kernel: a decision takes
# the same few milliseconds after the thousandth result.
MAX_KNOWN, MAX_FITTED = 250, 120
# If there are more results than the first number, only the second number is kept: the state,
# which is saved after every trial, stays small.
MAX_HELD, N_KEPT = 600, 400
# The kernel is fitted again when the results have grown by this share, and by so many at least.
FIT_AFTER_SHARE, FIT_AFTER = 1 / 6, 2
# How many standard deviations a point may be better than predicted. With one instead of two, and
# fewer candidates drawn at random, searches settle too early.
OPTIMISM = 2.0
# What a violation of constraints adds to a predicted loss, both in standard deviations, and by how
# many of them it may be smaller than predicted.
PENALTY, TRUST = 10.0, 0.5
# The largest violation, in medians.
CLIP = 3.0


class ResultModel:
    """Predicts from the results so far which points are the most promising.

    Parameters
    ----------
    space : Space
        What is searched.
    n_more : int
        How many coordinates in [0, 1] follow a point's genes, see `Features`.
    """

    def __init__(self, space: Space, n_more: int = 0) -> None:
        self._space = space
        self._features = Features(space, n_more)
        self._kernel = Kernel.prior(self._features.n_weights)
        self._violation_kernel = self._kernel
        self._fit_at = 0
        self._n_learned = 0
        self._genomes: list[Vector] = []
        self._losses: list[float] = []
        self._violations: list[float] = []
        # The process without pending points; None if it has to be built again.
        self._settled_process: GaussianProcess | None = None

    def learn(self, genome: Vector, loss: float, violation: float = 0.0) -> None:
        """Learn a result; the loss of a failed trial is infinite.

        Violations of constraints have a process of their own.

        If there are many results, the model keeps the best ones and some from the whole search.
        """
        self._genomes.append(self.clear_inactive(genome))
        self._losses.append(loss)
        self._violations.append(violation)
        self._n_learned += 1
        self._settled_process = None
        if len(self._losses) > MAX_HELD:
            kept = select_informative(self._penalise(np.array(self._losses)), N_KEPT)
            self._genomes = [self._genomes[k] for k in kept]
            self._losses = [self._losses[k] for k in kept]
            self._violations = [self._violations[k] for k in kept]

    def rank(self, genomes: Vector, pending: Sequence[Vector]) -> Iterator[Vector]:
        """Yield points, the most promising first.

        Parameters
        ----------
        genomes : ndarray
            Points of shape ``(n, n_dims)``.
        pending : sequence of ndarray
            Points whose results are not known yet. They count as if they had the values predicted
            for them, which leaves the mean as it is and makes their surroundings less uncertain.
        """
        points = np.array([self.clear_inactive(genome) for genome in genomes])
        x = self._features.transform(points)
        mean, deviation = self._build_process(pending).predict(x)
        score = mean - OPTIMISM * deviation
        if any(self._violations):
            score += self._predict_violations(x)
        for index in np.argsort(score, kind="stable"):
            yield genomes[index]

    def predict(self, genomes: Vector, optimism: float = 0.0) -> Vector:
        """Return the predicted losses of points, on the scale of the model: less is better.

        Parameters
        ----------
        genomes : ndarray
            Points of shape ``(n, n_dims)``, as `clear_inactive` returns them.
        optimism : float
            How many standard deviations are subtracted from the prediction.
        """
        if self._settled_process is None:
            self._settled_process = self._build_process(())
        mean, deviation = self._settled_process.predict(self._features.transform(genomes))
        bound: Vector = mean - optimism * deviation
        return bound

    def fit(self) -> None:
        """Fit the kernel to the results, if there are enough new ones.

        `rank` and `predict` do this, too, if they find it due. Call it after `learn` if they are
        called without using what they return: then they do not change the kernel.
        """
        n = self._n_learned
        if n >= self._fit_at:
            y = scale_losses(self._losses)
            few = select_informative(self._penalise(y), MAX_FITTED)
            x = self._features.transform(np.array([self._genomes[k] for k in few]))
            self._kernel = fit_kernel(self._kernel, self._features.owners, x, y[few])
            if any(self._violations):
                z, _ = scale_violations(self._violations)
                kernel = self._violation_kernel
                self._violation_kernel = fit_kernel(kernel, self._features.owners, x, z[few])
            self._fit_at = n + max(FIT_AFTER, int(n * FIT_AFTER_SHARE))
            self._settled_process = None

    def find_nearest(self, members: Vector, genome: Vector) -> int:
        """Return the index of the member that is most like a point."""
        points = self._features.transform(np.vstack([members, genome]))
        return int(np.argmin(((points[:-1] - points[-1]) ** 2).sum(1)))

    def _build_process(self, pending: Sequence[Vector]) -> GaussianProcess:
        self.fit()
        y = scale_losses(self._losses)
        few = select_informative(self._penalise(y), MAX_KNOWN)
        known = self._features.transform(np.array([self._genomes[k] for k in few]))
        if pending:
            unknown = [self.clear_inactive(genome) for genome in pending]
            known = np.concatenate([known, self._features.transform(np.array(unknown))])
        return GaussianProcess(self._kernel, self._features.owners, known, y[few])

    def _penalise(self, y: Vector) -> Vector:
        """Return losses of which those that violate constraints are above all others."""
        if not any(self._violations):
            return y
        violations = np.array(self._violations)
        places = np.lexsort((y, violations, np.isinf(self._losses)))
        ranked = np.empty(len(y))
        ranked[places] = np.arange(len(y))
        return ranked

    def _predict_violations(self, x: Vector) -> Vector:
        """Return what is added to the predicted losses of points that may violate constraints."""
        z, satisfied = scale_violations(self._violations)
        few = select_informative(self._penalise(np.array(self._losses)), MAX_KNOWN)
        known = self._features.transform(np.array([self._genomes[k] for k in few]))
        process = GaussianProcess(self._violation_kernel, self._features.owners, known, z[few])
        mean, deviation = process.predict(x)
        excess: Vector = PENALTY * np.maximum(0.0, mean - TRUST * deviation - satisfied)
        return excess

    def clear_inactive(self, genome: Vector) -> Vector:
        """Return a point with fixed genes for the parameters that are not active."""
        if not self._space.conditions:
            return genome
        n = self._space.n_dims
        genes = self._space.encode(self._space.decode(genome[:n]))
        return np.concatenate([genes, genome[n:]])

    def state(self) -> dict[str, Any]:
        """Return the model as a dict that `json` can write."""
        return {
            "genomes": [genome.tolist() for genome in self._genomes],
            "losses": [loss if math.isfinite(loss) else None for loss in self._losses],
            **self._violation_state(),
            "weights": self._kernel.weights.tolist(),
            "noise": self._kernel.noise,
            "fit_at": self._fit_at,
            "n_learned": self._n_learned,
        }

    def _violation_state(self) -> dict[str, Any]:
        if not any(self._violations):
            return {}
        kernel = self._violation_kernel
        return {
            "violations": list(self._violations),
            "violation_weights": kernel.weights.tolist(),
            "violation_noise": kernel.noise,
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take over what `state` returned."""
        self._genomes = [np.array(genome) for genome in state["genomes"]]
        self._losses = [math.inf if loss is None else loss for loss in state["losses"]]
        self._violations = list(state.get("violations", [0.0] * len(self._losses)))
        self._kernel = Kernel(np.array(state["weights"]), state["noise"])
        if "violation_weights" in state:
            self._violation_kernel = Kernel(
                np.array(state["violation_weights"]), state["violation_noise"]
            )
        self._fit_at = state["fit_at"]
        # States of earlier versions held all results.
        self._n_learned = state.get("n_learned", len(self._losses))


def select_informative(y: Vector, n_max: int) -> Indices:
    """Return at most `n_max` indices: half of the best values, half evenly from the rest."""
    if len(y) <= n_max:
        return np.arange(len(y))
    best = np.argsort(y, kind="stable")[: n_max // 2]
    rest = np.setdiff1d(np.arange(len(y)), best)
    n_rest = n_max - len(best)
    others = rest[np.arange(n_rest) * len(rest) // n_rest]
    return np.sort(np.concatenate([best, others]))


def scale_violations(violations: Sequence[float]) -> tuple[Vector, float]:
    """Return violations on a scale which a Gaussian process can learn, and 0 on that scale.

    Each is divided by the median of those above 0 and clipped at 3; then they have mean 0 and
    standard deviation 1.

    Examples
    --------
    >>> z, satisfied = scale_violations([0.0, 0.0, 2.0, 900.0])
    >>> z.round(2).tolist(), round(satisfied, 2)
    ([-0.58, -0.58, -0.57, 1.73], -0.58)
    """
    values = np.array(violations)
    values = np.minimum(values / float(np.median(values[values > 0])), CLIP)
    mean, deviation = float(values.mean()), max(float(values.std()), 1e-9)
    scaled: Vector = (values - mean) / deviation
    return scaled, -mean / deviation
