"""The sums that the workers of a gang make together."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from sparkexp.distributed.devices import devices
from sparkexp.errors import InvalidArgumentError

__all__ = ["Collectives", "StepShare"]

# TensorFlow knows a group of devices, and each sum of the group, by a number. The workers' CPUs
# are one group, and what they train on is another, which may be GPUs.
HOST_GROUP, GROUP = 7001, 7002
# Sums on the host: their number says how many elements they have. Those in graphs count from 1.
HOST_KEYS = 1 << 24
# The sum before each of those, in which the workers say what they are about to sum.
ANNOUNCEMENTS = HOST_KEYS
CALLS = ("gang().sum", "gang().broadcast", "fit", "evaluate", "train_on_batch")
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
    weighted : set
        The sums of optimizers whose loss was multiplied by the weight before backpropagation.
    """

    weight: Any
    real: Any = None
    weighted: set[Hashable] = field(default_factory=set)


class Collectives:
    """The workers that train one model: who this one is, and what they sum.

    All workers call the methods in the same order, with values of the same shapes.

    Parameters
    ----------
    rank, size : int
        The number of this worker, and how many there are.
    seed : int
        The same for all workers and attempts: random order comes from it.

    Attributes
    ----------
    was_used : bool
        Whether this worker has summed anything with the others.
    """

    def __init__(self, rank: int = 0, size: int = 1, seed: int = 0) -> None:
        self.rank = rank
        self.size = size
        self.seed = seed
        self.share: StepShare | None = None
        self.was_used = False
        self._call = CALLS[0]
        self._keys: dict[Hashable, int] = {}
        self._last_key = 0
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

    @contextmanager
    def calling(self, call: str) -> Iterator[None]:
        """While a call of the train function runs in the block, this is its name, of `CALLS`."""
        before, self._call = self._call, call
        try:
            yield
        finally:
            self._call = before

    # On the host ------------------------------------------------------------------------------

    def sum(self, values: Sequence[Any]) -> list[np.ndarray[Any, Any]]:
        """Return the sums of arrays over the gang, in float64.

        Raises
        ------
        InvalidArgumentError
            On all workers, if they don't make the same call.
        """
        arrays = [np.asarray(value, np.float64) for value in values]
        if self.size == 1 or not arrays:
            return arrays
        flat = np.concatenate([array.ravel() for array in arrays])
        self._announce(flat.size)
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

    def _announce(self, n_numbers: int) -> None:
        """Check that all workers are about to sum the same: else they would wait for ever."""
        own = np.zeros((self.size, 2))
        own[self.rank] = CALLS.index(self._call), n_numbers
        rows = self._sum_flat(own.ravel(), ANNOUNCEMENTS).reshape(own.shape)
        if (rows == rows[0]).all():
            return
        if (rows[:, 0] == rows[0, 0]).all():
            told = [f"worker {rank} has {n:.0f}" for rank, n in enumerate(rows[:, 1])]
            raise InvalidArgumentError(
                f"What all workers sum in {self._call} must have one shape, got numbers: "
                f"{', '.join(told)}. Let models and arrays not depend on the worker."
            )
        told = [f"worker {rank} makes {CALLS[int(call)]}" for rank, call in enumerate(rows[:, 0])]
        raise InvalidArgumentError(
            "All workers of a gang must make the same calls in the same order, got another: "
            f"{', '.join(told)}. Call fit, evaluate, gang().sum and gang().broadcast on every "
            "worker, not within `if gang().is_chief`."
        )

    def _sum_flat(
        self, flat: np.ndarray[Any, Any], key: int | None = None
    ) -> np.ndarray[Any, Any]:
        import tensorflow as tf

        self.was_used = True
        with tf.init_scope(), tf.device("CPU:0"):
            total = self._collective(
                tf.constant(flat), HOST_GROUP, HOST_KEYS + flat.size if key is None else key
            )
        return np.asarray(total)

    # In a graph -------------------------------------------------------------------------------

    def key(self, *parts: Hashable) -> int:
        """Return the number of a sum in a graph: the same one whenever it is traced again."""
        if parts not in self._keys:
            self._last_key += 1
            self._keys[parts] = self._last_key
        return self._keys[parts]

    def align_keys(self) -> None:
        """Let new sums have the same numbers on all workers, also where some have made others.

        A worker may have traced a model of its own.
        """
        self._last_key = int(max(self.gather(float(self._last_key))))

    def reduce(self, tensor: Any, key: int) -> Any:
        """Return the sum of a tensor over the gang; in a graph, after the sums before it.

        NCCL wants the same order on all workers: so the sums of a graph form a chain.
        """
        import tensorflow as tf

        if self.size == 1:
            return tf.identity(tensor)
        self.was_used = True
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
        return devices()[0]

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
