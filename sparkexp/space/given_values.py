"""Parameters from what a user gives: bounds, lists, single values."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from sparkexp.errors import SpaceError
from sparkexp.space.listed_architectures import list_architectures
from sparkexp.space.parameters import Choice, Float, Int, Parameter
from sparkexp.space.values import as_list, is_number, to_native

__all__ = ["call_for", "from_grid_value", "from_search_value"]

_T = TypeVar("_T")
_R = TypeVar("_R")


def call_for(name: str, function: Callable[[_T], _R], value: _T) -> _R:
    """Call `function` for a parameter; its SpaceError gets the parameter's name in front."""
    try:
        return function(value)
    except SpaceError as error:
        raise SpaceError(f"{name}: {error}") from None


def from_search_value(given: object) -> Parameter:
    """Return the parameter of a random or evolutionary search; see `Space.from_search_dict`."""
    if isinstance(given, Choice):
        return given.parse_branches(lambda name, sub: call_for(name, from_search_value, sub))
    if isinstance(given, Parameter):
        return given
    options = as_list(given)
    if (architectures := list_architectures([given] if options is None else options)) is not None:
        return architectures
    if options is None:
        return Choice((to_native(given),))
    options = [to_native(option) for option in options]
    if len(options) == 2 and all(is_number(option) for option in options):
        low, high = options
        whole = isinstance(low, int) and isinstance(high, int)
        return Int(low, high) if whole else Float(low, high)
    return Choice(options)


def from_grid_value(given: object) -> Parameter:
    """Return the parameter of a grid; see `Space.from_grid_dict`."""
    if isinstance(given, Choice):
        return given.parse_branches(lambda name, sub: call_for(name, from_grid_value, sub))
    if isinstance(given, Parameter):
        if given.n_values is None:
            given.values()  # raises an error that says what to do
        return given
    options = as_list(given)
    if (architectures := list_architectures([given] if options is None else options)) is not None:
        return architectures
    return Choice((to_native(given),) if options is None else options)
