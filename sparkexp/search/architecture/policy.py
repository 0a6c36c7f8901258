"""A policy that makes decisions one after another: a recurrent network, in numpy."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from sparkexp.search.evolution.variation import Vector

__all__ = ["Adam", "Algorithm", "Batch", "Policy", "Samples"]

Algorithm = Literal["ppo", "reinforce"]
Whole = NDArray[np.int64]

# The weights are drawn within so much of zero: the first decisions are almost uniform.
INITIAL_WEIGHT = 0.1
# How far the probability of a sample may move from that with which it was drawn (PPO).
CLIP = 0.2


@dataclass(frozen=True)
class Samples:
    """Decisions that were drawn.

    Parameters
    ----------
    actions : ndarray of int, of shape (n, n_decisions)
        The option of each decision.
    counted : ndarray of shape (n, n_decisions)
        1 where a decision had an effect, else 0.
    """

    actions: Whole
    counted: Vector


@dataclass(frozen=True)
class Batch:
    """What a policy learns from in one update.

    Parameters
    ----------
    samples : Samples
        The decisions.
    advantages : ndarray of shape (n,)
        How much better than expected each sample was.
    log_probabilities : ndarray of shape (n,)
        Of each sample, under the policy that has drawn it.
    """

    samples: Samples
    advantages: Vector
    log_probabilities: Vector


@dataclass(frozen=True)
class _Step:
    """What the backward pass needs from one decision of the forward pass."""

    inputs: Vector
    gates: tuple[Vector, Vector, Vector, Vector]
    cell_before: Vector
    cell: Vector
    hidden: Vector
    probabilities: Vector


class Policy:
    """An LSTM with a softmax for each decision; the choice made is the input of the next step.

    Decisions of the same kind share the weights of softmax and embedding, but each has biases of
    its own. All weights are one vector, which is rounded to single precision by `Adam`.

    Parameters
    ----------
    sizes : sequence of int
        The number of options of each decision.
    kinds : sequence
        Equal for decisions that have the same options.
    rng : numpy.random.Generator
        Draws the first weights.
    hidden, embedding : int
        The sizes of the state and of the embedding of an option.

    References
    ----------
    B. Zoph, Q. V. Le (2017). Neural architecture search with reinforcement learning.
    International Conference on Learning Representations: section 3.1.

    Examples
    --------
    >>> policy = Policy([3, 3, 2], ['op', 'op', 'skip'], np.random.default_rng(1))
    >>> actions, log_probability = policy.draw(np.random.default_rng(2))
    >>> len(actions), log_probability < 0
    (3, True)
    """

    def __init__(
        self,
        sizes: Sequence[int],
        kinds: Sequence[Hashable],
        rng: np.random.Generator,
        hidden: int = 32,
        embedding: int = 16,
    ) -> None:
        self.sizes = tuple(sizes)
        self._hidden, self._embedding = hidden, embedding
        places = {kind: k for k, kind in enumerate(dict.fromkeys(kinds))}
        self._kinds = tuple(places[kind] for kind in kinds)
        of_kind = dict(zip(self._kinds, sizes, strict=True))
        self._shapes: dict[str, tuple[int, ...]] = {
            "gates": (embedding + hidden, 4 * hidden),
            "start": (embedding,),
            **{f"softmax {kind}": (hidden, n) for kind, n in of_kind.items()},
            **{f"embedding {kind}": (n, embedding) for kind, n in of_kind.items()},
        }
        n_drawn = sum(int(np.prod(shape)) for shape in self._shapes.values())
        self._shapes["gate biases"] = (4 * hidden,)
        self._shapes.update({f"biases {t}": (n,) for t, n in enumerate(sizes)})
        n_weights = sum(int(np.prod(shape)) for shape in self._shapes.values())
        self.weights = np.zeros(n_weights)
        self.weights[:n_drawn] = INITIAL_WEIGHT * (2 * rng.random(n_drawn) - 1)
        self.weights = _as_single(self.weights)

    def draw(self, rng: np.random.Generator) -> tuple[list[int], float]:
        """Return an option for each decision, drawn by the policy, and their log-probability."""
        keys = rng.random(len(self.sizes))
        actions: list[int] = []
        total = 0.0
        for probabilities, key in zip(self._walk(None, actions), keys, strict=True):
            place = int((key > np.cumsum(probabilities[0])).sum())
            actions.append(min(place, probabilities.shape[1] - 1))
            total += float(np.log(probabilities[0, actions[-1]]))
        return actions, total

    def log_probabilities(self, samples: Samples) -> Vector:
        """Return the log-probability of each sample; decisions without effect don't count."""
        return self._sum_logs(samples, self._run(samples.actions))

    def entropy(self, samples: Samples) -> float:
        """Return the mean entropy of the decisions, from 0 to 1: 1 where all are uniform."""
        steps = self._run(samples.actions)
        parts = [
            float(_entropies(step.probabilities).mean() / np.log(n))
            for step, n in zip(steps, self.sizes, strict=True)
            if n > 1
        ]
        return float(np.mean(parts)) if parts else 0.0

    def objective(self, batch: Batch, algorithm: Algorithm, entropy: float) -> float:
        """Return what an update makes larger: a mean over the samples.

        With ``'reinforce'``, the log-probability by the advantage (Williams 1992). With ``'ppo'``,
        the clipped ratio of probabilities by the advantage (Schulman et al. 2017, eq. 7). Both
        plus `entropy` by the entropy of the decisions.
        """
        steps = self._run(batch.samples.actions)
        logs = self._sum_logs(batch.samples, steps)
        if algorithm == "ppo":
            ratios = np.exp(logs - batch.log_probabilities)
            clipped = np.clip(ratios, 1 - CLIP, 1 + CLIP)
            gains = np.minimum(ratios * batch.advantages, clipped * batch.advantages)
        else:
            gains = logs * batch.advantages
        for step, counted in zip(steps, batch.samples.counted.T, strict=True):
            gains = gains + entropy * counted * _entropies(step.probabilities)
        return float(gains.mean())

    def gradient(self, batch: Batch, algorithm: Algorithm, entropy: float) -> Vector:
        """Return the gradient of `objective`, of the shape of the weights."""
        samples, n = batch.samples, len(batch.advantages)
        steps = self._run(samples.actions)
        factors = batch.advantages
        if algorithm == "ppo":
            ratios = np.exp(self._sum_logs(samples, steps) - batch.log_probabilities)
            beyond = np.where(factors > 0, ratios > 1 + CLIP, ratios < 1 - CLIP)
            factors = np.where(beyond, 0.0, ratios * factors)
        logits = [
            counted[:, None]
            * _logit_gradient(step.probabilities, actions, factors / n, entropy / n)
            for step, actions, counted in zip(
                steps, samples.actions.T, samples.counted.T, strict=True
            )
        ]
        return self._go_back(samples.actions, steps, logits)

    # The network.

    def _split(self, vector: Vector) -> dict[str, Vector]:
        """Return the parts of a vector of weights, as views."""
        parts, start = {}, 0
        for name, shape in self._shapes.items():
            end = start + int(np.prod(shape))
            parts[name] = vector[start:end].reshape(shape)
            start = end
        return parts

    def _run(self, actions: Whole) -> list[_Step]:
        steps: list[_Step] = []
        for _ in self._walk(actions, [], steps):
            pass
        return steps

    def _walk(
        self, actions: Whole | None, chosen: list[int], steps: list[_Step] | None = None
    ) -> Iterator[Vector]:
        """Yield the probabilities of each decision's options, given the decisions before it.

        The decisions are given as `actions`, or one sample is put into `chosen` meanwhile.
        """
        weights = self._split(self.weights)
        n = 1 if actions is None else len(actions)
        hidden = cell = np.zeros((n, self._hidden))
        inputs = np.tile(weights["start"], (n, 1))
        for t, kind in enumerate(self._kinds):
            inputs = np.concatenate([inputs, hidden], axis=1)
            sums = inputs @ weights["gates"] + weights["gate biases"]
            taken, kept, shown, new = np.split(sums, 4, axis=1)
            gates = _sigmoid(taken), _sigmoid(kept), _sigmoid(shown), np.tanh(new)
            before, cell = cell, gates[1] * cell + gates[0] * gates[3]
            hidden = gates[2] * np.tanh(cell)
            logits = hidden @ weights[f"softmax {kind}"] + weights[f"biases {t}"]
            probabilities = _softmax(logits)
            if steps is not None:
                steps.append(_Step(inputs, gates, before, cell, hidden, probabilities))
            yield probabilities
            made = chosen[t : t + 1] if actions is None else actions[:, t]
            inputs = weights[f"embedding {kind}"][made]

    def _sum_logs(self, samples: Samples, steps: Sequence[_Step]) -> Vector:
        total = np.zeros(len(samples.actions))
        columns = zip(steps, samples.actions.T, samples.counted.T, strict=True)
        for step, actions, counted in columns:
            chosen = step.probabilities[np.arange(len(actions)), actions]
            total += counted * np.log(chosen)
        return total

    def _go_back(self, actions: Whole, steps: Sequence[_Step], logits: Sequence[Vector]) -> Vector:
        """Return the gradient of the weights from those of the logits (Hochreiter 1997)."""
        weights, flat = self._split(self.weights), np.zeros_like(self.weights)
        gradient = self._split(flat)
        d_hidden = d_cell = np.zeros((len(actions), self._hidden))
        d_next = np.zeros((len(actions), self._embedding))
        for t in reversed(range(len(steps))):
            step, kind, d_logits = steps[t], self._kinds[t], logits[t]
            np.add.at(gradient[f"embedding {kind}"], actions[:, t], d_next)
            gradient[f"softmax {kind}"] += step.hidden.T @ d_logits
            gradient[f"biases {t}"] += d_logits.sum(axis=0)
            d_hidden = d_hidden + d_logits @ weights[f"softmax {kind}"].T
            taken, kept, shown, new = step.gates
            squashed = np.tanh(step.cell)
            d_cell = d_cell + d_hidden * shown * (1 - squashed**2)
            parts = [
                d_cell * new * taken * (1 - taken),
                d_cell * step.cell_before * kept * (1 - kept),
                d_hidden * squashed * shown * (1 - shown),
                d_cell * taken * (1 - new**2),
            ]
            d_sums = np.concatenate(parts, axis=1)
            d_cell = d_cell * kept
            gradient["gates"] += step.inputs.T @ d_sums
            gradient["gate biases"] += d_sums.sum(axis=0)
            d_inputs = d_sums @ weights["gates"].T
            d_next, d_hidden = d_inputs[:, : self._embedding], d_inputs[:, self._embedding :]
        gradient["start"] += d_next.sum(axis=0)
        return flat


