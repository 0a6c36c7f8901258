"""BatchNormalization(synchronized=True) over a gang: the statistics of the whole batch."""

from __future__ import annotations

from typing import Any

from sparkexp.distributed.collectives import Collectives

__all__ = ["synchronise_moments"]


def synchronise_moments(gang: Collectives) -> None:
    """Let Keras's synchronised layers of this process take mean and variance over the gang.

    Each worker gives its number of examples, its mean and its sum of squared deviations; they are
    combined without the cancellation of E[x²] - E[x]².

    References
    ----------
    T. F. Chan, G. H. Golub and R. J. LeVeque (1979). Updating formulae and a pairwise algorithm
    for computing sample variances. Technical report STAN-CS-79-773, Stanford University.
    """
    from keras.src.backend.tensorflow import nn

    alone = nn._compute_moments

    def moments(x: Any, axes: Any, keepdims: bool = False) -> Any:
        if gang.size == 1:
            return alone(x, axes, keepdims)
        return _moments(gang, x, axes, keepdims)

    nn._compute_moments_sync = moments


def _moments(gang: Collectives, x: Any, axes: Any, keepdims: bool) -> Any:
    import tensorflow as tf

    kind = x.dtype
    x = tf.cast(x, tf.float64 if kind == tf.float64 else tf.float32)
    mean, variance = tf.nn.moments(x, axes, keepdims=True)
    shape = tf.shape(mean)
    own = tf.cast(tf.size(x) / tf.size(mean), x.dtype)
    if gang.share is not None and gang.share.real is not None:
        own = own * tf.cast(gang.share.real, x.dtype)
    row = tf.concat(
        [tf.reshape(own, [1]), tf.reshape(mean, [-1]), tf.reshape(variance * own, [-1])], 0
    )
    rows = _gather_rows(gang, row, mean.shape.num_elements())
    size = tf.size(mean)
    counts, means, deviations = rows[:, :1], rows[:, 1 : 1 + size], rows[:, 1 + size :]
    total = tf.reduce_sum(counts)
    joint = tf.reduce_sum(counts * means, 0) / total
    between = tf.reduce_sum(counts * tf.square(means - joint), 0)
    spread = (tf.reduce_sum(deviations, 0) + between) / total
    mean, variance = tf.reshape(joint, shape), tf.reshape(spread, shape)
    if not keepdims:
        mean, variance = tf.squeeze(mean, axes), tf.squeeze(variance, axes)
    return tf.cast(mean, kind), tf.cast(variance, kind)


def _gather_rows(gang: Collectives, row: Any, channels: int | None) -> Any:
    """Return the rows of all workers, by rank; the gradient is the same sum."""
    import tensorflow as tf

    parts = ("moments", channels, row.dtype)
    place = gang.position(*parts)
    forward, backward = gang.key(*parts, place, "forward"), gang.key(*parts, place, "backward")
    own = tf.one_hot(gang.rank, gang.size, dtype=row.dtype)

    @tf.custom_gradient  # type: ignore[untyped-decorator]
    def gather(row: Any) -> Any:
        rows = gang.reduce(own[:, None] * row[None, :], forward)
        return rows, lambda upstream: gang.reduce(upstream, backward)[gang.rank]

    return gather(row)
