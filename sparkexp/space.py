"""The search space: named parameters, and their way to and from the unit cube."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from sparkexp.errors import SpaceError
from sparkexp.parameters import Choice, Float, Int, Parameter, parameter_from_json
from sparkexp.trial import ParamValue
from sparkexp.values import check_names, is_number, listed, native

__all__ = ["Choice", "Float", "Int", "Parameter", "Space"]

_T = TypeVar("_T")
_R = TypeVar("_R")


@dataclass(frozen=True)
class Space:
    """Named parameters; their order is the order of the axes of the unit cube.

    Parameters
    ----------
    parameters : Mapping[str, Float | Int | Choice]
        At least one; the names are those of the train function's arguments.
    plain : frozenset of str
        Names of those given as a plain list, not as an object; `hints` speaks of these.

    Examples
    --------
    >>> space = Space({'learning_rate': Float(0.0001, 0.1, log=True), 'num_layers': Int(1, 3)})
    >>> space.decode(np.array([1.0, 0.5]))
    {'learning_rate': 0.1, 'num_layers': 2}
    >>> space.encode({'learning_rate': 0.1, 'num_layers': 2})
    array([1. , 0.5])
    """

    parameters: Mapping[str, Parameter]
    plain: frozenset[str] = field(default=frozenset(), repr=False, compare=False)

    def __post_init__(self) -> None:
        check_names(self.parameters)
        if not self.parameters:
            raise SpaceError("A search space has at least one parameter, got none.")
        for name, parameter in self.parameters.items():
            if not isinstance(parameter, Parameter):
                raise SpaceError(
                    f"{name}: a parameter of a Space is a Float, Int or Choice, got "
                    f"{parameter!r}: use one of these, or Space.from_search_dict."
                )
        # A copy: the user's dict may change after this.
        object.__setattr__(self, "parameters", dict(self.parameters))

    @classmethod
    def from_search_dict(cls, search_dict: Mapping[str, object]) -> Space:
        """Return the space of a random or evolutionary search.

        Two ints are the bounds of an `Int`, two numbers of which one is a float those of a
        `Float`, in either order; strings, bools, and more or fewer than two values are a
        `Choice`; one value stays what it is; `Float`, `Int` and `Choice` are taken as they are.

        Raises
        ------
        SpaceError
            If a name or a value can't be used; the message names the parameter.

        Examples
        --------
        >>> space = Space.from_search_dict({'dropout': [0.99, 0.01], 'units': [16, 32, 64]})
        >>> [parameter.describe() for parameter in space.parameters.values()]
        ['float in [0.01, 0.99]', 'one of 16, 32, 64']
        """
        parameters = _parse(search_dict, _from_search_value)
        plain = frozenset(k for k, v in search_dict.items() if not isinstance(v, Parameter))
        return cls(parameters, plain)

    @classmethod
    def from_grid_dict(cls, grid_dict: Mapping[str, object]) -> Space:
        """Return the space of a grid search: a list is its values, also one of two numbers.

        Raises
        ------
        SpaceError
            If a name or a value can't be used or a `Float` is continuous; the message names the
            parameter.

        Examples
        --------
        >>> Space.from_grid_dict({'dropout': [0.5, 0.6], 'units': Int(1, 3)}).n_configurations
        6
        """
        return cls(_parse(grid_dict, _from_grid_value))

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> Space:
        """Return the space that `to_json` wrote.

        Raises
        ------
        SpaceError
            If the record isn't one of ours.
        """
        try:
            entries = [(entry["name"], entry["parameter"]) for entry in record["parameters"]]
        except (KeyError, TypeError):
            raise SpaceError(f"This is no space that sparkexp wrote: {record!r}.") from None
        return cls({name: parameter_from_json(parameter) for name, parameter in entries})

    def to_json(self) -> dict[str, Any]:
        """Return the space as a dict that `json` can write."""
        # A list, since the order matters and whoever writes the JSON may sort its keys.
        entries = [{"name": n, "parameter": p.to_json()} for n, p in self.parameters.items()]
        return {"parameters": entries}

    def __len__(self) -> int:
        return len(self.parameters)

    @property
    def names(self) -> tuple[str, ...]:
        """The parameters' names in order."""
        return tuple(self.parameters)

    @property
    def n_dims(self) -> int:
        """The number of axes of the unit cube."""
        return len(self.parameters)

    @property
    def n_configurations(self) -> int | None:
        """The number of different configurations; None if a parameter is continuous."""
        product = 1
        for parameter in self.parameters.values():
            n = parameter.n_values
            if n is None:
                return None
            product *= n
        return product

    def decode(self, genome: NDArray[np.float64]) -> dict[str, ParamValue]:
        """Return the configuration at a point of the unit cube, of shape ``(n_dims,)``."""
        if genome.shape != (self.n_dims,):
            raise SpaceError(f"A genome has the shape ({self.n_dims},), got {genome.shape}.")
        items = zip(self.parameters.items(), genome.tolist(), strict=True)
        return {name: parameter.decode(u) for (name, parameter), u in items}

    def encode(self, params: Mapping[str, ParamValue]) -> NDArray[np.float64]:
        """Return a point of the unit cube which decodes to the configuration.

        Raises
        ------
        SpaceError
            If names are missing or unknown, or a value is not one of its parameter.
        """
        if set(params) != set(self.parameters):
            raise SpaceError(
                f"A configuration of this space has the names {', '.join(self.names)}, got "
                f"{', '.join(map(str, params)) or 'none'}."
            )
        values = {name: _named(name, native, value) for name, value in params.items()}
        return np.array(
            [_named(name, p.encode, values[name]) for name, p in self.parameters.items()]
        )

    def hints(self) -> list[str]:
        """Return advice on parameters that are valid, but probably not what is meant.

        Examples
        --------
        >>> print(Space.from_search_dict({'learning_rate': [0.005, 0.00005]}).hints()[0])
        ... # doctest: +NORMALIZE_WHITESPACE
        learning_rate spans two decades or more: Float(5e-05, 0.005, log=True) searches every
        decade alike, a plain list mostly its upper end.
        """
        return [
            f"{name} spans two decades or more: Float({p.low!r}, {p.high!r}, log=True) searches "
            "every decade alike, a plain list mostly its upper end."
            for name, p in self.parameters.items()
            if name in self.plain and isinstance(p, Float) and _spans_two_decades(p)
        ]


