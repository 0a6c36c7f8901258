"""Completes configurations of which only some parameters are given."""

from __future__ import annotations

from collections.abc import Mapping

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
        If a name is unknown, a parameter doesn't have the value, or `where` allows none of many
        such configurations.

    Examples
    --------
    >>> space = Space.from_search_dict({'units': [16, 32, 64], 'optimizer': ['adam']})
    >>> complete(space, {'units': 32}, np.random.default_rng(0))
    {'units': 32, 'optimizer': 'adam'}
    """
    for _ in range(TRIES):
        drawn = _draw_missing(space, params, rng)
        checked = space.check({**drawn, **params})
        if space.allows(checked):
            return checked
        if not drawn:
            raise SpaceError(f"where= does not allow {checked}.")
    raise SpaceError(f"where= allows none of {TRIES} configurations with {dict(params)}.")


def _draw_missing(
    space: Space, params: Mapping[str, object], rng: np.random.Generator
) -> dict[str, ParamValue]:
    """Return values of the parameters that the given ones call for."""
    drawn: dict[str, ParamValue] = {}
    for name in space.parameters:
        condition = space.conditions.get(name)
        there = {**drawn, **params}
        if name in params or (condition is not None and not condition.holds(there)):
            continue
        drawn[name] = space.draw(name, rng)
    return drawn
