"""Results from elsewhere, which a search is given as pairs of a configuration and its value."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sparkexp.checks import as_float
from sparkexp.errors import InvalidArgumentError, SpaceError
from sparkexp.objective import sum_violations
from sparkexp.search.base import KnownResult
from sparkexp.search.spec import Search

__all__ = ["read_points"]


def read_points(
    search: Search, given: Sequence[Any], constraints: tuple[str, ...]
) -> tuple[tuple[KnownResult, ...], list[str]]:
    """Return the results that `where` allows, and a note on them.

    Raises
    ------
    InvalidArgumentError
        If one is no pair, is not in the space or lacks a number, or `where` allows none.
    """
    assert search.space is not None
    if len(search.objectives) > 1:
        raise InvalidArgumentError("warm_start goes with one metric. Leave it out.")
    known = []
    for k, point in enumerate(given):
        is_pair = isinstance(point, Sequence) and len(point) == 2
        if not is_pair or not isinstance(point[0], Mapping):
            raise InvalidArgumentError(
                "warm_start must have pairs of a configuration and its value, got "
                f"warm_start[{k}]={point!r}. Write warm_start=[({{'learning_rate': 0.01}}, 0.93)]."
            )
        value, violation = _read_value(k, point[1], search.objectives[0].name, constraints)
        try:
            params = search.space.check(point[0])
        except SpaceError as error:
            raise SpaceError(f"warm_start[{k}]: {error}") from None
        if search.space.allows(params):
            known.append(KnownResult(params, value, violation))
    if given and not known:
        raise InvalidArgumentError(
            f"warm_start must have configurations that where= allows, got none of {len(given)}. "
            "Leave it out."
        )
    return tuple(known), [f"{len(known)} of {len(given)} configurations known from warm_start"]


def _read_value(
    k: int, given: object, metric: str | None, constraints: tuple[str, ...]
) -> tuple[float, float]:
    """Return the value of a pair, and by how much it violates the constraints."""
    if not isinstance(given, Mapping):
        if constraints:
            raise InvalidArgumentError(
                f"With constraint= the value of a pair is a dict of numbers, got warm_start[{k}] "
                f"with {given!r}. Write warm_start=[({{'learning_rate': 0.01}}, "
                f"{dict.fromkeys((str(metric), *constraints), 0.0)})], or give the result or the "
                "log directory of the earlier search."
            )
        return _as_number(k, "value", given), 0.0
    if metric is None:
        raise InvalidArgumentError(
            f"The value of a pair is a number where no metric= is named, got warm_start[{k}] with "
            f"{given!r}. Name the metric, or give its number."
        )
    for name in (metric, *constraints):
        if name not in given:
            raise InvalidArgumentError(
                f"The value of warm_start[{k}] must have the numbers "
                f"{', '.join(map(repr, (metric, *constraints)))}, got {given!r}. Add {name!r}, or "
                "leave the pair out."
            )
    excess = {name: _as_number(k, repr(name), given[name]) for name in constraints}
    return _as_number(k, repr(metric), given[metric]), sum_violations(constraints, excess)


def _as_number(k: int, what: str, value: object) -> float:
    try:
        return as_float(what, value)
    except InvalidArgumentError:
        raise InvalidArgumentError(
            f"warm_start[{k}] must have a finite number as its {what}, got {value!r}. Leave out "
            "what has failed, or has no number."
        ) from None
