"""Writes the attributes of Keras's callbacks as JSON and arrays, without pickle."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

__all__ = ["Unwritable", "decode", "encode", "same"]


class Unwritable(TypeError):
    """A value is none of those that can be written: a function, a model, an open file."""


def encode(value: object, arrays: list[np.ndarray]) -> Any:
    """Return a value as JSON, with the arrays in it put into a list.

    Parameters
    ----------
    value : object
        None, a bool, a number, a text or an array, or a list, tuple or dict of such values.
    arrays : list of numpy.ndarray
        Gets the arrays; the JSON has their numbers in it.

    Raises
    ------
    Unwritable
        If it is, or holds, something else.

    Examples
    --------
    >>> arrays = []
    >>> encode({'best': 0.5, 'weights': [np.zeros(2)]}, arrays)
    {'dict': [['best', 0.5], ['weights', {'list': [{'array': 0}]}]]}
    """
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, np.ndarray | np.generic):
        if value.dtype.kind == "O":
            raise Unwritable("an array of objects")
        arrays.append(np.asarray(value))
        return {"scalar" if isinstance(value, np.generic) else "array": len(arrays) - 1}
    if type(value) is list:
        return {"list": [encode(entry, arrays) for entry in value]}
    if type(value) is tuple:
        return {"tuple": [encode(entry, arrays) for entry in value]}
    if type(value) is dict:
        pairs = value.items()
        return {"dict": [[encode(key, arrays), encode(entry, arrays)] for key, entry in pairs]}
    raise Unwritable(type(value).__name__)


def decode(written: Any, arrays: Sequence[np.ndarray]) -> Any:
    """Return the value that `encode` got.

    Raises
    ------
    ValueError
        If it is nothing that `encode` writes.
    """
    if not isinstance(written, Mapping):
        return written
    ((kind, content),) = written.items()
    if kind in ("array", "scalar"):
        array = arrays[content]
        return array[()] if kind == "scalar" else array
    if kind == "list":
        return [decode(entry, arrays) for entry in content]
    if kind == "tuple":
        return tuple(decode(entry, arrays) for entry in content)
    if kind == "dict":
        return {decode(key, arrays): decode(entry, arrays) for key, entry in content}
    raise ValueError(f"{kind!r} is no kind of value")


def same(one: tuple[Any, list[np.ndarray]], other: tuple[Any, list[np.ndarray]]) -> bool:
    """Tell whether two values are the same, each given as its JSON and its own arrays."""
    # As text: NaN is the same as NaN, and 1 is not the same as True.
    if repr(one[0]) != repr(other[0]) or len(one[1]) != len(other[1]):
        return False
    return all(
        a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()
        for a, b in zip(one[1], other[1], strict=True)
    )
