"""What a search is, apart from where and how long it runs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import sparkexp.nas  # noqa: F401  # records name its spaces
from sparkexp.analysis.description import SearchDescription
from sparkexp.analysis.specs import MAX_TEXT, MISSING, Interval, ParameterSpec
from sparkexp.checks import as_direction
from sparkexp.errors import InvalidArgumentError
from sparkexp.objective import Objective, objectives_of
from sparkexp.search import Searcher
from sparkexp.search.base import KnownResult
from sparkexp.search.own_searcher import RecordedSearcher
from sparkexp.search.registry import rebuild
from sparkexp.search.repeating import RepeatingSearcher
from sparkexp.space import ArchitectureSpace, Choice, Parameter, Space
from sparkexp.space.constraint import Where
from sparkexp.space.parameters import parameter_from_json
from sparkexp.trial import ParamValue

__all__ = ["Search", "read_description", "read_objectives", "specs_of"]

# So many values of a discrete parameter, at most, are listed in TensorBoard's filter.
MAX_LISTED_VALUES = 12


@dataclass(frozen=True)
class Search:
    """What is searched, and how.

    Parameters
    ----------
    searcher : Searcher
        Proposes the trials.
    objectives : tuple of Objective
        What is optimised.
    space : Space, optional
        What is searched; None for a list of configurations.
    needs_values : bool
        Whether a trial without a value has failed.
    reuse : bool
        Whether equal configurations share a value.
    initial : tuple of dict
        Configurations that are tried first.
    known : tuple of KnownResult
        Results of an earlier search that the searcher knows.
    notes : tuple of str
        What the plan says about the search.
    own_searcher : str, optional
        The name of the searcher's class, if it is the user's own.
    given : str, optional
        The class, with its module, of a searcher or sampler that the user has constructed.
    listed_objects : Mapping[str, Choice]
        What parses the texts of None, tuples and lists in a list of configurations, by name.
    """

    searcher: Searcher
    objectives: tuple[Objective, ...] = (Objective(),)
    space: Space | None = None
    needs_values: bool = True
    reuse: bool = True
    initial: tuple[dict[str, ParamValue], ...] = ()
    known: tuple[KnownResult, ...] = ()
    notes: tuple[str, ...] = ()
    own_searcher: str | None = None
    given: str | None = None
    listed_objects: Mapping[str, Choice] = field(default_factory=dict)

    @property
    def generations(self) -> int | None:
        """The number of the last generation; None where trials have none."""
        return self.inner.generations

    @property
    def inner(self) -> Searcher:
        """The searcher that proposes configurations, each of which may run several times."""
        return self.searcher.inner

    @property
    def repeats(self) -> int:
        """How often each configuration runs."""
        return self.searcher.repeats

    @property
    def confirm(self) -> int:
        """How many of the best run again at the end."""
        return self.searcher.confirm

    def names(self) -> list[tuple[str, ...]]:
        """Return the names that trials pass to the train function, each combination once."""
        extras = tuple(self.searcher.extras)
        if self.space is not None:
            passed = dict.fromkeys((self.space.names, self.space.always))
            return [(*names, *extras) for names in passed]
        configurations = self.searcher.settings().get("configurations", [])
        return list(dict.fromkeys((*configuration, *extras) for configuration in configurations))

    def parameters(self) -> tuple[ParameterSpec, ...]:
        """Return the parameters that are searched, for display."""
        if self.space is not None:
            always = self.space.always
            named = self.space.parameters.items()
            return tuple(_make_spec(n, p, n not in always) for n, p in named)
        return specs_of(self.searcher.settings().get("configurations", []))

    @property
    def architectures(self) -> dict[str, ArchitectureSpace]:
        """The parameters that are architecture spaces."""
        return {} if self.space is None else self.space.architectures

    @property
    def parsed(self) -> Mapping[str, ArchitectureSpace | Choice]:
        """The parameters of whose values the train function gets objects instead of texts."""
        return self.listed_objects if self.space is None else self.space.parsed

    def extras(self) -> tuple[ParameterSpec, ...]:
        """Return what trials are given besides the parameters, for display."""
        return tuple(ParameterSpec(n, tuple(v)) for n, v in self.searcher.extras.items())

    def describe(
        self,
        name: str,
        *,
        prunes: bool = False,
        about: str = "",
        constraints: tuple[str, ...] = (),
    ) -> SearchDescription:
        """Return what the search is, as data.

        Parameters
        ----------
        name : str
            The run's name.
        prunes : bool
            Whether trials may be ended early.
        about : str
            Markdown that says how to repeat the search.
        constraints : tuple of str
            The entries that trials return and that have to be at most 0.
        """
        searcher = self.searcher
        return SearchDescription(
            name,
            self.objectives,
            self.inner.name,
            self.inner.settings(),
            self.parameters(),
            self.extras(),
            generations=self.generations,
            popsize=self.inner.popsize,
            rungs=searcher.rungs,
            repeats=self.repeats,
            confirm=self.confirm,
            asynchronous=searcher.order_matters,
            shows_best=self.inner.shows_best,
            prunes=prunes,
            about=about,
            parsed=self.parsed,
            constraints=constraints,
        )

    def to_json(self) -> dict[str, Any]:
        """Return all that `from_json` needs, as a dict that `json` can write."""
        return {
            "direction": self.objectives[0].direction,
            "directions": [objective.direction for objective in self.objectives],
            "searcher": self.inner.name,
            "own_searcher": self.own_searcher,
            "given": self.given,
            "settings": self.inner.settings(),
            "repeating": (
                self.searcher.own_settings()
                if isinstance(self.searcher, RepeatingSearcher)
                else None
            ),
            "space": self.space.to_json() if self.space else None,
            "needs_values": self.needs_values,
            "reuse": self.reuse,
            "where": self.space is not None and self.space.where is not None,
            "initial": list(self.initial),
            "known": [known.to_json() for known in self.known],
            "listed_objects": {n: p.to_json() for n, p in self.listed_objects.items()},
        }

    @classmethod
    def from_json(
        cls,
        record: Mapping[str, Any],
        where: Where | None = None,
        given: object = None,
        *,
        only_shown: bool = False,
    ) -> Search:
        """Return a new search from what `to_json` returned.

        The record does not hold the constraint, the sampler of Optuna or a searcher of the user's
        own. Without them the search can be shown, but not run: the constraint is `where`, the
        sampler or the searcher is `given`. With `only_shown` the class of an architecture space
        need not be defined here, either.

        Raises
        ------
        InvalidArgumentError
            If this version has no such searcher, or it does not take the settings.
        """
        space = Space.from_json(record["space"], where, only_shown) if record["space"] else None
        searcher = _rebuild_searcher(record, space, given)
        initial = tuple(dict(params) for params in record.get("initial", ()))
        known = tuple(KnownResult(**entry) for entry in record.get("known", ()))
        searcher.start_from(initial, known)
        objectives = read_objectives(record)
        if record.get("repeating"):
            directions = [objective.direction for objective in objectives]
            searcher = RepeatingSearcher(searcher, directions, **record["repeating"])
        return cls(
            searcher,
            objectives,
            space,
            needs_values=bool(record["needs_values"]),
            reuse=bool(record["reuse"]),
            initial=initial,
            known=known,
            own_searcher=record.get("own_searcher"),
            listed_objects=_read_objects(record.get("listed_objects", {})),
        )


def _read_objects(record: Mapping[str, Any]) -> dict[str, Choice]:
    read = {name: parameter_from_json(each) for name, each in record.items()}
    return {name: each for name, each in read.items() if isinstance(each, Choice)}


def _rebuild_searcher(record: Mapping[str, Any], space: Space | None, given: object) -> Searcher:
    if record.get("own_searcher") is None:
        return rebuild(record["searcher"], space, record["settings"], given)
    if isinstance(given, Searcher):
        return given
    return RecordedSearcher(record["searcher"], space, record["settings"])


def read_objectives(record: Mapping[str, Any]) -> tuple[Objective, ...]:
    """Return the objectives of a recorded search.

    Raises
    ------
    KeyError, InvalidArgumentError
        If the record has none.
    """
    metric = record.get("options", {}).get("metric")
    directions = record.get("directions") or [record["direction"]]
    return objectives_of(metric, [as_direction(direction) for direction in directions])


def read_description(record: Mapping[str, Any]) -> SearchDescription:
    """Return what a recorded search is; without settings if this version lacks the searcher.

    Raises
    ------
    KeyError, TypeError, InvalidArgumentError
        If `record` is not the record of a search.
    """
    name = str(record["name"])
    try:
        options = record.get("options", {})
        prunes = options.get("prune") is not None
        constraints = tuple(map(str, options.get("constraint") or ()))
        search = Search.from_json(record, only_shown=True)
        return search.describe(name, prunes=prunes, constraints=constraints)
    except (InvalidArgumentError, KeyError, TypeError):
        searcher = str(record.get("searcher", ""))
        return SearchDescription(name, read_objectives(record), searcher)


def specs_of(configurations: Iterable[Mapping[str, ParamValue]]) -> tuple[ParameterSpec, ...]:
    """Return the parameters of a list of configurations, for display."""
    values: dict[str, dict[ParamValue, None]] = {}  # a dict as a set that keeps the order
    configurations = list(configurations)
    for configuration in configurations:
        for name, value in configuration.items():
            values.setdefault(name, {})[value] = None
    for name, listed in values.items():
        if not all(name in configuration for configuration in configurations):
            listed[MISSING] = None
    return tuple(ParameterSpec(name, tuple(listed)) for name, listed in values.items())


def _make_spec(name: str, parameter: Parameter, optional: bool) -> ParameterSpec:
    domain = _find_domain(parameter)
    if optional and isinstance(domain, tuple):
        domain = (*domain, MISSING)
    return ParameterSpec(name, domain, getattr(parameter, "log", False), optional)


def _find_domain(parameter: Parameter) -> Interval | tuple[ParamValue, ...]:
    n_values = parameter.n_values
    few = n_values is not None and n_values <= MAX_LISTED_VALUES
    if isinstance(parameter, ArchitectureSpace):
        texts = tuple(map(str, parameter.values())) if few else ()
        # Without any choice: more or longer ones than can be listed.
        return texts if all(len(text) <= MAX_TEXT for text in texts) else ()
    if isinstance(parameter, Choice) or few:
        return tuple(parameter.values())
    return Interval(parameter.low, parameter.high)
