"""Search by a policy that learns which decisions are good: reinforcement learning."""

from __future__ import annotations

import itertools
import math
from collections.abc import Hashable, Iterator, Mapping
from dataclasses import astuple, dataclass
from typing import Any, ClassVar

import numpy as np

from sparkexp.checks import as_direction, as_float, as_int
from sparkexp.errors import InvalidArgumentError
from sparkexp.objective import Objective
from sparkexp.search.architecture.mutating import digest
from sparkexp.search.architecture.neighbours import find_neighbours, locate_axes
from sparkexp.search.architecture.policy import Adam, Algorithm, Batch, Policy, Samples
from sparkexp.search.base import SeededSearcher
from sparkexp.search.evolution.variation import Vector
from sparkexp.search.multi_fidelity.packing import pack_single, unpack
from sparkexp.space import ArchitectureSpace, Choice, Space
from sparkexp.space.parameters import Axis
from sparkexp.space.unit_interval import cell_index
from sparkexp.trial import Direction, ParamValue, Trial, TrialResult

__all__ = ["ReinforcementSearcher"]

# A continuous axis, and one of more than so many values, is cut into so many cells.
MAX_OPTIONS, CELLS = 32, 8
# How many samples are drawn, and then neighbours made, at most until one was not tried before.
MAX_DRAWN, MAX_MUTANTS = 20, 100
# A reward is the rank among so many of the latest results.
WINDOW = 100
BASELINE_DECAY = 0.9
PPO_EPOCHS = 4


@dataclass(frozen=True)
class _Sample:
    """The decisions of a trial.

    Parameters
    ----------
    cells : list of int
        The option of each decision.
    counted : list of int
        1 where the decision had an effect, else 0.
    log_probability : float
        Under the policy that has drawn them.
    """

    cells: list[int]
    counted: list[int]
    log_probability: float


