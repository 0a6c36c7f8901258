"""Converts Arrow columns to arrays that TensorFlow accepts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sparkexp.errors import StorageError

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

__all__ = ["as_numpy"]


def as_numpy(name: str, column: pa.Array) -> np.ndarray[Any, Any]:
    """Return a column as an array; a column of lists gets one more dimension.

    Parameters
    ----------
    name : str
        The column's name, for error messages.
    column : pyarrow.Array
        Numbers, Booleans, texts, bytes, or lists of them.

    Raises
    ------
    StorageError
        If the column has nulls, lists of different lengths, or an unsupported type.

    Examples
    --------
    >>> import pyarrow as pa
    >>> as_numpy('pixels', pa.array([[1, 2], [3, 4], [5, 6]])).shape
    (3, 2)
    """
    from pyarrow import types

    kind = column.type
    if types.is_dictionary(kind):
        return as_numpy(name, column.dictionary_decode())
    if column.null_count and not types.is_floating(kind):
        raise StorageError(
            f"A column must have a value in every row, and {name!r} ({kind}) has "
            f"{column.null_count} nulls in {len(column)} rows. Fill or drop them with Spark: "
            f"frame.fillna(…) or frame.dropna(subset=[{name!r}])."
        )
    if types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind):
        return _stack_lists(name, column)
    text = (types.is_string, types.is_large_string, types.is_binary, types.is_large_binary)
    number = (types.is_integer, types.is_floating, types.is_boolean)
    if any(is_kind(kind) for is_kind in (*text, *number)):
        array: np.ndarray[Any, Any] = column.to_numpy(zero_copy_only=False)
        return array
    raise StorageError(
        f"A column must hold numbers, Booleans, texts, bytes or lists of them, and {name!r} is "
        f"{kind}. Leave it out by columns=, or change it with Spark: .cast('double') for times "
        "and decimals, pyspark.ml.functions.vector_to_array for vectors."
    )


def _stack_lists(name: str, column: pa.Array) -> np.ndarray[Any, Any]:
    import pyarrow.compute

    lengths = pyarrow.compute.list_value_length(column).unique().to_pylist()
    if len(lengths) > 1:
        raise StorageError(
            f"The lists of a column must have the same length, and {name!r} has lists of "
            f"{min(lengths)} and of {max(lengths)} values. Pad them with Spark."
        )
    values = as_numpy(name, column.flatten())
    return values.reshape(len(column), lengths[0] if lengths else 0, *values.shape[1:])
