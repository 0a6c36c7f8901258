"""Reads Parquet as a `tf.data.Dataset`: all rows, or one worker's part of them."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import Any

from sparkexp.errors import InvalidArgumentError
from sparkexp.storage.columns import as_numpy
from sparkexp.storage.parquet import ParquetRows

__all__ = ["dataset"]

# Rows that are read at once.
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

    It is made for train functions: it reads from any file system with the settings in the
    environment, as `sparkexp.storage.open` does, needs no Spark, and holds a few thousand rows at
    a time. The rows have the same order on every machine; ``.shuffle(…)`` mixes them.

    Parameters
    ----------
    place : str or path
        A directory that Spark or `experiment.save_frame` wrote, or one file.
    columns : str or sequence of str, optional
        The columns of an element. With a sequence an element is a dict by column, with one name it
        is that column's tensor. By default, all columns but the label. A column of lists gives
        vectors; its lists must have the same length.
    label : str, optional
        The column of the label. Each element is then a pair: the columns and the label.
    batch_size : int, optional
        Rows in an element; the last batch may have fewer. By default, elements are single rows.
    num_shards : int
        The number of parts that the rows are divided into. Their sizes differ by one row at most.
    index : int
        The part to read, from 0; the rows of other parts are not read.

    Returns
    -------
    tf.data.Dataset
        A data set that knows its cardinality and prefetches.

    Raises
    ------
    InvalidArgumentError
        If a column doesn't exist, or a number is out of range.
    StorageError
        If the data can't be read, or TensorFlow has no type for a column.

    Examples
    --------
    >>> def train(learning_rate):  # doctest: +SKIP
    ...     data = storage.dataset('hdfs:///data/train', label='price', batch_size=64)
    ...     model.fit(data.shuffle(100), epochs=10)
    """
    if not isinstance(place, (str, os.PathLike)):
        raise InvalidArgumentError(
            f"A data set must be a path or a URL, got {type(place).__name__}. A trial can't read "
            "a Spark DataFrame: write it once with experiment.save_frame(frame, place) on the "
            "driver, and give the place."
        )
    _check_numbers(num_shards, index, batch_size)
    rows = ParquetRows(place)
    start, stop = (rows.n_rows * number // num_shards for number in (index, index + 1))
    if start == stop:
        raise InvalidArgumentError(
            f"num_shards must be at most the number of rows, which is {rows.n_rows} in "
            f"{rows.location!r}, got {num_shards}. Use fewer workers, or all rows in each."
        )
    return _make_dataset(
        rows, _choose_columns(rows, columns, label), label, start, stop, batch_size
    )


def _check_numbers(num_shards: int, index: int, batch_size: int | None) -> None:
    numbers = {"num_shards": (num_shards, 1), "index": (index, 0), "batch_size": (batch_size, 1)}
    for name, (value, least) in numbers.items():
        if name == "batch_size" and value is None:
            continue
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            raise InvalidArgumentError(
                f"{name} must be a whole number of at least {least}, got {value!r}. Leave it out "
                "to read all rows one by one."
            )
    if index >= num_shards:
        raise InvalidArgumentError(
            f"index must be below num_shards={num_shards}, got {index}. The first part is 0."
        )


def _choose_columns(
    rows: ParquetRows, columns: str | Sequence[str] | None, label: str | None
) -> str | list[str]:
    if columns is None:
        selected: str | list[str] = [name for name in rows.columns if name != label]
    else:
        selected = columns if isinstance(columns, str) else list(columns)
    names = [selected] if isinstance(selected, str) else selected
    for name in names if label is None else [*names, label]:
        if name not in rows.columns:
            raise InvalidArgumentError(
                f"A column must be one of {rows.location!r}, got {name!r}. There are "
                f"{', '.join(rows.columns)}."
            )
    if not names or label in names or len(set(names)) < len(names):
        raise InvalidArgumentError(
            f"columns must name at least one column, each only once, and not the label {label!r}, "
            f"got {columns!r}. Leave it out for all columns but the label."
        )
    return selected


def _make_dataset(
    rows: ParquetRows,
    selected: str | list[str],
    label: str | None,
    start: int,
    stop: int,
    batch_size: int | None,
) -> Any:
    import tensorflow as tf

    names = [selected] if isinstance(selected, str) else selected
    read = names if label is None else [*names, label]

    def elements(first: int = start, n_rows: int = N_READ) -> Iterator[Any]:
        for batch in rows.batches(read, first, stop, n_rows):
            arrays = {name: as_numpy(name, batch.column(name)) for name in read}
            features = arrays[selected] if isinstance(selected, str) else _select(arrays, selected)
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


def _select(arrays: dict[str, Any], names: list[str]) -> dict[str, Any]:
    return {name: arrays[name] for name in names}
