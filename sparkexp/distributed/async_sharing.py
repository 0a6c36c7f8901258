"""Each worker's share of the training data, for strategy 'async'."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sparkexp.distributed.sharing import check_end
from sparkexp.engine.gang import BatchSize
from sparkexp.errors import InvalidArgumentError

__all__ = ["DataShare", "split_batch"]

_KERAS_BATCH_SIZE = 32


def split_batch(batch_size: int, rank: int, workers: int) -> int:
    """Return a worker's part of the gang's batch.

    Raises
    ------
    InvalidArgumentError
        If there is nothing for some workers.

    Examples
    --------
    >>> [split_batch(32, rank, workers=3) for rank in range(3)]
    [11, 11, 10]
    """
    if batch_size < workers:
        raise InvalidArgumentError(
            "batch_size is the sum over all workers, so it must be at least their number, "
            f"{workers}, got {batch_size}. Give a larger one, fewer workers, or "
            "batch_size='worker' to distribute(): then each worker takes that many."
        )
    return batch_size // workers + (rank < batch_size % workers)


@dataclass(frozen=True)
class DataShare:
    """Takes a worker's share of what `fit` is given.

    Arrays: in each epoch all workers have the same order, of which a worker takes every n-th
    example, so that each example comes once an epoch. Datasets: a worker takes its slice of each
    batch (batch_size='gang'), or every n-th batch ('worker').

    Parameters
    ----------
    rank : int
        The worker.
    workers : int
        How many there are.
    batch_size : {'gang', 'worker'}
        Whether a batch is shared by the workers, or is one worker's.
    seed : int
        Orders examples; the same in all workers.
    """

    rank: int
    workers: int
    batch_size: BatchSize
    seed: int

    def share(self, given: dict[str, Any]) -> dict[str, Any]:
        """Return the arguments of `fit` with a worker's share instead of all data.

        Parameters
        ----------
        given : dict
            The arguments, by name; those left out have their defaults.

        Raises
        ------
        InvalidArgumentError
            If the data can't be shared.
        """
        import keras
        import tensorflow as tf

        x = given["x"]
        check_end(x, given["steps_per_epoch"], "x")
        check_end(given["validation_data"], given["validation_steps"], "validation_data")
        if isinstance(x, tf.data.Dataset):
            return {**given, "x": self._share_dataset(x)}
        if isinstance(x, keras.utils.PyDataset) or hasattr(x, "__next__") or callable(x):
            raise InvalidArgumentError(
                "With strategy='async' the training data must be arrays or a tf.data.Dataset, "
                f"of which each worker takes its share, got a {type(x).__name__}. Make it one "
                "with tf.data.Dataset.from_generator."
            )
        return self._share_arrays(given)

    def _share_dataset(self, dataset: Any) -> Any:
        import keras
        import tensorflow as tf

        if self.workers == 1:
            return dataset
        if self.batch_size == "worker":
            return dataset.shard(self.workers, self.rank)

        def cut(*batch: Any) -> Any:
            parts = keras.tree.map_structure(lambda a: a[self.rank :: self.workers], batch)
            return parts if len(parts) > 1 else parts[0]

        def is_there(*batch: Any) -> Any:
            return tf.shape(keras.tree.flatten(batch)[0])[0] > 0

        return dataset.map(cut, tf.data.AUTOTUNE).filter(is_there)

    def _share_arrays(self, given: dict[str, Any]) -> dict[str, Any]:
        import keras
        import numpy as np

        data = tuple(
            keras.tree.map_structure(_to_array, given[name])
            for name in ("x", "y", "sample_weight")
            if given[name] is not None
        )
        if given["sample_weight"] is not None and given["y"] is None:
            data = (data[0], np.zeros(len(data[1])), data[1])
        sizes = {len(array) for array in keras.tree.flatten(data)}
        if len(sizes) != 1:
            raise InvalidArgumentError(
                f"x, y and sample_weight must have the same length, got {sorted(sizes)}."
            )
        size = sizes.pop()
        result = {**given, "y": None, "sample_weight": None, "shuffle": False}
        if given["validation_split"] and given["validation_data"] is None:
            # As Keras does it: the last examples, before anything is shuffled.
            split = int(size * (1.0 - given["validation_split"]))
            result["validation_data"] = keras.tree.map_structure(lambda a: a[split:], data)
            size = split
            result["validation_batch_size"] = (
                given["validation_batch_size"] or given["batch_size"] or _KERAS_BATCH_SIZE
            )
        result["validation_split"] = 0.0
        batch = given["batch_size"] or _KERAS_BATCH_SIZE
        if result["validation_data"] is not None:
            result["validation_batch_size"] = given["validation_batch_size"] or batch
        result["batch_size"] = None
        if self.batch_size == "gang":
            batch = split_batch(batch, self.rank, self.workers)
        result["x"] = self._make_dataset(data, size, batch, bool(given["shuffle"]))
        if given["steps_per_epoch"] is not None:
            result["x"] = result["x"].repeat()
        return result

    def _make_dataset(self, data: tuple[Any, ...], size: int, batch: int, shuffles: bool) -> Any:
        """Return a dataset of batches of this worker's share, in another order each epoch."""
        import keras
        import tensorflow as tf

        if size < self.workers:
            raise InvalidArgumentError(
                f"There must be an example for each of {self.workers} workers, got {size}. Take "
                "fewer workers."
            )
        epochs = itertools.count()
        tensors = keras.tree.map_structure(tf.convert_to_tensor, data)

        def draw_batches() -> Iterator[Any]:
            own = self._order(size, next(epochs), shuffles)
            for start in range(0, len(own), batch):
                yield own[start : start + batch]

        def gather(indices: Any) -> Any:
            return keras.tree.map_structure(lambda a: tf.gather(a, indices), tensors)

        spec = tf.TensorSpec([None], tf.int64)
        batches = tf.data.Dataset.from_generator(draw_batches, output_signature=spec)
        steps = -(-len(range(self.rank, size, self.workers)) // batch)
        counted = batches.apply(tf.data.experimental.assert_cardinality(steps))
        return counted.map(gather, tf.data.AUTOTUNE).prefetch(tf.data.AUTOTUNE)

    def _order(self, size: int, epoch: int, shuffles: bool) -> Any:
        import numpy as np

        order = np.arange(size, dtype=np.int64)
        if shuffles:
            np.random.default_rng([self.seed, epoch]).shuffle(order)
        return order[self.rank :: self.workers]


def _to_array(given: Any) -> Any:
    """Return an array as Keras makes it: floats of its own precision, a series as a column."""
    import keras
    import numpy as np
    import tensorflow as tf

    if isinstance(given, tf.Tensor):
        array = given.numpy()
    elif hasattr(given, "to_numpy"):
        array = given.to_numpy()
        if array.ndim == 1:
            array = array[:, None]
    else:
        array = np.asarray(given)
    if np.issubdtype(array.dtype, np.floating):
        array = array.astype(keras.config.floatx(), copy=False)
    return array
