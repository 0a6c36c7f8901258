"""An optimizer that sums its gradients over the gang before it applies them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from sparkexp.distributed.collectives import Collectives, StepShare

__all__ = ["BUCKET_BYTES", "distribute"]

# One sum has a fixed cost, and needs its gradients at once: so many go together.
BUCKET_BYTES = 64 << 20


def distribute(optimizer: Any, gang: Collectives, bucket_bytes: int = BUCKET_BYTES) -> Any:
    """Let an optimizer average its gradients over the gang.

    It stays the object that it is, and its class and configuration stay, too.

    Parameters
    ----------
    optimizer : keras.optimizers.Optimizer
        The outermost one: what scales a loss contains the one that applies gradients.
    gang : Collectives
        The workers. Each one's gradients count by its examples in the step.
    bucket_bytes : int
        The size of gradients that are summed together.

    Returns
    -------
    keras.optimizers.Optimizer
        The same object.
    """
    if "apply" in vars(optimizer):
        return optimizer
    apply, scale_loss = optimizer.apply, optimizer.scale_loss
    if gang.size == 1:
        # Keras squares the parts of a sparse gradient, not their sum. A sum of several workers is
        # dense; so that a gang of one has the same result, its gradients are, too.
        def apply_dense(grads: Iterable[Any], trainable_variables: Any = None) -> Any:
            return apply(_densify(grads), trainable_variables)

        object.__setattr__(optimizer, "apply", apply_dense)
        return optimizer
    sums = _GradientSum(gang, bucket_bytes)

    def apply_mean(grads: Iterable[Any], trainable_variables: Any = None) -> Any:
        share = gang.share
        weighted = share is not None and sums in share.weighted
        if share is not None:
            share.weighted.discard(sums)
        return apply(sums.average(list(grads), share, weighted), trainable_variables)

    def scale_weighted_loss(loss: Any) -> Any:
        import tensorflow as tf

        loss = scale_loss(loss)
        if gang.share is None:
            return loss
        gang.share.weighted.add(sums)
        return loss * tf.cast(gang.share.weight, loss.dtype)

    # Past Keras's tracking of attributes, which would see a change of the model.
    object.__setattr__(optimizer, "apply", apply_mean)
    object.__setattr__(optimizer, "scale_loss", scale_weighted_loss)
    return optimizer


class _GradientSum:
    """Sums the gradients of one optimizer, several of them at a time."""

    def __init__(self, gang: Collectives, bucket_bytes: int) -> None:
        self._gang = gang
        self._bucket_bytes = bucket_bytes

    def average(self, grads: list[Any], share: StepShare | None, weighted: bool) -> list[Any]:
        """Return the mean of gradients over the gang, by the workers' weights.

        Parameters
        ----------
        grads : list of tensor
            They may be IndexedSlices, which become dense, or None.
        share : StepShare or None
            The worker's part of the batch; without one, all workers count the same.
        weighted : bool
            Whether the loss was multiplied by the weight before.
        """
        import tensorflow as tf

        dense = {i: grad for i, grad in enumerate(_densify(grads)) if grad is not None}
        if not dense:
            return grads
        weight = tf.constant(1.0) if share is None else share.weight
        real = None if share is None else share.real
        buckets = self._buckets(dense)
        flats = [
            self._flatten([dense[i] for i in bucket], None if weighted else weight, real)
            for bucket in buckets
        ]
        with tf.control_dependencies(flats):
            ready = tf.timestamp()
        flats, tail = self._with_tail(flats, weight)
        totals = [
            self._gang.reduce(flat, self._key(position, flat))
            for position, flat in enumerate(flats)
        ]
        size = 2 + self._gang.size
        sent, totals[tail] = totals[tail][-size:], totals[tail][:-size]
        self._keep(sent, ready, totals)
        out = list(grads)
        for bucket, total in zip(buckets, totals, strict=False):
            mean = total / tf.cast(sent[0], total.dtype)
            sizes = [_count(dense[i]) for i in bucket]
            for i, part in zip(bucket, tf.split(mean, sizes), strict=True):
                out[i] = tf.reshape(part, dense[i].shape)
        return out

    def _buckets(self, dense: dict[int, Any]) -> list[list[int]]:
        """Group gradients of one type, in the order in which backpropagation has them."""
        buckets: list[list[int]] = []
        open_bytes: dict[Any, int] = {}
        open_bucket: dict[Any, list[int]] = {}
        for i in reversed(dense):
            kind = dense[i].dtype
            needed = _count(dense[i]) * kind.size
            if kind not in open_bucket or open_bytes[kind] + needed > self._bucket_bytes:
                open_bucket[kind], open_bytes[kind] = [], 0
                buckets.append(open_bucket[kind])
            open_bucket[kind].append(i)
            open_bytes[kind] += needed
        return buckets

    def _flatten(self, grads: Sequence[Any], weight: Any, real: Any) -> Any:
        import tensorflow as tf

        flat = tf.concat([tf.reshape(grad, [-1]) for grad in grads], 0)
        if weight is not None:
            flat = flat * tf.cast(weight, flat.dtype)
        # No example: nothing counts that an invented one gives, not even a NaN.
        return flat if real is None else tf.where(real, flat, tf.zeros_like(flat))

    def _with_tail(self, flats: list[Any], weight: Any) -> tuple[list[Any], int]:
        """Add what the workers tell each other to the first float32 sum; return its place."""
        import tensorflow as tf

        gang, variables = self._gang, self._gang.variables
        waits = tf.one_hot(gang.rank, gang.size) * tf.cast(variables.wait, tf.float32)
        tail = tf.concat([[tf.cast(weight, tf.float32)], [variables.stop], waits], 0)
        for i, flat in enumerate(flats):
            if flat.dtype == tf.float32:
                flats = list(flats)
                flats[i] = tf.concat([flat, tail], 0)
                return flats, i
        return [*flats, tail], len(flats)

    def _key(self, position: int, flat: Any) -> int:
        # With the object, not its id: a later optimizer may get the same one, on some workers.
        return self._gang.key("grads", self, position, flat.shape[0], flat.dtype)

    def _keep(self, sent: Any, ready: Any, totals: Sequence[Any]) -> None:
        import tensorflow as tf

        variables = self._gang.variables
        variables.stopped.assign(sent[1])
        variables.waits.assign(tf.cast(sent[2:], tf.float64))
        with tf.control_dependencies([ready, *totals]):
            wait = tf.timestamp() - ready
        variables.wait.assign(wait)
        variables.reduce_seconds.assign_add(wait)


def _densify(grads: Iterable[Any]) -> list[Any]:
    import tensorflow as tf

    return [None if grad is None else tf.convert_to_tensor(grad) for grad in grads]


def _count(grad: Any) -> int:
    return int(np.prod(grad.shape.as_list()))
