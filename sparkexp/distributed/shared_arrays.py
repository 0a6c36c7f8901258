"""Arrays, shared out in an order that is a pure function of the seed and the epoch.

So a fit that goes on from a checkpoint has the order of one that was not interrupted, and gets to
any place of an epoch without reading what lies before.
"""

from __future__ import annotations

from typing import Any

from sparkexp.distributed.collectives import Collectives
from sparkexp.errors import InvalidArgumentError

__all__ = ["share_arrays"]


def share_arrays(
    data: tuple[Any, Any, Any],
    gang: Collectives,
    batch_size: int | None,
    *,
    steps: int | None = None,
    shuffle: Any = False,
    class_weight: Any = None,
) -> Any:
    """Return a DataAdapter of Keras with this worker's part of each batch.

    Parameters
    ----------
    data : tuple
        x, y and sample_weight: arrays, and nests of them.
    gang : Collectives
        The workers.
    batch_size : int or None
        Examples in a batch of the gang; None: what makes `steps` steps of the data.
    steps : int, optional
        Steps in an epoch. By default, once through the data.
    shuffle : bool or 'batch'
        Whether examples, or only batches, are in random order.
    class_weight : dict, optional
        As in Keras's fit.

    Returns
    -------
    DataAdapter
        With `examples`, `batch_size` and `spec`, and with `start_at(epoch, example)`, to be called
        before each epoch.
    """
    from keras.src.trainers.data_adapters import array_data_adapter

    class SharedArrays(array_data_adapter.ArrayDataAdapter):  # type: ignore[misc]
        """Of every batch, each size-th example from this worker's rank on."""

        def __init__(self) -> None:
            x, y, sample_weight = data
            super().__init__(
                x,
                y,
                sample_weight=sample_weight,
                class_weight=class_weight,
                batch_size=batch_size,
                steps=steps,
            )
            self.examples = int(self._num_samples)
            self._epochs = _Epochs(self.examples, int(self._batch_size), gang, steps, shuffle)
            self._dataset = _gather(self._epochs, self._inputs)
            self.spec = self._dataset.element_spec
            self.start_at = self._epochs.start_at

        @property
        def num_batches(self) -> int:
            return self._epochs.steps_left

        def get_tf_dataset(self) -> Any:
            return self._dataset

    return SharedArrays()


class _Epochs:
    """The indices of this worker's examples, step by step.

    Parameters
    ----------
    n, batch_size : int
        Examples in the data, and in a batch of the gang.
    gang : Collectives
        The workers.
    steps : int or None
        Steps in an epoch, if it isn't one pass through the data.
    shuffle : bool or 'batch'
        Whether examples, or only batches, are in random order.
    """

    def __init__(
        self, n: int, batch_size: int, gang: Collectives, steps: int | None, shuffle: Any
    ) -> None:
        import tensorflow as tf

        self._n = n
        self._batch_size = batch_size
        self._gang = gang
        self._fixed_steps = steps is not None
        self._shuffle = shuffle
        self._steps_per_pass = -(-n // batch_size)
        self.steps_per_epoch = steps or self._steps_per_pass
        # In the epoch that begins next.
        self.steps_left = self.steps_per_epoch
        with tf.init_scope(), tf.device("CPU:0"):
            self._start = tf.Variable([0, 0], trainable=False, dtype=tf.int64)

    def start_at(self, epoch: int, example: int = 0) -> None:
        """Let the next iterator give an epoch, from one of its examples on."""
        if self._fixed_steps and example % self._batch_size:
            raise InvalidArgumentError(
                "With steps_per_epoch, an epoch goes on at a whole batch of "
                f"{self._batch_size}, got example {example}."
            )
        self._start.assign([epoch, example])
        if self._fixed_steps:
            self.steps_left = self.steps_per_epoch - example // self._batch_size
        else:
            self.steps_left = -(-(self._n - example) // self._batch_size)

    def indices(self) -> Any:
        """Return a data set that gives an epoch: a part of one or more passes."""
        import tensorflow as tf

        return tf.data.Dataset.from_tensors(0).flat_map(self._passes)

    def _passes(self, _: Any) -> Any:
        import tensorflow as tf

        epoch, example = tf.unstack(self._start.read_value())
        first = epoch * self.steps_per_epoch + example // self._batch_size
        last = (epoch + 1) * self.steps_per_epoch
        # What was seen of a batch of another size, before the batch size changed.
        offset = example % self._batch_size
        steps_per_pass = -(-(self._n - offset) // self._batch_size)

        def one_pass(number: Any) -> Any:
            order = self._order(number)
            before = number * self._steps_per_pass
            begin = tf.maximum(first - before, 0)
            end = tf.minimum(last - before, steps_per_pass)
            return tf.data.Dataset.range(begin, end).map(
                lambda step: self._part(order, offset, step)
            )

        per_pass = self._steps_per_pass
        passes = tf.data.Dataset.range(first // per_pass, (last - 1) // per_pass + 1)
        return passes.flat_map(one_pass)

    def _order(self, number: Any) -> Any:
        """Return the order of a pass: of its batches, or of its examples."""
        import tensorflow as tf

        count = self._steps_per_pass if self._shuffle == "batch" else self._n
        order = tf.range(count, dtype=tf.int64)
        if not self._shuffle:
            return order
        seed = tf.stack([tf.constant(self._gang.seed, tf.int64), number])
        return tf.random.experimental.stateless_shuffle(order, seed)

    def _part(self, order: Any, offset: Any, step: Any) -> Any:
        import tensorflow as tf

        rank, size = self._gang.rank, self._gang.size
        begin = offset + (order[step] if self._shuffle == "batch" else step) * self._batch_size
        end = tf.minimum(begin + self._batch_size, self._n)
        if self._shuffle == "batch":
            return tf.range(begin, end)[rank::size]
        return order[begin + rank : end : size]


def _gather(epochs: _Epochs, inputs: Any) -> Any:
    """Return a data set of the examples of arrays, by their indices."""
    import tensorflow as tf
    from keras.src import tree
    from keras.src.trainers.data_adapters import array_slicing

    tensors = tree.lists_to_tuples(
        array_slicing.convert_to_sliceable(inputs, target_backend="tensorflow")
    )

    def gather(indices: Any, tensors: Any) -> Any:
        def take(tensor: Any) -> Any:
            if isinstance(tensor, array_slicing.TensorflowSparseWrapper):
                return array_slicing.slice_tensorflow_sparse_wrapper(tensor, indices)
            if isinstance(tensor, (list, tuple, dict)):
                return None  # look into it
            return tf.gather(tensor, indices) if tf.is_tensor(tensor) else tensor

        return tree.traverse(take, tensors)

    data = tf.data.Dataset.from_tensors(tensors).repeat()
    dataset = tf.data.Dataset.zip((epochs.indices(), data))
    # As in Keras's own: they would copy the data to rewrite the graph.
    options = tf.data.Options()
    options.experimental_optimization.apply_default_optimizations = False
    dataset = dataset.map(gather, num_parallel_calls=tf.data.AUTOTUNE).with_options(options)
    return dataset.prefetch(tf.data.AUTOTUNE)
