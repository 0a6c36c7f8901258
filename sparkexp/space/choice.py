"""A parameter with a list of values; each value may have further parameters."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from typing import Any

from sparkexp.errors import SpaceError
from sparkexp.space.plain_objects import (
    is_object,
    object_to_json,
    to_plain_object,
    to_value,
)
from sparkexp.space.unit_interval import cell_index, cell_middle, check_unit, store_fields
from sparkexp.space.values import as_list, check_names, is_number
from sparkexp.trial import ParamValue

__all__ = ["Branch", "Choice"]

# An option, and the parameters that belong to it: as given by the user, or parsed.
Branch = tuple[ParamValue, tuple[tuple[str, Any], ...]]


@dataclass(frozen=True)
class Choice:
    """One of some values.

    Parameters
    ----------
    options : sequence of int, float, str, bool, None, tuple or list, or dict
        The values, at least one, all different (1, 1.0 and True differ). None, tuples and lists
        are shown and recorded by their texts; the train function gets the objects. In a dict,
        each value has a dict of further parameters. They are searched if the value is chosen, and
        left out otherwise, so the train function needs defaults for them.
    ordered : bool, optional
        Whether searchers treat neighbours in the order as similar: 16 lies next to 32. Numbers are
        then sorted; other options keep the given order. By default, numbers are ordered and
        everything else isn't.

    Examples
    --------
    >>> sizes = Choice([64, 16, 32])
    >>> sizes.decode(0.0), sizes.decode(0.5), sizes.values()
    (16, 32, [64, 16, 32])
    >>> Choice(['adam', 'sgd']).ordered
    False
    >>> Choice({'sgd': {'momentum': [0.0, 0.99]}, 'adam': {}}).values()
    ['sgd', 'adam']
    >>> layers = Choice([(64, 32), None])
    >>> layers.values(), layers.parse('(64, 32)')
    (['(64, 32)', 'None'], (64, 32))
    """

    options: Sequence[Any] | Mapping[Any, Mapping[str, Any]]
    _: KW_ONLY
    ordered: bool | None = None
    branches: tuple[Branch, ...] = field(init=False, default=(), repr=False)
    objects: Mapping[str, Any] = field(init=False, repr=False, hash=False)
    _sorted: tuple[ParamValue, ...] = field(init=False, repr=False, compare=False)
    _indices: Mapping[tuple[type, ParamValue], int] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        branches: tuple[Branch, ...] = ()
        if isinstance(self.options, Mapping):
            given: list[Any] | None = list(self.options)
            branches = tuple(_parse_branch(*item) for item in self.options.items())
        else:
            given = as_list(self.options)
        if not given:
            raise SpaceError(
                f"A Choice takes a list of at least one value, got {self.options!r}: "
                "write for example Choice([16, 32])."
            )
        options = tuple(to_value(option) for option in given)
        objects = {to_value(v): to_plain_object(v) for v in given if is_object(v)}
        numbers = [v for v in options if is_number(v)]
        all_numbers = len(numbers) == len(options)
        ordered = all_numbers if self.ordered is None else bool(self.ordered)
        in_order = tuple(sorted(numbers)) if ordered and all_numbers else options
        indices = {(type(v), v): k for k, v in enumerate(in_order)}
        if len(indices) < len(options):
            raise SpaceError(
                f"The values of a Choice all differ, got {list(options)!r}: remove the repeated "
                "ones. None, a tuple and a list have the text that Python prints."
            )
        branches = branches if any(entries for _, entries in branches) else ()
        store_fields(self, options=options, ordered=ordered, branches=branches, objects=objects)
        store_fields(self, _sorted=in_order, _indices=indices)

    def parse_branches(self, parse: Callable[[str, object], Any]) -> Choice:
        """Return a choice whose options' parameters were parsed: `parse` gets name and value."""
        if not self.branches:
            return self
        options = {
            self.parse(option): {n: parse(n, v) for n, v in sub} for option, sub in self.branches
        }
        return Choice(options, ordered=self.ordered)

    @property
    def n_values(self) -> int:
        """The number of values."""
        return len(self.options)

    def values(self) -> list[ParamValue]:
        """Return all values in the order given."""
        return list(self.options)

    def parse(self, value: ParamValue) -> Any:
        """Return what the train function gets for a value: the object, if it is its text."""
        is_text = isinstance(value, str) and value in self.objects
        return copy.deepcopy(self.objects[str(value)]) if is_text else value

    def decode(self, u: float) -> ParamValue:
        """Return the value at `u` in [0, 1]."""
        return self._sorted[cell_index(check_unit(u), self.n_values)]

    def encode(self, value: ParamValue) -> float:
        """Return the middle of the part of [0, 1] that decodes to `value`.

        Raises
        ------
        SpaceError
            If `value` is none of the options.
        """
        k = self._indices.get((type(value), value))
        if k is None:
            raise SpaceError(f"{value!r} is not {self.describe()}.")
        return cell_middle(k, self.n_values)

    def describe(self) -> str:
        """Return a description of the values for the plan.

        Examples
        --------
        >>> Choice([16, 32]).describe()
        'one of 16, 32'
        """
        if len(self.options) == 1:
            return f"always {self.parse(self.values()[0])!r}"
        shown = ", ".join(repr(self.parse(option)) for option in self.values()[:6])
        return f"one of {shown}" + (f", … ({self.n_values} values)" * (self.n_values > 6))

    def to_json(self) -> dict[str, Any]:
        """Return the parameter as a dict that `json` can write."""
        record: dict[str, Any] = {
            "type": "choice",
            "options": list(self.options),
            "ordered": self.ordered,
        }
        if self.objects:
            record["objects"] = {t: object_to_json(v) for t, v in self.objects.items()}
        if self.branches:
            record["branches"] = [
                [{"name": name, "parameter": p.to_json()} for name, p in sub]
                for _, sub in self.branches
            ]
        return record


def _parse_branch(option: object, given: object) -> Branch:
    if not isinstance(given, Mapping):
        raise SpaceError(
            "A Choice whose values have parameters of their own is a dict of dicts, got "
            f"{given!r} for {option!r}: write Choice({{'sgd': {{'momentum': Float(0, 0.99)}}, "
            "'adam': {}})."
        )
    check_names(given)
    return to_value(option), tuple(given.items())
