"""Parquet as a `tf.data.Dataset`, whole or the part of one worker."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import Any

from sparkexp.errors import InvalidArgumentError
from sparkexp.storage.columns import as_numpy
from sparkexp.storage.parquet import ParquetRows

__all__ = ["dataset"]

# Rows that are read at a time.
N_READ = 1024


def dataset(
    place: str | os.PathLike[str],
    *,
    columns: str | Sequence[str] | None = None,
    label: str | None = None,
    batch_size: int | None = None,
    num_shards: int = 1,
    index: int = 0,
) -> Any:
    """Return the rows of a Parquet file or directory as a `tf.data.Dataset`.

    For train functions: it reads from any file system with the environment's own settings, as
    `sparkexp.storage.open` does, needs no Spark, and holds a few thousand rows at a time. The rows
    come in one order on every machine; ``.shuffle(…)`` mixes them.

    Parameters
    ----------
    place : str or path
        A directory that Spark or `experiment.save_frame` wrote, or one file.
    columns : str or sequence of str, optional
        What an element has: for a sequence a dict by column, for one name just the tensor; by
        default all columns but the label. Lists become vectors, if they are equally long.
    label : str, optional
        Makes each element a pair: the columns and this one.
    batch_size : int, optional
        Elements are batches of so many rows, the last of what is left; single rows by default.
    num_shards : int
        Into how many parts the rows are divided. They differ by one row at most, and each reads
        only its own.
    index : int
        Which part, from 0.

    Returns
    -------
    tf.data.Dataset
        Of known cardinality; it prefetches.

    Raises
    ------
    InvalidArgumentError
        If a column or the number of a part is wrong.
    StorageError
        If there is nothing that can be read, or a column's type is none of TensorFlow's.

    Examples
    --------
    >>> def train(learning_rate):  # doctest: +SKIP
    ...     data = storage.dataset('hdfs:///data/train', label='price', batch_size=64)
    ...     model.fit(data.shuffle(100), epochs=10)
    """
    if not isinstance(place, (str, os.PathLike)):
        raise InvalidArgumentError(
            f"A data set must be a path or a URL, got {type(place).__name__}. A Spark DataFrame "
            "lives on the driver: write it once with experiment.save_frame(frame, place), and "
            "give the place."
        )
    _check_numbers(num_shards, index, batch_size)
    rows = ParquetRows(place)
    start, stop = (rows.n_rows * number // num_shards for number in (index, index + 1))
    if start == stop:
        raise InvalidArgumentError(
            f"num_shards must be at most the number of rows, which is {rows.n_rows} in "
            f"{rows.place!r}, got {num_shards}. Use fewer workers, or all rows in each."
        )
    return _as_dataset(rows, _chosen(rows, columns, label), label, start, stop, batch_size)


def _check_numbers(num_shards: int, index: int, batch_size: int | None) -> None:
    numbers = {"num_shards": (num_shards, 1), "index": (index, 0), "batch_size": (batch_size, 1)}
    for name, (value, least) in numbers.items():
        if name == "batch_size" and value is None:
            continue
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            raise InvalidArgumentError(
                f"{name} must be a whole number from {least}, got {value!r}. Leave it out for all "
                "rows, one by one."
            )
    if index >= num_shards:
        raise InvalidArgumentError(
            f"index must be below num_shards={num_shards}, got {index}. The first part is 0."
        )


def _chosen(
    rows: ParquetRows, columns: str | Sequence[str] | None, label: str | None
) -> str | list[str]:
    if columns is None:
        chosen: str | list[str] = [name for name in rows.columns if name != label]
    else:
        chosen = columns if isinstance(columns, str) else list(columns)
    names = [chosen] if isinstance(chosen, str) else chosen
    for name in names if label is None else [*names, label]:
        if name not in rows.columns:
            raise InvalidArgumentError(
                f"A column must be one that {rows.place!r} has, got {name!r}. There are "
                f"{', '.join(rows.columns)}."
            )
    if not names or label in names or len(set(names)) < len(names):
        raise InvalidArgumentError(
            f"columns must name at least one, each once and none of them the label {label!r}, got "
            f"{columns!r}. Leave them out for all but the label."
        )
    return chosen


def _as_dataset(
    rows: ParquetRows,
    chosen: str | list[str],
    label: str | None,
    start: int,
    stop: int,
    batch_size: int | None,
) -> Any:
    import tensorflow as tf

    names = [chosen] if isinstance(chosen, str) else chosen
    read = names if label is None else [*names, label]

    def elements(first: int = start, n_rows: int = N_READ) -> Iterator[Any]:
        for batch in rows.batches(read, first, stop, n_rows):
            arrays = {name: as_numpy(name, batch.column(name)) for name in read}
            features = arrays[chosen] if isinstance(chosen, str) else _part(arrays, chosen)
            yield features if label is None else (features, arrays[label])

    def spec(array: Any) -> Any:
        kind = tf.string if array.dtype == object else tf.as_dtype(array.dtype)
        return tf.TensorSpec((None, *array.shape[1:]), kind)

    signature = tf.nest.map_structure(spec, next(elements(n_rows=1)))
    data = tf.data.Dataset.from_generator(elements, output_signature=signature)
    data = data.unbatch() if batch_size is None else data.rebatch(batch_size)
    n_elements = -(-(stop - start) // (batch_size or 1))
    return data.apply(tf.data.experimental.assert_cardinality(n_elements)).prefetch(
        tf.data.AUTOTUNE
    )


def _part(arrays: dict[str, Any], names: list[str]) -> dict[str, Any]:
    return {name: arrays[name] for name in names}
