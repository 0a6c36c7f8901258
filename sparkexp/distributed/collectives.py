"""The sums that the workers of a gang make together."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

__all__ = ["Collectives", "StepShare"]

# TensorFlow knows a group of devices, and each sum of the group, by a number. The workers' CPUs
# are one group, and what they train on is another, which may be GPUs.
HOST_GROUP, GROUP = 7001, 7002
# Sums on the host: their number says how many elements they have. Those in graphs count from 1.
HOST_KEYS = 1 << 24
# Elements of a sum on the host that go together.
CHUNK = 1 << 21
_REDUCED = "sparkexp_reduced"
_POSITIONS = "sparkexp_positions"


@dataclass
class StepShare:
    """This worker's part of the batch of a training step, while the step is traced.

    Parameters
    ----------
    weight : tensor
        Its examples, as a multiple of what a worker has in a full batch.
    real : tensor or None
        Whether it has an example at all; None where it always has.
    weighted : set of int
        Optimizers whose loss was multiplied by the weight before backpropagation.
    """

    weight: Any
    real: Any = None
    weighted: set[int] = field(default_factory=set)


class Collectives:
    """The workers that train one model: who this one is, and what they sum.

    All workers call the methods in the same order, with values of the same shapes.

    Parameters
    ----------
    rank, size : int
        The number of this worker, and how many there are.
    seed : int
        The same for all workers and attempts: random order comes from it.
    """

    def __init__(self, rank: int = 0, size: int = 1, seed: int = 0) -> None:
        self.rank = rank
        self.size = size
        self.seed = seed
        self.share: StepShare | None = None
        self._keys: dict[Hashable, int] = {}
        self._variables: _Variables | None = None

    @property
    def is_chief(self) -> bool:
        """Whether this worker writes the files."""
        return self.rank == 0

    @property
    def variables(self) -> _Variables:
        """What the training steps of all workers tell each other beside the gradients."""
        if self._variables is None:
            self._variables = _Variables(self.size)
        return self._variables

    @contextmanager
    def step(self, share: StepShare) -> Iterator[None]:
        """While a training step is traced in the block, this is the worker's share of it."""
        self.share = share
        try:
            yield
        finally:
            self.share = None

    # On the host ------------------------------------------------------------------------------

    def sum(self, values: Sequence[Any]) -> list[np.ndarray[Any, Any]]:
        """Return the sums of arrays over the gang, in float64."""
        arrays = [np.asarray(value, np.float64) for value in values]
        if self.size == 1 or not arrays:
            return arrays
        flat = np.concatenate([array.ravel() for array in arrays])
        parts = [self._sum_flat(flat[at : at + CHUNK]) for at in range(0, flat.size, CHUNK)]
        total = np.concatenate(parts) if parts else flat
        ends = np.cumsum([array.size for array in arrays])[:-1]
        return [
            part.reshape(array.shape)
            for part, array in zip(np.split(total, ends), arrays, strict=True)
        ]

    def gather(self, value: float) -> list[float]:
        """Return the value of each worker, by rank."""
        own = np.zeros(self.size)
        own[self.rank] = value
        return [float(number) for number in self.sum([own])[0]]

    def broadcast_values(self, values: Sequence[Any]) -> list[np.ndarray[Any, Any]]:
        """Return rank 0's arrays, as float64; the others' count for their shapes only."""
        own = [np.asarray(value, np.float64) for value in values]
        return self.sum(own if self.is_chief else [np.zeros_like(array) for array in own])

    def broadcast(self, variables: Sequence[Any]) -> None:
        """Give all workers rank 0's values of variables."""
        if self.size == 1:
            return
        group: list[Any] = []
        elements = 0
        for variable in variables:
            group.append(variable)
            elements += int(np.prod(variable.shape))
            if elements > CHUNK:
                self._broadcast_group(group)
                group, elements = [], 0
        self._broadcast_group(group)

    def _broadcast_group(self, variables: Sequence[Any]) -> None:
        own = [np.asarray(variable) for variable in variables]
        for variable, value, old in zip(variables, self.broadcast_values(own), own, strict=True):
            variable.assign(value.astype(old.dtype))

    def _sum_flat(self, flat: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        import tensorflow as tf

        with tf.init_scope(), tf.device("CPU:0"):
            total = self._collective(tf.constant(flat), HOST_GROUP, HOST_KEYS + flat.size)
        return np.asarray(total)

    # In a graph -------------------------------------------------------------------------------

    def key(self, *parts: Hashable) -> int:
        """Return the number of a sum in a graph: the same one whenever it is traced again."""
        return self._keys.setdefault(parts, len(self._keys) + 1)

    def reduce(self, tensor: Any, key: int) -> Any:
        """Return the sum of a tensor over the gang; in a graph, after the sums before it.

        NCCL wants the same order on all workers: so the sums of a graph form a chain.
        """
        import tensorflow as tf

        if self.size == 1:
            return tf.identity(tensor)
        if tf.executing_eagerly():
            with tf.device(self._device):
                return self._collective(tensor, GROUP, key)
        graph = tf.compat.v1.get_default_graph()
        before = [other for other in graph.get_collection(_REDUCED) if other.graph is graph]
        with tf.control_dependencies(before[-1:]), tf.device(self._device):
            total = self._collective(tensor, GROUP, key)
        graph.add_to_collection(_REDUCED, total)
        return total

    def position(self, *parts: Hashable) -> int:
        """Return how many places with these parts the graph has so far; eagerly always 0."""
        import tensorflow as tf

        if tf.executing_eagerly():
            return 0
        graph = tf.compat.v1.get_default_graph()
        position = graph.get_collection(_POSITIONS).count(parts)
        graph.add_to_collection(_POSITIONS, parts)
        return int(position)

    @cached_property
    def _device(self) -> str:
        import tensorflow as tf

        return "GPU:0" if tf.config.list_logical_devices("GPU") else "CPU:0"

    def _collective(self, tensor: Any, group: int, key: int) -> Any:
        import tensorflow as tf

        return tf.raw_ops.CollectiveReduceV2(
            input=tensor,
            group_size=self.size,
            group_key=group,
            instance_key=key,
            ordering_token=[],
            merge_op="Add",
            final_op="Id",
            communication_hint="auto",
            timeout_seconds=0.0,
        )


class _Variables:
    """TensorFlow's variables of a gang.

    Attributes
    ----------
    weight : float32
        This worker's share of the last step, 0 if it had no example.
    stop : float32
        Not 0 if this worker wants training to end; it is sent with the next gradients.
    stopped : float32
        How many workers wanted it in the last step.
    wait : float64
        Seconds that this worker's last sum of gradients took.
    waits : float64, (size,)
        Those of all workers, in the step before: the last one to come waits least.
    reduce_seconds : float64
        Time in which this worker had nothing to do but sum gradients, in total.
    """

    def __init__(self, size: int) -> None:
        import tensorflow as tf

        with tf.init_scope(), tf.device("CPU:0"):
            self.weight = tf.Variable(1.0, trainable=False)
            self.stop = tf.Variable(0.0, trainable=False)
            self.stopped = tf.Variable(0.0, trainable=False)
            self.wait = tf.Variable(0.0, trainable=False, dtype=tf.float64)
            self.waits = tf.Variable(np.zeros(size), trainable=False, dtype=tf.float64)
            self.reduce_seconds = tf.Variable(0.0, trainable=False, dtype=tf.float64)
