"""One of some values, of which each may bring parameters of its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from typing import Any

from sparkexp.errors import SpaceError
from sparkexp.space.unit_interval import cell, middle, set_fields, unit
from sparkexp.space.values import check_names, is_number, listed, native
from sparkexp.trial import ParamValue

__all__ = ["Branch", "Choice"]

# An option, and the parameters that are there where it is chosen: as given, or parsed.
Branch = tuple[ParamValue, tuple[tuple[str, Any], ...]]


@dataclass(frozen=True)
class Choice:
    """One of some values.

    Parameters
    ----------
    options : sequence of int, float, str or bool, or dict
        The values, at least one, all different (1, 1.0 and True differ). In a dict each value has
        a dict of further parameters, which are searched where it is chosen and left out elsewhere:
        the train function needs defaults for them.
    ordered : bool, optional
        Whether neighbours in the order are alike for the searchers: 16 lies next to 32. Numbers
        are then placed ascending, whatever the order given; other options as given. By default
        numbers are ordered, everything else isn't.

    Examples
    --------
    >>> sizes = Choice([64, 16, 32])
    >>> sizes.decode(0.0), sizes.decode(0.5), sizes.values()
    (16, 32, [64, 16, 32])
    >>> Choice(['adam', 'sgd']).ordered
    False
    >>> Choice({'sgd': {'momentum': [0.0, 0.99]}, 'adam': {}}).values()
    ['sgd', 'adam']
    """

    options: Sequence[ParamValue] | Mapping[Any, Mapping[str, Any]]
    _: KW_ONLY
    ordered: bool | None = None
    branches: tuple[Branch, ...] = field(init=False, default=(), repr=False)
    _placed: tuple[ParamValue, ...] = field(init=False, repr=False, compare=False)
    _places: Mapping[tuple[type, ParamValue], int] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        branches: tuple[Branch, ...] = ()
        if isinstance(self.options, Mapping):
            given: list[Any] | None = list(self.options)
            branches = tuple(_branch(*item) for item in self.options.items())
        else:
            given = listed(self.options)
        if not given:
            raise SpaceError(
                f"A Choice takes a list of at least one value, got {self.options!r}: "
                "write Choice([16, 32])."
            )
        options = tuple(native(option) for option in given)
        numbers = [v for v in options if is_number(v)]
        all_numbers = len(numbers) == len(options)
        ordered = all_numbers if self.ordered is None else bool(self.ordered)
        placed = tuple(sorted(numbers)) if ordered and all_numbers else options
        places = {(type(v), v): k for k, v in enumerate(placed)}
        if len(places) < len(options):
            raise SpaceError(
                f"The values of a Choice all differ, got {list(options)!r}: remove the repeated "
                "ones."
            )
        branches = branches if any(entries for _, entries in branches) else ()
        set_fields(self, options=options, ordered=ordered, branches=branches)
        set_fields(self, _placed=placed, _places=places)

    def parsed(self, parse: Callable[[str, object], Any]) -> Choice:
        """Return this choice with each parameter of its options parsed, given its name."""
        if not self.branches:
            return self
        options = {option: {n: parse(n, v) for n, v in sub} for option, sub in self.branches}
        return Choice(options, ordered=self.ordered)

    @property
    def n_values(self) -> int:
        """The number of values."""
        return len(self.options)

    def values(self) -> list[ParamValue]:
        """Return all values in the order given."""
        return list(self.options)

    def decode(self, u: float) -> ParamValue:
        """Return the value at `u` in [0, 1]."""
        return self._placed[cell(unit(u), self.n_values)]

    def encode(self, value: ParamValue) -> float:
        """Return the point of [0, 1] in the middle of those which decode to `value`.

        Raises
        ------
        SpaceError
            If `value` is none of the options.
        """
        k = self._places.get((type(value), value))
        if k is None:
            raise SpaceError(f"{value!r} is not {self.describe()}.")
        return middle(k, self.n_values)

    def describe(self) -> str:
        """Return the values in words, for the plan.

        Examples
        --------
        >>> Choice([16, 32]).describe()
        'one of 16, 32'
        """
        if len(self.options) == 1:
            return f"always {self.options[0]!r}"
        shown = ", ".join(repr(option) for option in self.options[:6])
        return f"one of {shown}" + (f", … ({self.n_values} values)" * (self.n_values > 6))

    def to_json(self) -> dict[str, Any]:
        """Return the parameter as a dict that `json` can write."""
        record = {"type": "choice", "options": list(self.options), "ordered": self.ordered}
        if self.branches:
            record["branches"] = [
                [{"name": name, "parameter": p.to_json()} for name, p in sub]
                for _, sub in self.branches
            ]
        return record


def _branch(option: object, given: object) -> Branch:
    if not isinstance(given, Mapping):
        raise SpaceError(
            "A Choice whose values have parameters of their own is a dict of dicts, got "
            f"{given!r} for {option!r}: write Choice({{'sgd': {{'momentum': Float(0, 0.99)}}, "
            "'adam': {}})."
        )
    check_names(given)
    return native(option), tuple(given.items())
