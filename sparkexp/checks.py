"""Checks of arguments; an error names the rule, the value, and a way out."""

from __future__ import annotations

import inspect
import math
import numbers
from collections.abc import Callable, Sequence
from typing import Any, get_args

from sparkexp.errors import InvalidArgumentError
from sparkexp.objective import Objective, objectives_of
from sparkexp.trial import Direction

# The largest int that a float holds exactly; counts and seconds are smaller.
MAX_INT = 2**53

__all__ = ["as_direction", "as_float", "as_int", "as_objectives", "class_name", "name_deferred"]


def as_int(name: str, value: object, *, at_least: int) -> int:
    """Return a whole number as an int. Numbers of numpy are accepted; a bool is not a number."""
    if isinstance(value, numbers.Integral) and not isinstance(value, bool):
        if at_least <= (number := int(value)) <= MAX_INT:
            return number
    raise InvalidArgumentError(
        f"{name} is a whole number of at least {at_least}, got {value!r}: give for example "
        f"{name}={max(at_least, 10)}."
    )


def as_float(
    name: str,
    value: object,
    *,
    low: float = -math.inf,
    high: float = math.inf,
    above: bool = False,
) -> float:
    """Return a finite number in ``[low, high]``, or in ``(low, high]`` if `above`, as a float."""
    if isinstance(value, numbers.Real) and not isinstance(value, bool):
        is_small = not isinstance(value, int) or abs(value) <= MAX_INT
        number = float(value) if is_small else math.nan
        if math.isfinite(number) and low <= number <= high and not (above and number == low):
            return number
    if high < math.inf:
        rule = f" in {'(' if above else '['}{low:g}, {high:g}]"
        example = (low + high) / 4
    else:
        rule, example = ("" if low == -math.inf else f" above {low:g}"), 10.0
    raise InvalidArgumentError(
        f"{name} is a number{rule}, got {value!r}: give for example {name}={example:g}."
    )


def as_direction(value: object) -> Direction:
    """Return ``'max'`` or ``'min'``."""
    directions: tuple[Direction, ...] = get_args(Direction)
    for direction in directions:
        if value == direction:
            return direction
    raise InvalidArgumentError(
        f"direction must be 'max' or 'min', got {value!r}. Give 'max' for an accuracy, 'min' for "
        "a loss."
    )


def as_objectives(value: object, metric: str | Sequence[str] | None) -> tuple[Objective, ...]:
    """Return the objectives: one, unless direction and metric are lists of the same length.

    Examples
    --------
    >>> as_objectives('max', 'accuracy')
    (Objective(name='accuracy', direction='max'),)
    """
    if metric is None or isinstance(metric, str):
        return (Objective(metric, as_direction(value)),)
    given = value if isinstance(value, (list, tuple)) else []
    if len(given) != len(metric):
        raise InvalidArgumentError(
            f"direction must have one entry for each of metric={list(metric)}, got {value!r}: "
            "give for each whether it is maximised or minimised, such as "
            "direction=['max', 'min']."
        )
    return objectives_of(metric, [as_direction(direction) for direction in given])


def class_name(thing: object) -> str:
    """Return the name of an object's class, with that of its module.

    Examples
    --------
    >>> from pathlib import PurePosixPath
    >>> class_name(PurePosixPath('a')), class_name({})
    ('pathlib.PurePosixPath', 'dict')
    """
    cls = type(thing)
    module = "" if cls.__module__ == "builtins" else f"{cls.__module__}."
    return f"{module}{cls.__qualname__}"


def name_deferred(function: Callable[..., Any]) -> str:
    """Return what a function is whose call doesn't run it; an empty text if the call does.

    Examples
    --------
    >>> async def ask(p):
    ...     return True
    >>> def each(p):
    ...     yield True
    >>> name_deferred(ask), name_deferred(each), name_deferred(len)
    ('async function', 'generator function', '')
    """
    for each in (function, type(function).__call__):  # of an object, that of its class
        if inspect.iscoroutinefunction(each) or inspect.isasyncgenfunction(each):
            return "async function"
        if inspect.isgeneratorfunction(each):
            return "generator function"
    return ""
