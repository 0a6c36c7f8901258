"""Checks what a user gives as a parameter's value, values or name."""

from __future__ import annotations

import math
from collections.abc import KeysView, Mapping, Sequence, ValuesView
from typing import Any, TypeGuard

import numpy as np

from sparkexp.errors import SpaceError
from sparkexp.trial import ParamValue

__all__ = ["check_names", "finite_float", "is_number", "as_list", "to_native", "whole_number"]


def to_native(value: object) -> ParamValue:
    """Return `value` as a Python int, float, str or bool; numpy scalars are converted.

    Raises
    ------
    SpaceError
        If it has another type, or is NaN or infinite.

    Examples
    --------
    >>> to_native(np.float64(0.5)), to_native(np.int32(3)), to_native(True)
    (0.5, 3, True)
    """
    if isinstance(value, (bool, np.bool_)):
        return bool(value)
    if isinstance(value, (int, np.integer)):
        if abs(int(value)) >= 2**63:
            raise SpaceError(
                "A parameter's whole number must fit into 64 bits, and this one does not: give it "
                "as a string and convert it to an int inside the train function."
            )
        return int(value)
    if isinstance(value, (float, np.floating)):
        if not math.isfinite(value):
            raise SpaceError(
                f"A parameter's value must be finite, got {value}: give a string such as 'none' "
                "instead and convert it inside the train function."
            )
        return float(value)
    if isinstance(value, str):
        return str.__str__(value)
    _refuse_known_mistakes(value)
    raise SpaceError(
        f"A parameter's value must be an int, float, str or bool, or in a list or a Choice also "
        f"None, a tuple or a list of these, got {value!r} "
        f"({type(value).__name__}): give a string or an index instead and map it to the object "
        "inside the train function."
    )


def _refuse_known_mistakes(value: object) -> None:
    """Raise an error with the way out for what is often given in the place of values."""
    if hasattr(value, "__next__"):
        raise SpaceError(f"A parameter's values must be a list, got {value!r}: write list(…).")
    package = type(value).__module__.partition(".")[0]
    if package in ("optuna", "ray", "hyperopt", "keras_tuner"):
        raise SpaceError(
            f"A parameter must be one of sparkexp's, got {value!r} of {package}: write "
            f"{_translate(value)}."
        )


def _translate(value: Any) -> str:
    """Return what another library's range is called here; examples where it can't be told."""
    if hasattr(value, "choices"):
        return f"experiment.Choice({list(value.choices)!r})"
    low, high = getattr(value, "low", None), getattr(value, "high", None)
    if low is None or high is None:
        return (
            "experiment.Float(0.0001, 0.1, log=True), experiment.Int(1, 8) or "
            "experiment.Choice(['adam', 'sgd'])"
        )
    kind = "Int" if isinstance(low, int) and isinstance(high, int) else "Float"
    return f"experiment.{kind}({low}, {high}{', log=True' * bool(getattr(value, 'log', False))})"


def as_list(given: object) -> list[Any] | None:
    """Return the elements of a sequence as a list; None for a scalar, also for a string.

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
    """Return whether a native value is an int or a float; a bool is neither."""
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def check_names(params: Mapping[str, object]) -> None:
    """Check that all names can be names of a function's arguments.

    Raises
    ------
    SpaceError
        If `params` isn't a mapping, or a name isn't an identifier.
    """
    if not isinstance(params, Mapping):
        raise SpaceError(
            f"Parameters must be a dict by name, got {params!r}: write "
            "{'learning_rate': [0.001, 0.01]}."
        )
    for name in params:
        if not isinstance(name, str) or not name.isidentifier():
            raise SpaceError(
                f"A parameter's name must be the name of an argument of the train function, got "
                f"{name!r}: use letters, digits and underscores."
            )


def finite_float(what: str, value: object) -> float:
    """Return a finite number as a float; a bool is not a number.

    Raises
    ------
    SpaceError
        If it is not one; the message begins with `what`.
    """
    number = value.item() if isinstance(value, np.generic) else value
    try:
        if is_number(number) and math.isfinite(number):
            return float(number)
    except OverflowError:
        pass  # an int that is too large for a float
    raise SpaceError(f"{what} takes finite numbers, got {value!r}: write for example 0.1.")


def whole_number(what: str, value: object) -> int:
    """Return a whole number as an int; neither a bool nor 3.0 is one.

    Raises
    ------
    SpaceError
        If it is not one; the message begins with `what`.
    """
    number = value.item() if isinstance(value, np.generic) else value
    if isinstance(number, int) and not isinstance(number, bool):
        return int(number)
    raise SpaceError(f"{what} takes whole numbers, got {value!r}: write an int, or use Float.")
