"""Shares data out: every worker gets its part of each batch, and makes as many steps.

The part of worker r of k is every k-th example from r on. So the parts of a batch differ by one
example at most, also where the last batch of an epoch has few; one of fewer examples than workers
leaves some with an empty part, which the training step must know (`Shared.may_be_empty`).
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any

from sparkexp.distributed.collectives import Collectives
from sparkexp.engine.gang import BatchSize
from sparkexp.errors import InvalidArgumentError

__all__ = [
    "Shared",
    "check_end",
    "global_batch",
    "mark_own",
    "share_batch",
    "share_data",
    "share_examples",
]

logger = logging.getLogger(__name__)

DEFAULT_BATCH = 32
_SHAREABLE = (
    "Give arrays, a tf.data.Dataset, sparkexp.storage.dataset(…) or a keras.utils.PyDataset."
)


@dataclass(frozen=True)
class Shared:
    """Data of which each worker reads its part.

    Parameters
    ----------
    data : DataAdapter, tf.data.Dataset or PyDataset
        What Keras's fit and evaluate get as x.
    spec : nested TensorSpec or None
        Of a batch, where it is known before the first one.
    batch_size : int or None
        Examples in a batch of the whole gang, if that is known.
    examples : int or None
        Examples in an epoch of the whole gang, if that is known.
    may_be_empty : bool
        Whether a batch may have fewer examples than there are workers.
    by_place : bool
        Whether an epoch can start anywhere (`SharedArrays.start_at`).
    """

    data: Any
    spec: Any
    batch_size: int | None
    examples: int | None
    may_be_empty: bool
    by_place: bool = False


def global_batch(
    batch_size: int | None,
    gang: Collectives,
    meaning: BatchSize,
    name: str = "batch_size",
) -> int:
    """Return how many examples all workers take together."""
    given = DEFAULT_BATCH if batch_size is None else int(batch_size)
    if meaning == "worker":
        return given * gang.size
    if given < gang.size:
        raise InvalidArgumentError(
            f"{name} is that of the whole gang, and must be at least its {gang.size} workers, got "
            f"{given}. Take a larger one; or if it is meant for each worker, give "
            "experiment.distribute, or in a search experiment.Gang, batch_size='worker'."
        )
    return given


def share_data(
    data: tuple[Any, Any, Any],
    gang: Collectives,
    meaning: BatchSize,
    *,
    batch_size: int | None = None,
    steps: int | None = None,
    shuffle: Any = False,
    class_weight: Any = None,
    name: str = "x",
) -> Shared:
    """Return this worker's part of what fit or evaluate was given.

    Parameters
    ----------
    data : tuple
        x, y and sample_weight.
    gang : Collectives
        The workers.
    meaning : str
        Whether a batch is that of the gang, or of each worker.
    batch_size : int, optional
        Examples in a batch, for arrays.
    steps : int, optional
        Steps in an epoch, for what doesn't end by itself.
    shuffle : bool or 'batch'
        For arrays.
    class_weight : dict, optional
        For arrays; Keras itself adds it to other data.
    name : str
        The argument, for messages.

    Raises
    ------
    InvalidArgumentError
        If the data can't be shared out.
    """
    import keras
    import tensorflow as tf
    from keras.src.trainers.data_adapters.array_data_adapter import can_convert_arrays

    from sparkexp.distributed.shared_arrays import share_arrays

    x, y, sample_weight = data
    if can_convert_arrays((x, y, sample_weight)):
        if batch_size is not None or steps is None:
            batch_size = global_batch(batch_size, gang, meaning)
        adapter = share_arrays(
            data, gang, batch_size, steps=steps, shuffle=shuffle, class_weight=class_weight
        )
        n, batch = adapter.examples, adapter.batch_size
        empty = 0 < n % batch < gang.size
        return Shared(adapter, adapter.spec, batch, n, empty, by_place=True)
    check_end(x, steps, name)
    if isinstance(x, tf.data.Dataset):
        return _share_dataset(x, gang, meaning, steps, name)
    if isinstance(x, keras.utils.PyDataset):
        return _share_py_dataset(x, gang, meaning)
    raise InvalidArgumentError(
        f"{name} of type {type(x).__name__} can't be shared out by the {gang.size} workers of a "
        f"gang: its examples can't be told apart before they were read. {_SHAREABLE} A generator "
        "becomes one by tf.data.Dataset.from_generator(…) with apply("
        "tf.data.experimental.assert_cardinality(…))."
    )


def check_end(data: Any, steps: int | None, name: str) -> None:
    """Check that an epoch of data has an end.

    Raises
    ------
    InvalidArgumentError
        If the data say that they have none, and no number of steps is given. The end of data of
        unknown length may be missing, too: that shows only when they are read.
    """
    import keras
    import tensorflow as tf

    if steps is not None:
        return
    if isinstance(data, tf.data.Dataset):
        endless = int(data.cardinality()) == tf.data.INFINITE_CARDINALITY
    else:
        endless = isinstance(data, keras.utils.PyDataset) and data.num_batches is None
    if endless:
        raise InvalidArgumentError(
            f"{name} must have an end, or a number of steps, got a {type(data).__name__} without "
            "end. Give fit steps_per_epoch (validation_steps for validation_data, in evaluate "
            "steps), or leave .repeat() out."
        )


def share_batch(data: tuple[Any, Any, Any], gang: Collectives, meaning: BatchSize) -> Shared:
    """Return this worker's part of a batch of arrays: all of it if batches are a worker's.

    Parameters
    ----------
    data : tuple
        x, y and sample_weight.
    gang : Collectives
        The workers.
    meaning : str
        Whether the batch is that of the gang, or of each worker.

    Raises
    ------
    InvalidArgumentError
        If there isn't an example for each worker.
    """
    from keras import tree

    if meaning == "gang":
        n = min(len(part) for part in tree.flatten(data) if part is not None)
        global_batch(n, gang, meaning, "The batch")
        data = tree.map_structure(
            lambda part: None if part is None else part[gang.rank :: gang.size], data
        )
    return Shared(data, _spec_of(data), None, None, False)


def mark_own(dataset: Any) -> Any:
    """Say of a data set that it is this worker's own; map, batch and the like keep it."""
    import tensorflow as tf

    options = tf.data.Options()
    policy = tf.data.experimental.AutoShardPolicy.OFF
    options.experimental_distribute.auto_shard_policy = policy
    return dataset.with_options(options)


