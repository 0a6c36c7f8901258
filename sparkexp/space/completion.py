"""Completes configurations of which only some parameters are given."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from sparkexp.errors import SpaceError
from sparkexp.space.space import Space
from sparkexp.trial import ParamValue

__all__ = ["complete"]

TRIES = 1000


def complete(
    space: Space, params: Mapping[str, object], rng: np.random.Generator
) -> dict[str, ParamValue]:
    """Return a configuration with the given values, and the others drawn at random.

    Parameters
    ----------
    space : Space
        The search space.
    params : Mapping[str, object]
        Values of some parameters, or of all.
    rng : numpy.random.Generator
        Draws the others; left alone if none is missing.

    Raises
    ------
    SpaceError
        If a name is unknown, a parameter doesn't have the value, no configuration has all of the
        names, or `where` allows none of many such configurations.

    Examples
    --------
    >>> space = Space.from_search_dict({'units': [16, 32, 64], 'optimizer': ['adam']})
    >>> complete(space, {'units': 32}, np.random.default_rng(0))
    {'units': 32, 'optimizer': 'adam'}
    """
    given = {n: space.check_value(n, v) if n in space.parameters else v for n, v in params.items()}
    options = _find_options(space, given)
    for _ in range(TRIES):
        drawn = _draw_missing(space, given, options, rng)
        checked = space.check({**drawn, **given})
        if space.allows(checked):
            return checked
        if not drawn:
            raise SpaceError(f"where= does not allow {checked}.")
    raise SpaceError(f"where= allows none of {TRIES} configurations with {dict(params)}.")


def _find_options(space: Space, params: Mapping[str, object]) -> dict[str, Sequence[ParamValue]]:
    """Return the values, of parameters to be drawn, under which the given parameters exist."""
    options: dict[str, Sequence[ParamValue]] = {}
    needed: dict[str, list[str]] = {}
    for name in reversed(space.names):  # children before their parents
        condition = space.conditions.get(name)
        if condition is None or (name not in params and name not in options):
            continue
        parent = condition.parent
        if parent in params:
            if not condition.holds(params):
                raise SpaceError(
                    f"{name} is there only {condition}, and {parent} is {params[parent]!r} here. "
                    f"Leave out {parent}, or what belongs to other values of it."
                )
            continue
        left = options.get(parent, space.parameters[parent].values())
        options[parent] = [value for value in left if condition.holds({parent: value})]
        needed.setdefault(parent, []).append(f"{name} ({condition})")
        if not options[parent]:
            raise SpaceError(
                f"No configuration has all of the given names: {' and '.join(needed[parent])} "
                "exclude each other. Leave one of them out."
            )
    return options


def _draw_missing(
    space: Space,
    params: Mapping[str, object],
    options: Mapping[str, Sequence[ParamValue]],
    rng: np.random.Generator,
) -> dict[str, ParamValue]:
    """Return values of the parameters that the given ones call for."""
    drawn: dict[str, ParamValue] = {}
    for name in space.parameters:
        condition = space.conditions.get(name)
        there = {**drawn, **params}
        if name in params or (condition is not None and not condition.holds(there)):
            continue
        if name in options:
            drawn[name] = options[name][int(rng.integers(len(options[name])))]
        else:
            drawn[name] = space.draw(name, rng)
    return drawn
