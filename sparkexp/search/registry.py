"""The searchers by name, and how they are constructed, also from a record."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from sparkexp.checks import as_int
from sparkexp.errors import InvalidArgumentError
from sparkexp.search.architecture.regularized import RegularizedEvolutionSearcher
from sparkexp.search.architecture.reinforcement import ReinforcementSearcher
from sparkexp.search.architecture.tournament import TournamentSearcher
from sparkexp.search.base import Searcher
from sparkexp.search.evolution.classic import EvolutionSearcher
from sparkexp.search.evolution.hybrid import HybridSearcher
from sparkexp.search.evolution.pareto import ParetoEvolutionSearcher
from sparkexp.search.evolution.shade import ShadeSearcher
from sparkexp.search.evolution.surrogate import SurrogateSearcher
from sparkexp.search.grid import GridSearcher, ListSearcher
from sparkexp.search.multi_fidelity.asha import AshaSearcher
from sparkexp.search.multi_fidelity.dehb import DehbSearcher
from sparkexp.search.multi_fidelity.hyperband import HyperbandSearcher
from sparkexp.search.multi_fidelity.surrogate_asha import SurrogateAshaSearcher
from sparkexp.search.optuna_search import OptunaSearcher
from sparkexp.search.random_search import RandomSearcher
from sparkexp.search.sobol import SobolSearcher
from sparkexp.space import Space
from sparkexp.trial import Direction

__all__ = [
    "SEARCHERS",
    "SEARCHER_CLASSES",
    "UnknownSearcherError",
    "build_searcher",
    "rebuild",
    "shows_best",
]

#: The searchers that names stand for: in `experiment.search(searcher=…)`, and in the records of
#: runs, from which they are constructed again. It is read-only, so that what a name means never
#: depends on what else was imported: a searcher of the user's own is handed over as an instance,
#: and again on resume (`own_searcher`).
SEARCHER_CLASSES: Mapping[str, type[Any]] = MappingProxyType(
    {
        cls.name: cls
        for cls in (
            GridSearcher,
            ListSearcher,
            OptunaSearcher,
            ParetoEvolutionSearcher,
            RandomSearcher,
            SobolSearcher,
            EvolutionSearcher,
            HybridSearcher,
            ShadeSearcher,
            AshaSearcher,
            HyperbandSearcher,
            DehbSearcher,
            SurrogateSearcher,
            SurrogateAshaSearcher,
            RegularizedEvolutionSearcher,
            TournamentSearcher,
            ReinforcementSearcher,
        )
    }
)
# These need more than a space, a direction, a number of trials and a seed.
_HIDDEN = ("list", "optuna", "pareto-evolution", "asha", "hyperband", "dehb", "surrogate-asha")
SEARCHERS = tuple(name for name in SEARCHER_CLASSES if name not in _HIDDEN)


def shows_best(name: str) -> bool:
    """Tell whether the searcher of this name `shows_best`; False where there is none."""
    return name in SEARCHER_CLASSES and bool(SEARCHER_CLASSES[name].shows_best)


def build_searcher(
    name: str,
    space: Space,
    directions: Sequence[Direction],
    n_trials: int | None,
    seed: int | None,
) -> Searcher:
    """Return a searcher of this name; other settings than these have their defaults.

    Examples
    --------
    >>> build_searcher('sobol', Space.from_search_dict({'x': [0.0, 1.0]}), ['max'], 8, 1).n_trials
    8
    """
    if name == "evolution" and len(directions) > 1:
        return _build_pareto(space, directions, as_int("n_trials", n_trials, at_least=4), seed)
    cls = SEARCHER_CLASSES[name]
    given = {
        "direction": directions[0],
        "directions": list(directions),
        "n_trials": n_trials,
        "seed": seed,
    }
    taken = inspect.signature(cls).parameters
    if len(directions) > 1 and "direction" in taken:
        raise InvalidArgumentError(
            f"The searcher {name!r} optimises one metric, got {len(directions)}: use 'evolution', "
            "a multi-objective sampler of Optuna, or one that does not learn, such as 'sobol'."
        )
    searcher: Searcher = cls(space, **{key: v for key, v in given.items() if key in taken})
    return searcher


def _build_pareto(
    space: Space, directions: Sequence[Direction], n_trials: int, seed: int | None
) -> Searcher:
    """Return an evolution of about `n_trials` trials, and not more."""
    popsize = min(20, max(4, n_trials // 4))
    generations = n_trials // popsize - 1
    return ParetoEvolutionSearcher(space, directions, popsize, generations, seed=seed)


class UnknownSearcherError(InvalidArgumentError):
    """A run's searcher is none of this version."""


def rebuild(
    name: str,
    space: Space | None,
    settings: Mapping[str, Any],
    sampler: object = None,
) -> Searcher:
    """Return a fresh searcher with recorded settings.

    Parameters
    ----------
    name : str
        The searcher's `name`.
    space : Space, optional
        What it searched.
    settings : Mapping[str, Any]
        What its `settings` returned.
    sampler : optuna.samplers.BaseSampler, optional
        The sampler of a search with Optuna: the record doesn't hold it.

    Raises
    ------
    InvalidArgumentError
        If no searcher of this version has this name or these settings.

    Examples
    --------
    >>> rebuild('grid', Space.from_grid_dict({'x': [1, 2]}), {}).n_trials
    2
    """
    if sampler is not None:
        settings = {**settings, "sampler": sampler}
    if (source := settings.get("source")) is not None:
        inner = rebuild(source["searcher"], space, source["settings"])
        settings = {**settings, "source": inner}
    try:
        arguments = () if space is None else (space,)
        searcher: Searcher = SEARCHER_CLASSES[name](*arguments, **settings)
    except (KeyError, TypeError) as error:
        raise UnknownSearcherError(
            f"This version of sparkexp has no searcher {name!r} with the settings "
            f"{dict(settings)}: {error}. Use the version that started the run."
        ) from None
    return searcher