def share_examples(dataset: Any, gang: Collectives, drop_remainder: bool = False) -> Any:
    """Return every size-th example of a data set from this worker's rank on."""
    if gang.size == 1:
        return dataset
    n = int(dataset.cardinality())
    own = dataset.shard(gang.size, gang.rank)
    if drop_remainder:
        if n == -2:
            raise InvalidArgumentError(
                "drop_remainder=True needs a data set that knows its length. Say it with "
                "dataset.apply(tf.data.experimental.assert_cardinality(…)), before share."
            )
        own = own.take(n // gang.size) if n >= 0 else own
    return mark_own(own)


def _is_own(dataset: Any) -> bool:
    import tensorflow as tf

    policy = dataset.options().experimental_distribute.auto_shard_policy
    return bool(policy == tf.data.experimental.AutoShardPolicy.OFF)


def _share_dataset(
    dataset: Any, gang: Collectives, meaning: BatchSize, steps: int | None, name: str
) -> Shared:
    if gang.size == 1:
        return Shared(dataset, dataset.element_spec, None, None, False)
    if _is_own(dataset):
        own = _equalise(dataset, gang, steps, name)
        return Shared(own, own.element_spec, None, None, True)
    batch = _static_batch(dataset.element_spec, gang, name)
    if meaning == "worker":
        if batch is None:
            raise InvalidArgumentError(
                f"With batch_size='worker' the batches of {name} are joined to those of the gang, "
                "but their size isn't known. Use .batch(…, drop_remainder=True), or share the "
                "examples by experiment.gang().share(dataset) before .batch(…)."
            )
        dataset, batch = dataset.rebatch(batch * gang.size), batch * gang.size
    own = dataset.map(_taking_part(dataset.element_spec, gang)).prefetch(2)
    return Shared(own, own.element_spec, batch, None, batch is None)


def _taking_part(spec: Any, gang: Collectives) -> Any:
    """Return a function that takes this worker's part of a batch."""
    import tensorflow as tf

    def take(*parts: Any) -> Any:
        own = tf.nest.map_structure(lambda part: part[gang.rank :: gang.size], parts)
        return own if isinstance(spec, tuple) else own[0]

    return take


def _static_batch(spec: Any, gang: Collectives, name: str) -> int | None:
    """Return the size of a data set's batches, if it is known; check that there are batches."""
    import tensorflow as tf

    sizes = set()
    for part in tf.nest.flatten(spec):
        if isinstance(part, tf.SparseTensorSpec):
            raise InvalidArgumentError(
                f"{name} has sparse tensors, which can't be shared out batch by batch. Share the "
                "examples: experiment.gang().share(dataset) before .batch(…)."
            )
        if part.shape.rank == 0:
            raise InvalidArgumentError(
                f"{name} must have batches, got a tf.data.Dataset of single examples. Call "
                ".batch(…) with the batch size of the whole gang."
            )
        if part.shape.rank is not None:
            sizes.add(part.shape[0])
    batch = sizes.pop() if len(sizes) == 1 else None
    if batch is not None and batch < gang.size:
        raise InvalidArgumentError(
            f"The batches of {name} are those of the whole gang, and must have at least an "
            f"example for each of its {gang.size} workers, got {batch}. Batch more, or share the "
            "examples by experiment.gang().share(dataset) before .batch(…)."
        )
    return batch


def _equalise(dataset: Any, gang: Collectives, steps: int | None, name: str) -> Any:
    """Give all workers' own data sets one number of batches, by empty ones at the end."""
    import tensorflow as tf

    counts = gang.gather(float(dataset.cardinality()))
    if min(counts) < 0:
        if steps is None:
            raise InvalidArgumentError(
                f"{name} is a data set that does not know how many batches it has, so that the "
                "workers of the gang might make different numbers of steps. Give steps_per_epoch "
                "(validation_steps) and .repeat(), or say the number with "
                "dataset.apply(tf.data.experimental.assert_cardinality(…))."
            )
        return dataset
    own, most = int(counts[gang.rank]), int(max(counts))
    specs = tf.nest.flatten(dataset.element_spec)
    dense = all(
        isinstance(spec, tf.TensorSpec) and spec.shape[1:].is_fully_defined() for spec in specs
    )
    if min(counts) == most:
        return dataset
    if not dense:
        logger.warning(
            "The workers have %s batches of %s. Each takes the smallest number, since an empty "
            "batch can't be made where shapes are not known.",
            [int(count) for count in counts],
            name,
        )
        return dataset.take(int(min(counts)))
    empty = tf.nest.map_structure(
        lambda spec: tf.zeros([0, *spec.shape[1:]], spec.dtype), dataset.element_spec
    )
    return dataset.concatenate(tf.data.Dataset.from_tensors(empty).repeat(most - own))


def _share_py_dataset(data: Any, gang: Collectives, meaning: BatchSize) -> Shared:
    import keras

    if gang.size == 1:
        return Shared(data, _spec_of(data[0]), None, None, False)
    if meaning == "worker":
        raise InvalidArgumentError(
            "The batches of a PyDataset must be those of the whole gang, since they can't be "
            "joined, got batch_size='worker'. Let the PyDataset make larger batches, and leave "
            "batch_size out."
        )

    class SharedPyDataset(keras.utils.PyDataset):  # type: ignore[misc]
        """This worker's part of each batch."""

        def __init__(self) -> None:
            super().__init__(
                workers=data.workers,
                use_multiprocessing=data.use_multiprocessing,
                max_queue_size=data.max_queue_size,
            )

        def __getitem__(self, index: int) -> Any:
            return keras.tree.map_structure(
                lambda part: None if part is None else part[gang.rank :: gang.size], data[index]
            )

        @property
        def num_batches(self) -> int | None:
            count: int | None = data.num_batches
            return count

        def on_epoch_begin(self) -> None:
            data.on_epoch_begin()

        def on_epoch_end(self) -> None:
            data.on_epoch_end()

    own = SharedPyDataset()
    return Shared(own, _spec_of(own[0]), None, None, True)


def _spec_of(batch: Any) -> Any:
    """Return the types of batches of arrays that are like one."""
    import keras
    import tensorflow as tf

    return keras.tree.map_structure(
        lambda part: None if part is None else tf.TensorSpec([None, *part.shape[1:]], part.dtype),
        batch,
    )
