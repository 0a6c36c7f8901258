"""What a user may give as the value, the values or the name of a parameter."""

from __future__ import annotations

import math
from collections.abc import KeysView, Mapping, Sequence, ValuesView
from typing import Any, TypeGuard

import numpy as np

from sparkexp.errors import SpaceError
from sparkexp.trial import ParamValue

__all__ = ["check_names", "finite_float", "is_number", "listed", "native", "whole_number"]


def native(value: object) -> ParamValue:
    """Return `value` as a Python int, float, str or bool; numpy scalars are converted.

    Raises
    ------
    SpaceError
        If it is anything else, or NaN or infinite.

    Examples
    --------
    >>> native(np.float64(0.5)), native(np.int32(3)), native(True)
    (0.5, 3, True)
    """
    if isinstance(value, (bool, np.bool_)):
        return bool(value)
    if isinstance(value, (int, np.integer)):
        if abs(int(value)) >= 2**63:
            raise SpaceError(
                "A parameter's whole number fits 64 bits, and this one does not: give it as a "
                "string and turn it into an int inside the train function."
            )
        return int(value)
    if isinstance(value, (float, np.floating)):
        if not math.isfinite(value):
            raise SpaceError(
                f"A parameter's value is finite, got {value}: give a string such as 'none' "
                "instead and map it inside the train function."
            )
        return float(value)
    if isinstance(value, str):
        return str.__str__(value)
    raise SpaceError(
        f"A parameter's value is an int, float, str or bool, got {value!r} "
        f"({type(value).__name__}): give a string or an index instead and map it to the object "
        "inside the train function."
    )


def listed(given: object) -> list[Any] | None:
    """Return the elements of something list-like, or None for a scalar; a string is a scalar.

    Raises
    ------
    SpaceError
        If it is a set, which has no order.
    """
    if isinstance(given, (set, frozenset)):
        raise SpaceError(f"A set has no order, got {given!r}: give a list.")
    if isinstance(given, (str, bytes)):
        return None
    if isinstance(given, (Sequence, KeysView, ValuesView)):
        return list(given)
    # numpy arrays and pandas columns, not numpy scalars.
    if getattr(given, "ndim", 0) and hasattr(given, "__iter__"):
        return list(given)
    return None


def is_number(value: object) -> TypeGuard[int | float]:
    """Tell whether a native value is an int or a float; a bool is neither here."""
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def check_names(params: Mapping[str, object]) -> None:
    """Raise a SpaceError unless all names can be names of a function's arguments.

    Raises
    ------
    SpaceError
        If `params` isn't a mapping or a name is no string or no identifier.
    """
    if not isinstance(params, Mapping):
        raise SpaceError(
            f"Parameters are given as a dict by name, got {params!r}: write "
            "{'learning_rate': [0.001, 0.01]}."
        )
    for name in params:
        if not isinstance(name, str) or not name.isidentifier():
            raise SpaceError(
                f"A parameter's name is the name of an argument of the train function, got "
                f"{name!r}: use letters, digits and underscores."
            )


def finite_float(what: str, value: object) -> float:
    """Return a finite number as a float; a bool is no number.

    Raises
    ------
    SpaceError
        If it is none; the message begins with `what`.
    """
    number = value.item() if isinstance(value, np.generic) else value
    try:
        if is_number(number) and math.isfinite(number):
            return float(number)
    except OverflowError:
        pass  # an int which no float holds
    raise SpaceError(f"{what} takes finite numbers, got {value!r}: write for example 0.1.")


def whole_number(what: str, value: object) -> int:
    """Return a whole number as an int; neither a bool nor 3.0 is one.

    Raises
    ------
    SpaceError
        If it is none; the message begins with `what`.
    """
    number = value.item() if isinstance(value, np.generic) else value
    if isinstance(number, int) and not isinstance(number, bool):
        return int(number)
    raise SpaceError(f"{what} takes whole numbers, got {value!r}: write an int, or use Float.")
