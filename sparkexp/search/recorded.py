"""From the record of a searcher back to a searcher."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sparkexp.errors import InvalidArgumentError
from sparkexp.search.asha import AshaSearcher
from sparkexp.search.base import Searcher
from sparkexp.search.dehb import DehbSearcher
from sparkexp.search.evolution import EvolutionSearcher
from sparkexp.search.grid import GridSearcher, ListSearcher
from sparkexp.search.hyperband import HyperbandSearcher
from sparkexp.search.random_search import RandomSearcher
from sparkexp.search.shade import ShadeSearcher
from sparkexp.search.surrogate import SurrogateSearcher
from sparkexp.space import Space

__all__ = ["rebuild"]


def rebuild(name: str, space: Space | None, settings: Mapping[str, Any]) -> Searcher:
    """Return a fresh searcher with recorded settings.

    Parameters
    ----------
    name : str
        The searcher's `name`.
    space : Space, optional
        What it searched.
    settings : Mapping[str, Any]
        What its `settings` returned.

    Raises
    ------
    InvalidArgumentError
        If no searcher of this version has this name or these settings.

    Examples
    --------
    >>> rebuild('grid', Space.from_grid_dict({'x': [1, 2]}), {}).n_trials
    2
    """
    known: list[type[Any]] = [
        GridSearcher,
        ListSearcher,
        RandomSearcher,
        EvolutionSearcher,
        ShadeSearcher,
        AshaSearcher,
        HyperbandSearcher,
        DehbSearcher,
        SurrogateSearcher,
    ]
    classes = {searcher.name: searcher for searcher in known}
    try:
        arguments = () if space is None else (space,)
        searcher: Searcher = classes[name](*arguments, **settings)
    except (KeyError, TypeError) as error:
        raise InvalidArgumentError(
            f"This version of sparkexp has no searcher {name!r} with the settings "
            f"{dict(settings)}: {error}. Use the version that started the run."
        ) from None
    return searcher
