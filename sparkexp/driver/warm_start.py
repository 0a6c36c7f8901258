"""The start of a search: configurations to try first, and results of an earlier search."""

from __future__ import annotations

import dataclasses
import os
from collections import defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from sparkexp.driver.corrections import take_value
from sparkexp.driver.initial_table import TableRow
from sparkexp.driver.known_points import read_points
from sparkexp.driver.options import Options
from sparkexp.errors import InvalidArgumentError, SpaceError
from sparkexp.objective import sum_violations
from sparkexp.results.result import Result
from sparkexp.runs import open_run
from sparkexp.search.base import KnownResult
from sparkexp.search.repeating import RepeatingSearcher
from sparkexp.search.spec import Search
from sparkexp.space import Space
from sparkexp.space.completion import complete
from sparkexp.trial import ParamValue, TrialResult, params_key

__all__ = ["apply_warm_start", "repeat_trials"]


def apply_warm_start(search: Search, options: Options) -> Search:
    """Tell the searcher the options ``initial`` and ``warm_start``, and return the new search.

    Raises
    ------
    SpaceError, InvalidArgumentError
        If a configuration is not in the space, or the earlier search has none in it.
    RunDirectoryError
        If ``warm_start`` is not the log directory of a run.
    """
    if not len(options.initial) and options.warm_start is None:
        return search
    if search.space is None:
        raise InvalidArgumentError(
            "initial and warm_start need a search space; a list of configurations is run as it "
            "is. Put the configurations to try first at the head of the list."
        )
    drawn = np.random.SeedSequence().generate_state(1)[0]
    rng = np.random.default_rng(int(search.searcher.settings().get("seed", drawn)))
    initial = tuple(_check_initial(search.space, options.initial, rng))
    known, notes = _load_known_results(search, options.warm_start, options.constraints)
    used = search.searcher.start_from(initial, known)
    if known and not used:
        notes = [f"a {search.searcher.name} search does not learn: warm_start changes nothing"]
    return dataclasses.replace(search, initial=initial, known=known, notes=(*search.notes, *notes))


def repeat_trials(search: Search, options: Options, takes_seed: bool) -> Search:
    """Return the search with the options ``repeats`` and ``confirm`` applied.

    Raises
    ------
    InvalidArgumentError
        If its trials can't be repeated.
    """
    if options.repeats == 1 and not options.confirm:
        return search
    if search.searcher.extras:
        raise InvalidArgumentError(
            "repeats and confirm need trials that train to the end: in a search with fidelity="
            f"{', '.join(map(repr, search.searcher.extras))}, leave them out."
        )
    drawn = int(np.random.SeedSequence().generate_state(1)[0])
    searcher = RepeatingSearcher(
        search.searcher,
        [objective.direction for objective in search.objectives],
        options.repeats,
        options.confirm,
        int(search.searcher.settings().get("seed", drawn)),
        takes_seed and (search.space is None or "seed" not in search.space.names),
    )
    searcher.limit(options.max_trials)
    return dataclasses.replace(search, searcher=searcher)


def _check_initial(
    space: Space, given: Sequence[Mapping[str, Any]], rng: np.random.Generator
) -> Iterable[dict[str, ParamValue]]:
    for k, params in enumerate(given):
        given_params = params.read(space) if isinstance(params, TableRow) else params
        try:
            yield complete(space, given_params, rng)
        except SpaceError as error:
            raise SpaceError(f"initial[{k}]: {error}") from None


def _load_known_results(
    search: Search, given: Any, constraints: tuple[str, ...]
) -> tuple[tuple[KnownResult, ...], list[str]]:
    """Return the results of an earlier search in this space, and a note on them."""
    assert search.space is not None
    if given is None:
        return (), []
    if isinstance(given, Sequence) and not isinstance(given, str):
        return read_points(search, given, constraints)
    if isinstance(given, (str, os.PathLike)):
        location = Options.check({"logdir": given}).resolve_logdir()
        assert location is not None
        given = Result.of_run(open_run(location))
    if not isinstance(given, Result):
        raise InvalidArgumentError(
            "warm_start must be the Result of a search, its log directory, or a list of pairs of "
            f"a configuration and its value, got {given!r}."
        )
    if len(search.objectives) > 1 or len(given.objectives) > 1:
        raise InvalidArgumentError(
            "warm_start goes with one metric, in this search and in the earlier one. Leave it out."
        )
    direction = search.objectives[0].direction
    if given.direction != direction:
        raise InvalidArgumentError(
            f"warm_start must have the direction of this search, {direction!r}, got "
            f"{given.direction!r}: its best values would count as the worst. Leave it out."
        )
    trials = given.trials
    if all(result.value is None for result in trials):  # its metric was misspelt, say
        trials = tuple(take_value(result, search.objectives, constraints) for result in trials)
    grouped: defaultdict[Hashable, list[TrialResult]] = defaultdict(list)
    # Only the highest rung counts: the value of a short training says too little.
    top = max((r.trial.rung or 0 for r in trials if r.succeeded), default=0)
    for result in trials:
        told = all(name in result.metrics for name in constraints)
        if (
            result.value is not None
            and result.succeeded
            and (result.trial.rung or 0) == top
            and told
        ):
            grouped[params_key(result.trial.params)].append(result)
    known = []
    for group in grouped.values():
        params = _fit_to_space(search.space, group[0].trial.params)
        if params is not None:
            excess = sum(sum_violations(constraints, r.metrics) / len(group) for r in group)
            known.append(KnownResult(params, _average_last(group), excess))
    if not known:
        raise InvalidArgumentError(
            f"warm_start must have trials in this space, got none of {len(given.trials)}: names "
            "or ranges differ, or all failed, or lack the constraint. Leave it out."
        )
    return tuple(known), [f"{len(known)} of {len(grouped)} configurations known from warm_start"]


def _fit_to_space(space: Space, params: Mapping[str, ParamValue]) -> dict[str, ParamValue] | None:
    try:
        checked = space.check(params)
    except SpaceError:
        return None
    return checked if space.allows(checked) else None


def _average_last(group: Sequence[TrialResult]) -> float:
    """Return a configuration's mean value over all seeds, with the arguments of its last trial."""

    def drop_seed(result: TrialResult) -> Hashable:
        return params_key({k: v for k, v in result.trial.extra.items() if k != "seed"})

    values = [
        r.value for r in group if r.value is not None and drop_seed(r) == drop_seed(group[-1])
    ]
    return sum(values) / len(values)