class ReinforcementSearcher(SeededSearcher):
    """A recurrent policy draws configurations, and learns from batches of results.

    Each axis of the space is a decision: every decision of an architecture, and every other
    parameter. A continuous parameter is cut into cells, and the value is drawn within the chosen
    one. Decisions about parameters that are not present don't count.

    The reward of a trial is the share of the latest 100 results that it is better than, so that
    neither the scale of the metric nor an outlier matters. A failed trial has the reward 0. The
    baseline is a moving average of the rewards. No trial waits: with PPO, each result is weighted
    by how the probability of its decisions has changed since they were drawn.

    A configuration that was tried is drawn again, up to 20 times. If the policy knows no other,
    the nearest neighbour of what it draws that was not tried is taken, so that no trial is wasted.

    Parameters
    ----------
    space : Space
        What is searched, an architecture or anything else.
    direction : {'max', 'min'}
        Which value is the best.
    n_trials : int, optional
        The number of trials, at least 1; None for no limit.
    algorithm : {'ppo', 'reinforce'}
        How the policy learns.
    batch : int
        How many results an update takes, at least 2.
    learning_rate : float
        The step size of the updates, above 0.
    entropy : float
        The weight of the entropy of the decisions, at least 0: the larger, the later does the
        policy settle.
    seed : int, optional
        A whole number of at least 0; by default one is drawn, which `settings` returns.

    Raises
    ------
    InvalidArgumentError
        If a setting is out of its range.

    References
    ----------
    B. Zoph, Q. V. Le (2017). Neural architecture search with reinforcement learning.
    International Conference on Learning Representations: REINFORCE with a moving average.

    B. Zoph, V. Vasudevan, J. Shlens, Q. V. Le (2018). Learning transferable architectures for
    scalable image recognition. Conference on Computer Vision and Pattern Recognition: PPO.

    J. Schulman, F. Wolski, P. Dhariwal, A. Radford, O. Klimov (2017). Proximal policy
    optimization algorithms. arXiv 1707.06347: eq. 7 and 9.

    R. J. Williams (1992). Simple statistical gradient-following algorithms for connectionist
    reinforcement learning. Machine Learning 8, 229-256.

    Examples
    --------
    >>> space = Space.from_search_dict({'units': [16, 32, 64], 'rate': [0.0, 1.0]})
    >>> searcher = ReinforcementSearcher(space, 'min', n_trials=300, seed=1)
    >>> sorted(searcher.ask().params)
    ['rate', 'units']
    """

    name: ClassVar[str] = "reinforcement"

    def __init__(
        self,
        space: Space,
        direction: Direction = "max",
        n_trials: int | None = None,
        algorithm: Algorithm = "ppo",
        batch: int = 10,
        learning_rate: float = 0.03,
        entropy: float = 0.03,
        seed: int | None = None,
    ) -> None:
        super().__init__(space, seed)
        self.directions = (as_direction(direction),)
        self._objective = Objective(direction=self.directions[0])
        self._n_trials = None if n_trials is None else as_int("n_trials", n_trials, at_least=1)
        self.algorithm = _as_algorithm(algorithm)
        self.batch = as_int("batch", batch, at_least=2)
        self.learning_rate = as_float("learning_rate", learning_rate, low=0.0, above=True)
        self.entropy = as_float("entropy", entropy, low=0.0)
        self._sizes = [_count_options(axis) for axis in space.axes]
        self._policy = Policy(self._sizes, _name_kinds(space), self._rng)
        self._adam = Adam(len(self._policy.weights), self.learning_rate)
        self._saved_policy = self._pack_policy()
        self._samples: dict[int, _Sample] = {}  # of the trials in flight
        self._batch: list[tuple[_Sample, float]] = []  # told since the last update, with losses
        self._losses: list[float] = []
        self._baseline: float | None = None
        self._entropy: float | None = None
        self._seen: set[str] = set()

    @property
    def n_trials(self) -> int | None:
        """The number of trials; None if there is no limit."""
        return self._n_trials

    @property
    def order_matters(self) -> bool:
        """Whether the trials depend on the order in which results are told: they do."""
        return True

    def settings(self) -> dict[str, Any]:
        """Return the settings for the record, as a dict that `json` can write."""
        return {
            "direction": self.directions[0],
            "n_trials": self._n_trials,
            "algorithm": self.algorithm,
            "batch": self.batch,
            "learning_rate": self.learning_rate,
            "entropy": self.entropy,
            **super().settings(),
        }

    def progress(self) -> dict[str, float]:
        """Return the entropy of the policy, from 1 down to 0, and the baseline of the reward.

        They are those of the last update; there are none before the first.
        """
        if self._baseline is None or self._entropy is None:
            return {}
        return {"policy entropy": self._entropy, "reward baseline": self._baseline}

    # From the policy to a trial.

    def _propose(self, number: int) -> Trial:
        if number < len(self._initial_params):
            params = dict(self._initial_params[number])
            sample = self._make_sample(self.space.encode(params), params)
        else:
            params, sample = self._draw_new()
        self._seen.add(digest(params))
        self._samples[number] = sample
        return Trial(number, params)

    def _draw_new(self) -> tuple[dict[str, ParamValue], _Sample]:
        """Return a configuration that was not tried before, if one is found."""
        for genome in self._generate():
            params = self.space.decode(genome)
            if digest(params) not in self._seen:
                break
        return params, self._make_sample(genome, params)

    def _generate(self) -> Iterator[Vector]:
        """Yield points that the policy draws, then neighbours of the last."""
        for _ in range(MAX_DRAWN):
            genome = self._place(self._policy.draw(self._rng)[0])
            if self.space.admits(genome):
                yield genome
        genome = self.space.repair(genome)
        yield genome
        yield from itertools.islice(find_neighbours(self.space, genome, self._rng), MAX_MUTANTS)

    def _place(self, cells: list[int]) -> Vector:
        """Return a point within the chosen cells."""
        within = self._rng.random(len(cells))
        for axis, n in enumerate(self._sizes):
            if self.space.axes[axis].n_values == n:
                within[axis] = 0.5  # the cell is a value
        places: Vector = (np.array(cells) + within) / self._sizes
        return places

    def _make_sample(self, genome: Vector, params: Mapping[str, ParamValue]) -> _Sample:
        """Return the decisions that lead to a point."""
        cells = list(map(cell_index, genome.tolist(), self._sizes))
        counted = np.zeros(len(cells), dtype=int)
        for name, axes in locate_axes(self.space).items():
            counted[axes] = name in params
        samples = Samples(np.array([cells]), counted[None].astype(float))
        log = float(self._policy.log_probabilities(samples)[0])
        return _Sample(cells, counted.tolist(), log)

    # From results to the policy.

    def _learn(self, result: TrialResult) -> None:
        loss = self._objective.loss(result.value)
        self._batch.append((self._samples.pop(result.trial.number), loss))
        self._losses = [*self._losses, loss][-WINDOW:]
        if len(self._batch) == self.batch:
            self._update()

    def _update(self) -> None:
        """Move the policy towards the better half of a batch."""
        drawn = [sample for sample, _ in self._batch]
        rewards = np.array([self._reward(loss) for _, loss in self._batch])
        mean = float(rewards.mean())
        baseline = mean if self._baseline is None else self._baseline
        samples = Samples(
            np.array([sample.cells for sample in drawn]),
            np.array([sample.counted for sample in drawn], dtype=float),
        )
        logs = np.array([sample.log_probability for sample in drawn])
        batch = Batch(samples, rewards - baseline, logs)
        for _ in range(PPO_EPOCHS if self.algorithm == "ppo" else 1):
            gradient = self._policy.gradient(batch, self.algorithm, self.entropy)
            self._policy.weights = self._adam.ascend(self._policy.weights, gradient)
        self._baseline = BASELINE_DECAY * baseline + (1 - BASELINE_DECAY) * mean
        self._entropy = self._policy.entropy(samples)
        self._batch = []
        self._saved_policy = self._pack_policy()

    def _reward(self, loss: float) -> float:
        """Return the share of the latest results that are worse; half of those that are equal."""
        if loss == math.inf:
            return 0.0
        others = np.array(self._losses)
        return float((others > loss).mean() + (others == loss).mean() / 2)

    # What is saved.

    def _pack_policy(self) -> dict[str, Any]:
        # The state is written after every trial, but these change with a batch only.
        return {
            "weights": pack_single(self._policy.weights),
            "mean": pack_single(self._adam.mean),
            "square": pack_single(self._adam.square),
            "n_steps": self._adam.n_steps,
        }

    def _state(self) -> dict[str, Any]:
        return {
            **super()._state(),
            "policy": self._saved_policy,
            "samples": {str(k): astuple(each) for k, each in sorted(self._samples.items())},
            "batch": [[*astuple(each), _as_json(loss)] for each, loss in self._batch],
            "losses": [_as_json(loss) for loss in self._losses],
            "baseline": self._baseline,
            "entropy": self._entropy,
            "seen": sorted(self._seen),
        }

    def _restore(self, memory: Mapping[str, Any]) -> None:
        super()._restore(memory)
        self._saved_policy = dict(memory["policy"])
        self._policy.weights = unpack(self._saved_policy["weights"]).astype(float)
        self._adam.mean = unpack(self._saved_policy["mean"]).astype(float)
        self._adam.square = unpack(self._saved_policy["square"]).astype(float)
        self._adam.n_steps = self._saved_policy["n_steps"]
        self._samples = {int(k): _Sample(*each) for k, each in memory["samples"].items()}
        self._batch = [(_Sample(*each), _from_json(loss)) for *each, loss in memory["batch"]]
        self._losses = [_from_json(loss) for loss in memory["losses"]]
        self._baseline, self._entropy = memory["baseline"], memory["entropy"]
        self._seen = set(memory["seen"])


def _count_options(axis: Axis) -> int:
    """Return into how many cells an axis is cut."""
    n = axis.n_values
    if isinstance(axis, Choice):
        return axis.n_values
    if n == 1:
        return 1
    return CELLS if n is None or n > MAX_OPTIONS or axis.log else n


def _name_kinds(space: Space) -> list[Hashable]:
    """Return for each axis a value that is equal for decisions with the same options."""
    kinds: list[Hashable] = []
    for name, parameter in space.parameters.items():
        if isinstance(parameter, ArchitectureSpace):
            kinds += [(name, decision.options) for decision in parameter.decisions]
        else:
            kinds.append(name)
    return kinds


def _as_algorithm(value: object) -> Algorithm:
    if value == "ppo":
        return "ppo"
    if value == "reinforce":
        return "reinforce"
    raise InvalidArgumentError(
        f"algorithm is 'ppo' or 'reinforce', got {value!r}. Leave it out for the default."
    )


def _as_json(loss: float) -> float | None:
    return None if loss == math.inf else loss


def _from_json(loss: float | None) -> float:
    return math.inf if loss is None else loss
