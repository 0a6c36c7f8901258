"""Numbers that note how a function compares them, which shows what a constraint asks for."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from sparkexp.trial import ParamValue

__all__ = ["Trace", "trace_numbers"]

_Method: TypeAlias = Callable[..., Any]
# numpy's comparisons of two numbers.
_COMPARED = ("less", "less_equal", "greater", "greater_equal", "equal", "not_equal")


@dataclass
class Trace:
    """What a function has compared.

    Parameters
    ----------
    n : int
        The number of comparisons.
    gap : float
        The difference of the two numbers that were compared last.
    """

    n: int = 0
    gap: float = 0.0

    def add(self, one: Any, other: Any) -> None:
        """Note a comparison."""
        try:
            gap = abs(float(one) - float(other))
        except (TypeError, ValueError, OverflowError):
            return  # with a text, say
        if gap == gap:
            self.n, self.gap = self.n + 1, gap


def trace_numbers(params: Mapping[str, ParamValue], trace: Trace) -> dict[str, Any]:
    """Return a configuration whose numbers, and what is computed from them, note comparisons.

    Where a function leaves Python's and numpy's arithmetic, such as by `math.sin`, the result is
    an ordinary number.

    Examples
    --------
    >>> trace = Trace()
    >>> numbers = trace_numbers({'a': 1, 'b': 2.5, 'c': 'text'}, trace)
    >>> 2 * numbers['a'] < 1 and numbers['b'] < 9, trace
    (False, Trace(n=1, gap=1.0))
    """
    return {name: _wrap(value, trace) for name, value in params.items()}


def _wrap(value: Any, trace: Trace) -> Any:
    if isinstance(value, bool | np.bool_):
        return value
    if isinstance(value, int | np.integer):
        return _TracedInt(int(value)).note_in(trace)
    if isinstance(value, float | np.floating):
        return _TracedFloat(float(value)).note_in(trace)
    return value


def _plain(value: Any) -> Any:
    if isinstance(value, _TracedInt):
        return int(value)
    return float(value) if isinstance(value, _TracedFloat) else value


def _apply_ufunc(self: Any, ufunc: Any, method: str, *inputs: Any, **settings: Any) -> Any:
    """Call one of numpy's functions, for its protocol ``__array_ufunc__``."""
    plain = [_plain(each) for each in inputs]
    result = getattr(ufunc, method)(*plain, **settings)
    if ufunc.__name__ in _COMPARED and len(plain) == 2:
        self.trace.add(*plain)
    return _wrap(result, self.trace)


def _computing(function: _Method) -> _Method:
    def compute(self: Any, *others: Any) -> Any:
        return _wrap(function(_plain(self), *map(_plain, others)), self.trace)

    return compute


def _reversed(function: _Method) -> _Method:
    def compute(self: Any, other: Any) -> Any:
        return _wrap(function(_plain(other), _plain(self)), self.trace)

    return compute


def _comparing(function: _Method) -> _Method:
    def compare(self: Any, other: Any) -> Any:
        self.trace.add(_plain(self), _plain(other))
        return function(_plain(self), _plain(other))

    return compare


class _TracedInt(int):
    trace: Trace
    __array_ufunc__ = _apply_ufunc

    def note_in(self, trace: Trace) -> _TracedInt:
        self.trace = trace
        return self

    __hash__ = int.__hash__


class _TracedFloat(float):
    trace: Trace
    __array_ufunc__ = _apply_ufunc

    def note_in(self, trace: Trace) -> _TracedFloat:
        self.trace = trace
        return self

    __hash__ = float.__hash__


for _class in (_TracedInt, _TracedFloat):
    for _name in ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow"):
        setattr(_class, f"__{_name}__", _computing(getattr(operator, _name)))
        setattr(_class, f"__r{_name}__", _reversed(getattr(operator, _name)))
    for _name in ("neg", "pos", "abs"):
        setattr(_class, f"__{_name}__", _computing(getattr(operator, _name)))
    for _name in ("lt", "le", "gt", "ge", "eq", "ne"):
        setattr(_class, f"__{_name}__", _comparing(getattr(operator, _name)))
