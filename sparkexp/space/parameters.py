"""Typed parameters, which convert values to and from the unit interval.

A searcher works on numbers in [0, 1], and the train function gets native Python values. `Float`,
`Int` and `Choice` convert one to the other.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass
from fractions import Fraction
from types import MappingProxyType
from typing import Any

from sparkexp.errors import SpaceError
from sparkexp.space.architecture import ArchitectureSpace
from sparkexp.space.choice import Choice
from sparkexp.space.plain_objects import object_from_json
from sparkexp.space.recorded_architecture import architecture_from_json
from sparkexp.space.unit_interval import cell_index, cell_middle, check_unit, store_fields
from sparkexp.space.values import finite_float, is_number, whole_number
from sparkexp.trial import ParamValue

__all__ = ["Axis", "Choice", "Float", "Int", "Parameter", "axes_of", "parameter_from_json"]

# With at most so many values, doubles in [0, 1] distinguish neighbouring values for certain.
_MAX_VALUES = 2**40


class _Range:
    """What `Float` and `Int` share."""

    low: float
    high: float
    log: bool
    step: float | None

    def describe(self) -> str:
        """Return a description of the range for the plan.

        Examples
        --------
        >>> Float(0.005, 0.00005).describe()
        'float in [5e-05, 0.005]'
        """
        if self.low == self.high:
            return f"always {self.low!r}"
        step = "" if self.step is None else f", step {self.step!r}"
        kind = type(self).__name__.lower()
        return f"{kind} in [{self.low!r}, {self.high!r}]{', log' * self.log}{step}"

    def to_json(self) -> dict[str, Any]:
        """Return the parameter as a dict that `json` can write."""
        settings = {name: getattr(self, name) for name in ("low", "high", "log", "step")}
        return {"type": type(self).__name__.lower(), **settings}


@dataclass(frozen=True)
class Float(_Range):
    """A real number between two bounds, both included, given in either order.

    Parameters
    ----------
    low, high : float
        The bounds.
    log : bool
        Whether the logarithm is searched: every decade gets the same share of trials.
    step : float, optional
        Only ``low``, ``low + step``, … up to `high`.

    Examples
    --------
    >>> Float(0.1, 0.0001, log=True).decode(1.0)
    0.1
    >>> Float(0.1, 0.5, step=0.1).values()
    [0.1, 0.2, 0.3, 0.4, 0.5]
    """

    low: float
    high: float
    _: KW_ONLY
    log: bool = False
    step: float | None = None

    def __post_init__(self) -> None:
        bounds = sorted(finite_float("Float", bound) for bound in (self.low, self.high))
        store_fields(self, low=bounds[0], high=bounds[1], log=bool(self.log))
        if self.step is not None:
            store_fields(self, step=finite_float("Float's step", self.step))
        _check_range(self)
        if math.isinf(self.high - self.low):
            raise SpaceError(
                f"The width of a range must be a finite float, got {self}: narrow it."
            )
        _check_count(self, self.n_values or 1)

    @property
    def n_values(self) -> int | None:
        """The number of values; None for a continuous range."""
        if self.step is None:
            return 1 if self.low == self.high else None
        low, high, step = map(_as_decimal, (self.low, self.high, self.step))
        return int((high - low) // step) + 1

    def values(self) -> list[ParamValue]:
        """Return all values, ascending.

        Raises
        ------
        SpaceError
            If the range is continuous.
        """
        n = self.n_values
        if n is None:
            raise SpaceError(
                f"A grid needs a list of values, and {self} is a continuous range: give a list of "
                "values, or a step. Random and evolutionary searches take ranges."
            )
        return [self._value(k) for k in range(n)]

    def decode(self, u: float) -> float:
        """Return the value at `u` in [0, 1]."""
        u, n = check_unit(u), self.n_values
        if n is not None:
            return self._value(cell_index(u, n))
        # exp and log round: the ends are returned exactly, and other values clamped.
        if u in (0.0, 1.0):
            return self.high if u else self.low
        if self.log:
            value = math.exp(math.log(self.low) * (1 - u) + math.log(self.high) * u)
        else:
            value = self.low * (1 - u) + self.high * u
        return min(max(value, self.low), self.high)

    def encode(self, value: ParamValue) -> float:
        """Return the point of [0, 1] that decodes to `value`, up to rounding.

        Raises
        ------
        SpaceError
            If `value` is out of bounds or between two steps.
        """
        if not is_number(value) or not self.low <= float(value) <= self.high:
            raise SpaceError(f"{value!r} is not a number within {self.describe()}.")
        n = self.n_values
        if n is None:
            scale = math.log if self.log else float
            low, width = scale(self.low), scale(self.high) - scale(self.low)
            if not width:  # the bounds are so close that their logarithms are equal
                return float(value > self.low)
            return min(max((scale(float(value)) - low) / width, 0.0), 1.0)
        steps = 0.0
        if self.step is not None:
            steps = float(
                (_as_decimal(float(value)) - _as_decimal(self.low)) / _as_decimal(self.step)
            )
        k = round(steps)
        # A sum such as 0.1 + 0.1 + 0.1 differs from its step by a rounding error.
        if abs(steps - k) > 1e-6 or k >= n:
            raise SpaceError(f"{value!r} is not a step of {self.describe()}.")
        return cell_middle(k, n)

    def _value(self, k: int) -> float:
        # In exact decimals: users expect 0.1 + 2 * 0.1 to be 0.3, not 0.30000000000000004.
        return float(_as_decimal(self.low) + k * _as_decimal(self.step or 0.0))


@dataclass(frozen=True)
class Int(_Range):
    """A whole number between two bounds, both included, given in either order.

    All values are equally likely, the bounds included.

    Parameters
    ----------
    low, high : int
        The bounds.
    log : bool
        Whether the logarithm is searched: log-uniform on ``[low - 0.5, high + 0.5]``, rounded.
    step : int, optional
        Only ``low``, ``low + step``, … up to `high`.

    Examples
    --------
    >>> [Int(1, 3).decode(u) for u in (0.0, 0.3, 0.5, 0.7, 1.0)]
    [1, 1, 2, 3, 3]
    >>> Int(16, 128, step=16).n_values
    8
    """

    low: int
    high: int
    _: KW_ONLY
    log: bool = False
    step: int | None = None

    def __post_init__(self) -> None:
        bounds = sorted(whole_number("Int", bound) for bound in (self.low, self.high))
        store_fields(self, low=bounds[0], high=bounds[1], log=bool(self.log))
        if self.step is not None:
            store_fields(self, step=whole_number("Int's step", self.step))
        _check_range(self)
        _check_count(self, self.high if self.log else self.n_values)

    @property
    def n_values(self) -> int:
        """The number of values."""
        return (self.high - self.low) // (self.step or 1) + 1

    def values(self) -> list[ParamValue]:
        """Return all values, ascending."""
        return list(range(self.low, self.high + 1, self.step or 1))

    def decode(self, u: float) -> int:
        """Return the value at `u` in [0, 1]."""
        u = check_unit(u)
        if not self.log:
            return self.low + cell_index(u, self.n_values) * (self.step or 1)
        value = math.exp(math.log(self.low - 0.5) * (1 - u) + math.log(self.high + 0.5) * u)
        return min(max(math.floor(value + 0.5), self.low), self.high)

    def encode(self, value: ParamValue) -> float:
        """Return the middle of the part of [0, 1] that decodes to `value`.

        Raises
        ------
        SpaceError
            If `value` is not an int, out of bounds or between two steps.
        """
        if isinstance(value, bool) or not isinstance(value, int):
            raise SpaceError(f"{value!r} is not an int within {self.describe()}.")
        k, rest = divmod(value - self.low, self.step or 1)
        if rest or not 0 <= k < self.n_values:
            raise SpaceError(f"{value!r} is not a value of {self.describe()}.")
        if not self.log:
            return cell_middle(k, self.n_values)
        low, high = math.log(self.low - 0.5), math.log(self.high + 0.5)
        scale = (math.log(value - 0.5) + math.log(value + 0.5)) / 2
        return (scale - low) / (high - low)


#: A parameter that is one axis of the unit cube.
Axis = Float | Int | Choice
Parameter = Axis | ArchitectureSpace


def axes_of(parameter: Parameter) -> tuple[Axis, ...]:
    """Return the axes of the unit cube that a parameter has: itself, or its decisions."""
    return parameter.axes if isinstance(parameter, ArchitectureSpace) else (parameter,)


def parameter_from_json(record: Mapping[str, Any], only_shown: bool = False) -> Parameter:
    """Return the parameter that its `to_json` wrote.

    Parameters
    ----------
    record : Mapping[str, Any]
        The record.
    only_shown : bool
        Whether an architecture space may be one whose class is not defined here.

    Raises
    ------
    SpaceError
        If sparkexp did not write the record.
    """
    settings = {name: value for name, value in record.items() if name != "type"}
    try:
        match record.get("type"):
            case "float":
                return Float(**settings)
            case "int":
                return Int(**settings)
            case "choice":
                return _choice_from_json(**settings, only_shown=only_shown)
            case "architecture":
                return architecture_from_json(record, only_shown)
    except TypeError:
        pass  # unknown or missing names
    raise SpaceError(
        f"A parameter's record must be one that sparkexp wrote, got {dict(record)!r}."
    )


def _choice_from_json(
    options: list[ParamValue],
    ordered: bool,
    branches: list[Any] | None = None,
    objects: Mapping[str, Any] = MappingProxyType({}),
    only_shown: bool = False,
) -> Choice:
    given = [object_from_json(objects[str(v)]) if v in objects else v for v in options]
    if branches is None:
        return Choice(given, ordered=ordered)
    subs = [
        {e["name"]: parameter_from_json(e["parameter"], only_shown) for e in sub}
        for sub in branches
    ]
    return Choice(dict(zip(given, subs, strict=True)), ordered=ordered)


def _check_range(parameter: Float | Int) -> None:
    if parameter.step is not None and parameter.step <= 0:
        raise SpaceError(f"A step must be above 0, got {parameter}: give a positive one.")
    if parameter.log and parameter.step is not None:
        raise SpaceError(
            f"A range must not have both log and step, got {parameter}: leave one out."
        )
    if parameter.log and parameter.low <= 0:
        raise SpaceError(
            f"A range with log=True must have bounds above 0, got {parameter}: raise the lower "
            "bound, or leave log out."
        )


def _check_count(parameter: Float | Int, count: int) -> None:
    if count > _MAX_VALUES:
        raise SpaceError(
            f"A range of whole numbers or steps must have at most 2**40 values (with log=True, "
            f"bounds up to 2**40), got {parameter}: narrow it, or use a continuous Float."
        )


def _as_decimal(number: float) -> Fraction:
    """Return the exact decimal that the user wrote, not the nearest double."""
    return Fraction(repr(number))