def _parse(
    given: Mapping[str, object], parse: Callable[[object], Parameter]
) -> dict[str, Parameter]:
    check_names(given)
    return {name: _named(name, parse, value) for name, value in given.items()}


def _named(name: str, function: Callable[[_T], _R], value: _T) -> _R:
    """Call `function`; its SpaceError gets the parameter's name in front."""
    try:
        return function(value)
    except SpaceError as error:
        raise SpaceError(f"{name}: {error}") from None


def _from_search_value(given: object) -> Parameter:
    if isinstance(given, Parameter):
        return given
    options = listed(given)
    if options is None:
        return Choice((native(given),))
    options = [native(option) for option in options]
    if len(options) == 2 and all(is_number(option) for option in options):
        low, high = options
        whole = isinstance(low, int) and isinstance(high, int)
        return Int(low, high) if whole else Float(low, high)
    return Choice(options)


def _from_grid_value(given: object) -> Parameter:
    if isinstance(given, Parameter):
        if given.n_values is None:
            given.values()  # raises, and says what to do
        return given
    options = listed(given)
    return Choice((native(given),) if options is None else options)


def _spans_two_decades(parameter: Float) -> bool:
    if parameter.log or parameter.low <= 0:
        return False
    # As decimals: 0.005 / 0.00005 is 100 to the user, whatever it is in doubles.
    return Fraction(repr(parameter.high)) >= 100 * Fraction(repr(parameter.low))
