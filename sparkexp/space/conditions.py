"""Conditional parameters: their tree, its flat list of axes, and its configurations."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TypeGuard

from sparkexp.errors import SpaceError
from sparkexp.space.parameters import Choice, Parameter
from sparkexp.trial import ParamValue, params_key

__all__ = ["Condition", "combination_at", "flatten", "n_combinations", "index_of"]


@dataclass(frozen=True)
class Condition:
    """The condition of a parameter: it is present if its parent has one of some values.

    Examples
    --------
    >>> sgd = Condition('optimizer', ('sgd',))
    >>> sgd.holds({'optimizer': 'sgd'}), sgd.holds({'optimizer': 'adam'}), sgd.holds({})
    (True, False, False)
    >>> str(sgd)
    "if optimizer is 'sgd'"
    """

    parent: str
    options: tuple[ParamValue, ...]

    def holds(self, values: Mapping[str, object]) -> bool:
        """Return whether the condition holds for these values; False if the parent is missing."""
        if self.parent not in values:
            return False
        value = values[self.parent]
        return any(type(value) is type(option) and value == option for option in self.options)

    def __str__(self) -> str:
        return f"if {self.parent} is {' or '.join(map(repr, self.options))}"


def flatten(
    top: Mapping[str, Parameter],
) -> tuple[dict[str, Parameter], dict[str, Condition]]:
    """Return all parameters of a tree, parents before children, and the children's conditions.

    Raises
    ------
    SpaceError
        If a name is used twice. (Several options of one choice may have the same parameter.)

    Examples
    --------
    >>> tree = {'optimizer': Choice({'sgd': {'momentum': Choice([0.9, 0.99])}, 'adam': {}})}
    >>> parameters, conditions = flatten(tree)
    >>> list(parameters), str(conditions['momentum'])
    (['optimizer', 'momentum'], "if optimizer is 'sgd'")
    """
    parameters: dict[str, Parameter] = {}
    conditions: dict[str, Condition] = {}
    for name, parameter, condition in _walk(top, None):
        if name not in parameters:
            parameters[name] = parameter
            if condition is not None:
                conditions[name] = condition
            continue
        earlier = conditions.get(name)
        if earlier is None or condition is None or earlier.parent != condition.parent:
            raise SpaceError(
                f"{name}: a name must be used once, or only under several values of one Choice, "
                "and this one is used elsewhere, too. Give one of the two another name."
            )
        if parameter != parameters[name]:
            raise SpaceError(
                f"{name}: a parameter under several values of {earlier.parent} must be the same "
                f"under each, got {parameters[name]} and {parameter}. Give one of the two another "
                "name."
            )
        options = tuple(dict.fromkeys(earlier.options + condition.options))
        conditions[name] = Condition(earlier.parent, options)
    return parameters, conditions


def _walk(
    entries: Mapping[str, Parameter], condition: Condition | None
) -> Iterator[tuple[str, Parameter, Condition | None]]:
    for name, parameter in entries.items():
        if not isinstance(parameter, Parameter):
            raise SpaceError(
                f"{name}: a parameter of a Space must be a Float, Int, Choice or architecture "
                f"space, got {parameter!r}: use one of these, or Space.from_search_dict."
            )
        yield name, parameter, condition
        if _has_branches(parameter):
            for option, sub in parameter.branches:
                yield from _walk(dict(sub), Condition(name, (option,)))


def _has_branches(parameter: Parameter) -> TypeGuard[Choice]:
    return isinstance(parameter, Choice) and bool(parameter.branches)


def n_combinations(entries: Mapping[str, Parameter]) -> int | None:
    """Return the number of configurations of a tree; None if a parameter is continuous.

    Examples
    --------
    >>> optimizers = Choice({'sgd': {'momentum': Choice([0.9, 0.99])}, 'adam': {}})
    >>> n_combinations({'optimizer': optimizers, 'units': Choice([16, 32])})
    6
    """
    product = 1
    for parameter in entries.values():
        n = _n_values(parameter)
        if n is None:
            return None
        product *= n
    return product


def combination_at(entries: Mapping[str, Parameter], k: int) -> dict[str, ParamValue]:
    """Return the k-th configuration of a tree without continuous parameters.

    The last parameter varies fastest.

    Examples
    --------
    >>> tree = {'optimizer': Choice({'sgd': {'momentum': Choice([0.9, 0.99])}, 'adam': {}})}
    >>> [combination_at(tree, k) for k in (1, 2)]
    [{'optimizer': 'sgd', 'momentum': 0.99}, {'optimizer': 'adam'}]
    """
    # The list of all is never built: the digits of k choose the values.
    parts: list[dict[str, ParamValue]] = []
    for name, parameter in reversed(list(entries.items())):
        k, digit = divmod(k, _n_values(parameter) or 1)
        parts.append(_values_at(name, parameter, digit))
    return {name: value for part in reversed(parts) for name, value in part.items()}


def index_of(entries: Mapping[str, Parameter], values: Mapping[str, ParamValue]) -> int:
    """Return the number of a configuration in a tree: the inverse of `combination_at`.

    Examples
    --------
    >>> index_of({'units': Choice([16, 32]), 'dropout': Choice([0.5, 0.6])},
    ...       {'units': 32, 'dropout': 0.6})
    3
    """
    k = 0
    for name, parameter in entries.items():
        k = k * (_n_values(parameter) or 1) + _option_index(name, parameter, values)
    return k


def _option_index(name: str, parameter: Parameter, values: Mapping[str, ParamValue]) -> int:
    if not _has_branches(parameter):
        return [params_key({name: v}) for v in parameter.values()].index(
            params_key({name: values[name]})
        )
    before = 0
    for option, sub in parameter.branches:
        if params_key({name: option}) == params_key({name: values[name]}):
            return before + index_of(dict(sub), values)
        before += n_combinations(dict(sub)) or 1
    raise KeyError(name)


def _n_values(parameter: Parameter) -> int | None:
    if not _has_branches(parameter):
        return parameter.n_values
    counts = [n_combinations(dict(sub)) for _, sub in parameter.branches]
    return None if None in counts else sum(n for n in counts if n is not None)


def _values_at(name: str, parameter: Parameter, digit: int) -> dict[str, ParamValue]:
    if not _has_branches(parameter):
        return {name: parameter.values()[digit]}
    for option, sub in parameter.branches:
        n = n_combinations(dict(sub)) or 1
        if digit < n:
            return {name: option, **combination_at(dict(sub), digit)}
        digit -= n
    raise IndexError(digit)
