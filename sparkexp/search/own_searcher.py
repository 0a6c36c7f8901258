"""Searchers that users construct: their checks, and a stand-in for those that are recorded."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from sparkexp.checks import as_direction
from sparkexp.errors import InvalidArgumentError
from sparkexp.search.base import Searcher
from sparkexp.search.registry import SEARCHER_CLASSES
from sparkexp.space import Space
from sparkexp.trial import Direction, Trial, TrialResult

__all__ = ["RecordedSearcher", "check_again", "check_searcher", "find_own_class"]


def find_own_class(searcher: Searcher) -> str | None:
    """Return the name of a searcher's class if it is not one of sparkexp's, else None.

    sparkexp's searchers can be constructed from a log directory; others are handed over again.
    """
    is_own = SEARCHER_CLASSES.get(searcher.name) is not type(searcher)
    return type(searcher).__name__ if is_own else None


def check_searcher(searcher: Searcher, space: Space, directions: Sequence[Direction]) -> None:
    """Check that a searcher which the user has constructed fits this search.

    Parameters
    ----------
    searcher : Searcher
        The searcher.
    space : Space
        What the call searches.
    directions : sequence of {'max', 'min'}
        Per objective, which value the call searches.

    Raises
    ------
    InvalidArgumentError
        If it was used before, has another space or other directions, or its name or settings can't
        be recorded.
    """
    label = type(searcher).__name__
    if searcher.inner is not searcher:
        raise InvalidArgumentError(
            "Configurations are repeated by the search itself: hand over the searcher that "
            "proposes them, with repeats= and confirm=."
        )
    _check_new(searcher)
    taken = SEARCHER_CLASSES.get(searcher.name)
    if not searcher.name or taken not in (None, type(searcher)):
        other = f", the name of {taken.__name__}" if taken else ""
        raise InvalidArgumentError(
            f"A searcher needs a name of its own, which is recorded, got {searcher.name!r}"
            f"{other}. Write for example name = {label.lower()!r} in the class {label}."
        )
    if searcher.space is None or searcher.space.to_json() != space.to_json():
        raise InvalidArgumentError(
            f"The {label} and the call have to search the same space; the searcher's is "
            f"{_describe(searcher.space)}, that of the call {_describe(space)}. Construct it "
            "with Space.from_search_dict(search_dict)."
        )
    if searcher.space.where is not space.where:
        raise InvalidArgumentError(
            f"The {label} and the call have to have the same where, got {searcher.space.where!r} "
            f"and {space.where!r}: hand the function over to both, to the searcher by "
            "Space.from_search_dict(search_dict, where)."
        )
    if searcher.directions not in ((), tuple(directions)):
        raise InvalidArgumentError(
            f"The {label} and the call have to have the same direction, got "
            f"{list(searcher.directions)} and {list(directions)}. Change one of them."
        )
    _as_json(searcher)


def check_again(searcher: object, record: Mapping[str, Any], space: Space) -> Searcher:
    """Return the searcher with which a search is resumed, after checking that it fits.

    Parameters
    ----------
    searcher : Searcher
        The searcher that the user has handed over.
    record : Mapping[str, Any]
        The record of the search.
    space : Space
        What it searches.

    Raises
    ------
    InvalidArgumentError
        If it is not like the recorded one.
    """
    wanted, settings = str(record["own_searcher"]), record["settings"]
    place = f" The class is {record['given']}." if record.get("given") else ""
    words = ", ".join(f"{name}={value!r}" for name, value in settings.items())
    if not isinstance(searcher, Searcher) or type(searcher).__name__ != wanted:
        raise InvalidArgumentError(
            f"This run was searched by a {wanted} of your own, which a log directory can't hold, "
            f"got searcher={searcher!r}. Hand a new one over again, with the same settings: "
            f"resume(spark, train, logdir, searcher={wanted}(space, {words})).{place}"
        )
    if searcher.name != record["searcher"] or _as_json(searcher) != settings:
        raise InvalidArgumentError(
            f"This run was searched by the {wanted} {record['searcher']!r} with the settings "
            f"{settings}, got {searcher.name!r} with {searcher.settings()}. Construct it with the "
            "same ones, the seed included."
        )
    recorded = record.get("directions") or [record["direction"]]
    check_searcher(searcher, space, [as_direction(each) for each in recorded])
    return searcher


class RecordedSearcher(Searcher):
    """Stands in for a searcher of the user's own when its search is shown, not run.

    Parameters
    ----------
    name : str
        The searcher's name.
    space : Space or None
        What it searched.
    settings : Mapping[str, Any]
        What its `settings` returned.
    """

    def __init__(self, name: str, space: Space | None, settings: Mapping[str, Any]) -> None:
        super().__init__(space)
        self._name = name
        self._settings = dict(settings)

    @property
    def name(self) -> str:  # type: ignore[override]  # it is that of another class
        """The name of the searcher that it stands for."""
        return self._name

    @property
    def n_trials(self) -> int | None:
        """None: a record doesn't say how many there are."""
        return None

    def settings(self) -> dict[str, Any]:
        """Return the settings that were recorded."""
        return dict(self._settings)

    def _propose(self, number: int) -> Trial:
        raise InvalidArgumentError(
            f"The searcher {self._name!r} is not one of sparkexp's: construct it to go on."
        )

    def _learn(self, result: TrialResult) -> None:
        pass

    def _state(self) -> dict[str, Any]:
        return {}

    def _restore(self, memory: Mapping[str, Any]) -> None:
        pass


def _check_new(searcher: Searcher) -> None:
    if not searcher.is_new:
        raise InvalidArgumentError(
            f"A searcher serves one search, and this {type(searcher).__name__} was used before "
            f"({searcher.n_asked} trials asked). Construct a new one; a dry run uses one up, too."
        )


def _as_json(searcher: Searcher) -> Any:
    """Return the settings as they can be read from the record."""
    try:
        return json.loads(json.dumps(searcher.settings(), allow_nan=False))
    except (TypeError, ValueError) as error:
        raise InvalidArgumentError(
            f"{type(searcher).__name__}.settings() has to return what JSON can hold, since it is "
            f"recorded, got {searcher.settings()!r}: {error}."
        ) from None


def _describe(space: Space | None) -> str:
    return "none" if space is None else str(dict(space.describe()))