class Adam:
    """Gradient ascent with momentum and a step size for each weight.

    Parameters
    ----------
    n_weights : int
        The length of the vector of weights.
    learning_rate : float
        The step size.

    References
    ----------
    D. P. Kingma, J. Ba (2015). Adam: a method for stochastic optimization. International
    Conference on Learning Representations: algorithm 1.
    """

    DECAY, SQUARE_DECAY, MAX_NORM = 0.9, 0.999, 5.0

    def __init__(self, n_weights: int, learning_rate: float) -> None:
        self.learning_rate = learning_rate
        self.n_steps = 0
        self.mean, self.square = np.zeros(n_weights), np.zeros(n_weights)

    def ascend(self, weights: Vector, gradient: Vector) -> Vector:
        """Return the weights after a step; all that is remembered is in single precision."""
        norm = float(np.sqrt(np.square(gradient).sum()))
        gradient = gradient * min(1.0, self.MAX_NORM / max(norm, 1e-12))
        self.n_steps += 1
        self.mean = _as_single(self.DECAY * self.mean + (1 - self.DECAY) * gradient)
        squares = self.SQUARE_DECAY * self.square + (1 - self.SQUARE_DECAY) * gradient**2
        self.square = _as_single(squares)
        mean = self.mean / (1 - self.DECAY**self.n_steps)
        square = self.square / (1 - self.SQUARE_DECAY**self.n_steps)
        return _as_single(weights + self.learning_rate * mean / (np.sqrt(square) + 1e-8))


def _as_single(vector: Vector) -> Vector:
    """Return numbers rounded to single precision: what is saved is what is used."""
    return vector.astype(np.float32).astype(np.float64)


def _sigmoid(x: Vector) -> Vector:
    return 0.5 * (1 + np.tanh(0.5 * x))


def _softmax(logits: Vector) -> Vector:
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    # Never zero, whose logarithm is infinite.
    probabilities: Vector = np.maximum(powers / powers.sum(axis=1, keepdims=True), 1e-30)
    return probabilities


def _entropies(probabilities: Vector) -> Vector:
    entropies: Vector = -(probabilities * np.log(probabilities)).sum(axis=1)
    return entropies


def _logit_gradient(
    probabilities: Vector, actions: Whole, factors: Vector, entropy: float
) -> Vector:
    """Return the gradient of log-probability by factor, and of the entropy, by the logits."""
    chosen = np.zeros_like(probabilities)
    chosen[np.arange(len(actions)), actions] = 1.0
    surprise = np.log(probabilities) + _entropies(probabilities)[:, None]
    gradient: Vector = factors[:, None] * (chosen - probabilities)
    return gradient - entropy * probabilities * surprise
