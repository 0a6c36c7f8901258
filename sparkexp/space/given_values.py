"""Parameters from what a user gives: bounds, lists, single values."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TypeVar

from sparkexp.errors import SpaceError
from sparkexp.space.architecture import ArchitectureSpace
from sparkexp.space.architecture_check import check_architectures, refuse_class
from sparkexp.space.constraint import Where
from sparkexp.space.listed_architectures import list_architectures
from sparkexp.space.parameters import Choice, Float, Int, Parameter
from sparkexp.space.plain_objects import is_object
from sparkexp.space.values import as_list, check_names, is_number, to_native

__all__ = [
    "call_for",
    "find_plain",
    "from_grid_value",
    "from_search_value",
    "parse_parameters",
    "give_objects",
]

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
        return _check_parameter(given)
    refuse_class(given)
    options = as_list(given)
    if (architectures := list_architectures([given] if options is None else options)) is not None:
        return architectures
    if options is None:
        return Choice((given,))
    options = [option if is_object(option) else to_native(option) for option in options]
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
        if _check_parameter(given).n_values is None:
            given.values()  # raises an error that says what to do
        return given
    refuse_class(given)
    options = as_list(given)
    if (architectures := list_architectures([given] if options is None else options)) is not None:
        return architectures
    return Choice((given,) if options is None else options)


def _check_parameter(given: Parameter) -> Parameter:
    if isinstance(given, ArchitectureSpace):
        check_architectures(given)
    return given


def parse_parameters(
    given: Mapping[str, object], parse: Callable[[object], Parameter]
) -> dict[str, Parameter]:
    """Return the parameters that `parse` makes of what a user gives, by name."""
    check_names(given)
    return {name: call_for(name, parse, value) for name, value in given.items()}


def find_plain(given: Mapping[str, object]) -> Iterator[str]:
    """Yield the names whose values are no `Float`, `Int` or `Choice`."""
    for name, value in given.items():
        if isinstance(value, Choice):
            for _, sub in value.branches:
                yield from find_plain(dict(sub))
        elif not isinstance(value, Parameter):
            yield name


def give_objects(where: Where, parameters: Mapping[str, Parameter]) -> Where:
    """Return a constraint that is given texts, and gets None, tuples and lists for them."""
    choices = {n: p for n, p in parameters.items() if isinstance(p, Choice) and p.objects}
    if not choices:
        return where
    return lambda params: where(
        {n: choices[n].parse(v) if n in choices else v for n, v in params.items()}
    )
