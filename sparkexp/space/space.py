"""The search space: named parameters, which convert configurations to and from the unit cube."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sparkexp.errors import SpaceError
from sparkexp.space.architecture import ArchitectureSpace
from sparkexp.space.conditions import Condition, combination_at, flatten, index_of, n_combinations
from sparkexp.space.constraint import Constraint
from sparkexp.space.given_values import (
    call_for,
    find_plain,
    from_grid_value,
    from_search_value,
    give_objects,
    parse_parameters,
)
from sparkexp.space.parameters import (
    Axis,
    Choice,
    Float,
    Int,
    Parameter,
    axes_of,
    parameter_from_json,
)
from sparkexp.space.plain_objects import to_value
from sparkexp.space.unit_interval import store_fields
from sparkexp.space.values import check_names, is_number, to_native
from sparkexp.space.where_function import Where, WhereFunction
from sparkexp.trial import ParamValue

__all__ = ["Axis", "Choice", "Float", "Int", "Parameter", "Space"]

# In a space of at most so many configurations `where` is tried on all, else on a sample.
MAX_FEW = 2000


@dataclass(frozen=True)
class Space:
    """Named parameters; their order is the order of the axes of the unit cube.

    Each is an axis; an architecture space has an axis for each of its decisions.

    Parameters
    ----------
    parameters : Mapping[str, Float | Int | Choice | ArchitectureSpace]
        At least one parameter. The names are those of the train function's arguments. The
        attribute also has the parameters of a `Choice`'s values, after the choice, each with an
        axis of its own.
    plain : frozenset of str
        Names of the parameters that were given as a plain list; `hints` is about these.
    where : Callable, optional
        Takes a configuration as a dict and returns whether it is allowed. Points decode only to
        allowed configurations.

    Examples
    --------
    >>> space = Space({'learning_rate': Float(0.0001, 0.1, log=True), 'num_layers': Int(1, 3)})
    >>> space.decode(np.array([1.0, 0.5]))
    {'learning_rate': 0.1, 'num_layers': 2}
    >>> space.encode({'learning_rate': 0.1, 'num_layers': 2})
    array([1. , 0.5])
    >>> space = Space({'optimizer': Choice({'sgd': {'momentum': Float(0, 1)}, 'adam': {}})})
    >>> [space.decode(np.array([u, 0.5])) for u in (0.0, 1.0)]
    [{'optimizer': 'sgd', 'momentum': 0.5}, {'optimizer': 'adam'}]
    """

    parameters: Mapping[str, Parameter]
    plain: frozenset[str] = field(default=frozenset(), repr=False, compare=False)
    where: Where | None = field(default=None, repr=False, compare=False)
    top_level: Mapping[str, Parameter] = field(init=False, repr=False, compare=False)
    conditions: Mapping[str, Condition] = field(init=False, repr=False, compare=False)
    axes: tuple[Axis, ...] = field(init=False, repr=False, compare=False)
    _constraint: Constraint | None = field(init=False, repr=False, compare=False, default=None)

    def __post_init__(self) -> None:
        check_names(self.parameters)
        if not self.parameters:
            raise SpaceError(
                "A search space must have at least one parameter, got none: name one, such as "
                "{'learning_rate': [0.001, 0.01]}."
            )
        parameters, conditions = flatten(self.parameters)
        # A copy: the user's dict may change after this.
        store_fields(self, top_level=dict(self.parameters))
        axes = tuple(axis for p in parameters.values() for axis in axes_of(p))
        store_fields(self, parameters=parameters, conditions=conditions, axes=axes)
        if self.where is not None:
            n = self.n_configurations
            few = [] if n is None or n > MAX_FEW else map(self.configuration, range(n))
            points = [self.encode(params) for params in few]
            where = give_objects(WhereFunction(self.where), self.parameters)
            constraint = Constraint(where, self._decode_raw, self.n_dims, points)
            store_fields(self, _constraint=constraint)

    @classmethod
    def from_search_dict(
        cls, search_dict: Mapping[str, object], where: Where | None = None
    ) -> Space:
        """Return the space of a random or evolutionary search.

        A list of two ints gives the bounds of an `Int`. A list of two numbers, one of them a
        float, gives the bounds of a `Float`; the order doesn't matter. Any other list is a
        `Choice`. A single value is a constant. `Float`, `Int` and `Choice` stay as they are.

        Raises
        ------
        SpaceError
            If a name or a value is not valid; the message names the parameter.

        Examples
        --------
        >>> space = Space.from_search_dict({'dropout': [0.99, 0.01], 'units': [16, 32, 64]})
        >>> [parameter.describe() for parameter in space.parameters.values()]
        ['float in [0.01, 0.99]', 'one of 16, 32, 64']
        """
        parameters = parse_parameters(search_dict, from_search_value)
        return cls(parameters, frozenset(find_plain(search_dict)), where)

    @classmethod
    def from_grid_dict(cls, grid_dict: Mapping[str, object], where: Where | None = None) -> Space:
        """Return the space of a grid search, in which a list is always a list of values.

        Raises
        ------
        SpaceError
            If a name or a value is not valid, or a `Float` is continuous; the message names the
            parameter.

        Examples
        --------
        >>> Space.from_grid_dict({'dropout': [0.5, 0.6], 'units': Int(1, 3)}).n_configurations
        6
        """
        return cls(parse_parameters(grid_dict, from_grid_value), where=where)

    @classmethod
    def from_json(
        cls, record: Mapping[str, Any], where: Where | None = None, only_shown: bool = False
    ) -> Space:
        """Return the space that `to_json` wrote; the record has no `where`.

        Parameters
        ----------
        record : Mapping[str, Any]
            The record.
        where : Callable, optional
            The constraint.
        only_shown : bool
            Whether architecture spaces may be those whose class is not defined here.

        Raises
        ------
        SpaceError
            If sparkexp did not write the record.
        """
        try:
            entries = [(entry["name"], entry["parameter"]) for entry in record["parameters"]]
        except (KeyError, TypeError):
            raise SpaceError(
                f"A space's record must be one that sparkexp wrote, got {record!r}."
            ) from None
        parameters = {name: parameter_from_json(each, only_shown) for name, each in entries}
        return cls(parameters, where=where)

    def to_json(self) -> dict[str, Any]:
        """Return the space as a dict that `json` can write."""
        # A list, since the order matters and the keys of a JSON object may get sorted.
        entries = [{"name": n, "parameter": p.to_json()} for n, p in self.top_level.items()]
        return {"parameters": entries}

    def __len__(self) -> int:
        return len(self.parameters)

    @property
    def names(self) -> tuple[str, ...]:
        """The parameters' names in order."""
        return tuple(self.parameters)

    @property
    def architectures(self) -> dict[str, ArchitectureSpace]:
        """The parameters that are architecture spaces."""
        return {n: p for n, p in self.parameters.items() if isinstance(p, ArchitectureSpace)}

    @property
    def parsed(self) -> dict[str, ArchitectureSpace | Choice]:
        """The parameters of whose values the train function gets objects instead of texts."""
        choices = {n: p for n, p in self.parameters.items() if isinstance(p, Choice) and p.objects}
        return {**self.architectures, **choices}

    @property
    def n_dims(self) -> int:
        """The number of axes of the unit cube."""
        return len(self.axes)

    @property
    def n_configurations(self) -> int | None:
        """The number of different configurations; None if a parameter is continuous.

        It includes those that `where` doesn't allow.
        """
        return n_combinations(self.top_level)

    def configuration(self, k: int) -> dict[str, ParamValue]:
        """Return the k-th of all configurations, the last parameter varying fastest.

        Examples
        --------
        >>> Space.from_grid_dict({'units': [16, 32], 'dropout': [0.5, 0.6]}).configuration(1)
        {'units': 16, 'dropout': 0.6}
        """
        values = combination_at(self.top_level, k)
        return {name: values[name] for name in self.parameters if name in values}

    def index_of(self, params: Mapping[str, ParamValue]) -> int:
        """Return the number of a configuration: the inverse of `configuration`."""
        return index_of(self.top_level, params)

    @property
    def always(self) -> tuple[str, ...]:
        """Names of the parameters that every configuration has."""
        found: list[str] = []
        for name in self.parameters:
            condition = self.conditions.get(name)
            if condition is None or (
                condition.parent in found
                and len(condition.options) == self.parameters[condition.parent].n_values
            ):
                found.append(name)
        return tuple(found)

    def describe(self) -> list[tuple[str, str]]:
        """Return each parameter's name and description."""
        return [
            (name, f"{p.describe()}, {self.conditions[name]}")
            if name in self.conditions
            else (name, p.describe())
            for name, p in self.parameters.items()
        ]

    def decode(self, genome: NDArray[np.float64]) -> dict[str, ParamValue]:
        """Return the configuration at a point of the unit cube, of shape ``(n_dims,)``.

        If it isn't allowed, return the one at the `repaired` point.
        """
        return self._decode_raw(self.repair(genome))

    def allows(self, params: Mapping[str, ParamValue]) -> bool:
        """Return whether a configuration satisfies `where`."""
        return self._constraint is None or self._constraint.allows(params)

    def admits(self, genome: NDArray[np.float64]) -> bool:
        """Return whether a point of the unit cube satisfies `where` without a repair."""
        return self._constraint is None or self.allows(self._decode_raw(genome))

    def repair(
        self, genome: NDArray[np.float64], anchors: NDArray[np.float64] | None = None
    ) -> NDArray[np.float64]:
        """Return the point if it is allowed, else an allowed one near it: see `Constraint`."""
        return genome if self._constraint is None else self._constraint.repair(genome, anchors)

    @property
    def is_narrow(self) -> bool:
        """Whether `where` allows so little that points can't be drawn until one is allowed."""
        return self._constraint is not None and self._constraint.is_narrow

    def draw_point(self, rng: np.random.Generator) -> NDArray[np.float64]:
        """Return a random point of the unit cube, in a narrow space an allowed one."""
        if self._constraint is None or not self._constraint.is_narrow:
            return rng.random(self.n_dims)
        return self._constraint.draw(rng)

    def draw_apart(self, rng: np.random.Generator, n: int) -> NDArray[np.float64]:
        """Return `n` allowed points of a narrow space that lie far from each other."""
        if self._constraint is None:
            return rng.random((n, self.n_dims))
        return self._constraint.draw_apart(rng, n)

    def _decode_raw(self, genome: NDArray[np.float64]) -> dict[str, ParamValue]:
        if genome.shape != (self.n_dims,):
            raise SpaceError(f"A genome must have the shape ({self.n_dims},), got {genome.shape}.")
        values: dict[str, ParamValue] = {}
        genes = genome.tolist()
        for name, parameter in self.parameters.items():
            n = len(axes_of(parameter))
            own, genes = genes[:n], genes[n:]
            if self._is_present(name, values):
                values[name] = _decode(parameter, own)
        return values

    def draw(self, name: str, rng: np.random.Generator) -> ParamValue:
        """Return a value of a parameter, drawn at random."""
        parameter = self.parameters[name]
        return _decode(parameter, rng.random(len(axes_of(parameter))).tolist())

    def encode(self, params: Mapping[str, ParamValue]) -> NDArray[np.float64]:
        """Return a point of the unit cube that decodes to the configuration.

        Raises
        ------
        SpaceError
            If a name is missing or unknown, or a parameter doesn't have the value.
        """
        values = self.check(params)
        genes: list[float] = []
        for name, parameter in self.parameters.items():
            if name in values:
                genes += _encode(name, parameter, values[name])
            else:  # a parameter that is not present has the coordinate 0.5
                genes += [0.5] * len(axes_of(parameter))
        return np.array(genes)

    def check(self, params: Mapping[str, object]) -> dict[str, ParamValue]:
        """Return a configuration with native values, in the order of the parameters.

        Raises
        ------
        SpaceError
            If a name is missing or unknown, or a parameter doesn't have the value.
        """
        check_names(params)
        values: dict[str, ParamValue] = {}
        for name in self.parameters:
            if name in params and self._is_present(name, values):
                values[name] = self.check_value(name, params[name])
        wanted = [name for name in self.parameters if self._is_present(name, values)]
        if set(params) != set(wanted):
            raise SpaceError(
                f"A configuration of this space must have the names {', '.join(wanted)}, got "
                f"{', '.join(map(str, params)) or 'none'}."
            )
        return values

    def check_value(self, name: str, given: object) -> ParamValue:
        """Return a value of one parameter as a configuration has it.

        Raises
        ------
        SpaceError
            If the parameter doesn't have the value.
        """
        parameter = self.parameters[name]
        if isinstance(parameter, ArchitectureSpace):
            return call_for(name, parameter.check, given)
        value = call_for(name, to_value if isinstance(parameter, Choice) else to_native, given)
        if isinstance(parameter, Float) and is_number(value):
            value = float(value)
        call_for(name, parameter.encode, value)
        return value

    def _is_present(self, name: str, values: Mapping[str, ParamValue]) -> bool:
        """Return whether a parameter is present, given the values of those before it."""
        condition = self.conditions.get(name)
        return condition is None or condition.holds(values)

    def hints(self) -> list[str]:
        """Return advice on parameters that are valid but probably not what the user meant.

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


def _decode(parameter: Parameter, genes: list[float]) -> ParamValue:
    if isinstance(parameter, ArchitectureSpace):
        return parameter.decode(genes)
    return parameter.decode(genes[0])


def _encode(name: str, parameter: Parameter, value: ParamValue) -> list[float]:
    if isinstance(parameter, ArchitectureSpace):
        return call_for(name, parameter.encode, value)
    return [call_for(name, parameter.encode, value)]


def _spans_two_decades(parameter: Float) -> bool:
    if parameter.log or parameter.low <= 0:
        return False
    # In exact decimals: users expect 0.005 / 0.00005 to be 100.
    return Fraction(repr(parameter.high)) >= 100 * Fraction(repr(parameter.low))
