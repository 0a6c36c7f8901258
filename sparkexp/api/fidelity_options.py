"""The options of multi-fidelity searches, which say how long trials train."""

from __future__ import annotations

import bisect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

from sparkexp.api.keywords import Configurations, collect_keywords
from sparkexp.driver.option_checks import accept_any
from sparkexp.driver.option_row import option, rows_of
from sparkexp.driver.options import ROWS, Options
from sparkexp.errors import InvalidArgumentError
from sparkexp.objective import Objective
from sparkexp.search import (
    AshaSearcher,
    DehbSearcher,
    HyperbandSearcher,
    RungSearcher,
    Searcher,
    SurrogateAshaSearcher,
)
from sparkexp.search.evolution.evolution_call import EvolutionCall
from sparkexp.search.multi_fidelity.fidelity import Fidelity
from sparkexp.search.multi_fidelity.proposals import Kind
from sparkexp.search.registry import build_searcher
from sparkexp.space import Space
from sparkexp.trial import Direction, ParamValue

__all__ = ["FIDELITY_ROWS", "SEARCH_ROWS", "FidelityTable", "Halving", "check_options"]

HalvingName = Literal["asha", "hyperband", "surrogate-asha", "dehb"]


@dataclass(frozen=True)
class FidelityTable:
    """The options of a search that trains bad configurations for a short time only.

    Every trial gets a further argument, such as ``epochs``: first a small one, and the best
    configurations get further trials with larger ones. `checkpoint_dir` lets them go on where
    their last trial has ended. `Fidelity` checks the values.
    """

    fidelity: str | None = option(
        None,
        "str",
        accept_any,
        "The argument of the train function that says how long it trains, such as ``'epochs'``.",
        "Every trial gets it: first a small one, and the best configurations get further trials "
        "with larger ones. `checkpoint_dir` lets them go on where their last trial has ended.",
    )
    min: int | None = option(
        None,
        "int",
        accept_any,
        "The fidelity of a configuration's first trial, by default 1.",
    )
    max: int | None = option(
        None,
        "int",
        accept_any,
        "The full fidelity, by default 27.",
        "The best trial of a search is the best one with `max`.",
    )
    eta: float | None = option(
        None,
        "float",
        accept_any,
        "The factor by which each promotion raises the fidelity: at least 1.5, by default 3.",
        "About one in eta configurations is promoted; with a model, about one in ``sqrt(eta)``.",
    )
    search: HalvingName | None = option(
        None,
        "{'asha', 'hyperband', 'surrogate-asha', 'dehb'}",
        accept_any,
        "How configurations are promoted.",
        "``'asha'``, the default of all searches but evolutions, promotes without waiting for "
        "other trials. ``'hyperband'`` also starts configurations on higher rungs, since short "
        "trainings may mislead. Only evolutions have the other two. ``'surrogate-asha'``, their "
        "default, fits a model to the results of all rungs; the model picks children and "
        "promotions, and one in ``sqrt(eta)`` is promoted. ``'dehb'`` has a population on each "
        "rung.",
    )


@dataclass(frozen=True)
class Halving:
    """The checked options of a multi-fidelity search.

    Parameters
    ----------
    fidelity : Fidelity
        The rungs.
    search : {'asha', 'hyperband', 'surrogate-asha', 'dehb'}, optional
        How configurations are promoted; None leaves it to the call.
    max_trials : int, optional
        The budget: trials on all rungs together.
    n_configurations : int, optional
        The budget, if it was given as a number of configurations.
    """

    fidelity: Fidelity
    search: HalvingName | None
    max_trials: int | None = None
    n_configurations: int | None = None

    @property
    def has_budget(self) -> bool:
        """Whether the call says how many trials or configurations there are."""
        return self.max_trials is not None or self.n_configurations is not None

    def count_configurations(self, make: Callable[[int], Searcher]) -> int | None:
        """Return how many configurations the budget is enough for; None without a budget.

        Parameters
        ----------
        make : Callable
            Returns the searcher for a number of configurations, which plans its trials.
        """
        if self.n_configurations is not None or self.max_trials is None:
            return self.n_configurations
        possible = range(1, self.max_trials + 1)
        return max(
            1, bisect.bisect_right(possible, self.max_trials, key=lambda n: make(n).n_trials or 0)
        )

    def make_searcher(
        self,
        proposals: Kind,
        space: Space | None,
        direction: Direction,
        n_configurations: int | None = None,
        *,
        popsize: int = 10,
        configurations: Sequence[Mapping[str, ParamValue]] | None = None,
        seed: int | None = None,
        source: Searcher | None = None,
    ) -> RungSearcher:
        """Return the searcher: ASHA if no other is named.

        With a `source`, a new searcher, its configurations are those of `source`.

        Raises
        ------
        InvalidArgumentError
            If `search` names an evolution, which proposes its own configurations.
        """
        if self.search in ("dehb", "surrogate-asha"):
            raise InvalidArgumentError(
                f"search={self.search!r} is an evolution, and doesn't take other configurations: "
                "call evolutionary_search, or say 'asha' or 'hyperband'."
            )
        make = HyperbandSearcher if self.search == "hyperband" else AshaSearcher
        return make(
            space,
            direction,
            n_configurations,
            **self._rung_settings,
            proposals=proposals,
            popsize=popsize,
            configurations=configurations,
            seed=seed,
            source=source,
        )

    def make_sourced(
        self, name: str, space: Space, direction: Direction, seed: int | None = None
    ) -> RungSearcher:
        """Return the searcher of what a searcher of this name proposes.

        Raises
        ------
        InvalidArgumentError
            If `search` names an evolution, or the budget is missing.
        """

        def make(n: int | None) -> RungSearcher:
            source = build_searcher(name, space, [direction], n, seed)
            return self.make_searcher("searcher", space, direction, n, seed=seed, source=source)

        return make(self.count_configurations(make))

    def make_evolution(self, call: EvolutionCall) -> tuple[Searcher, str]:
        """Return the evolution, and why it was chosen; the reason is empty if the call names it.

        The budget says how many configurations there are, unless popsize and generations do.

        Raises
        ------
        InvalidArgumentError
            If the call has arguments of another evolution.
        """
        if call.variant is not None or call.mode is not None:
            raise InvalidArgumentError(
                "With fidelity= the search is 'surrogate-asha', or that of search=, got "
                f"variant={call.variant!r}, mode={call.mode!r}. Leave both out, or fidelity."
            )
        n = self.count_configurations(lambda n: self._build_evolution(call, n)[0])
        return self._build_evolution(call, n)

    def _build_evolution(self, call: EvolutionCall, n_given: int | None) -> tuple[Searcher, str]:
        call = replace(call, max_trials=n_given)
        plain, n = call.build_classic(), call.budget
        has_weights = not (call.crossover is None and call.mutation is None)
        if self.search == "dehb" or (self.search is None and has_weights):
            why = "" if self.search else "search 'dehb', which has crossover and mutation"
            return self._make_dehb(call, n, plain.crossover, plain.mutation), why
        if has_weights:
            raise InvalidArgumentError(
                f"search={self.search!r} has no crossover and mutation, got "
                f"crossover={call.crossover!r}, mutation={call.mutation!r}. Leave them out, or "
                "say search='dehb'."
            )
        if self.search in (None, "surrogate-asha"):
            why = "search 'surrogate-asha': a model picks children and promotions"
            return self._make_surrogate(call, n, plain.popsize), "" if self.search else why
        searcher = self.make_searcher(
            "evolution", call.space, call.direction, n, popsize=plain.popsize, seed=call.seed
        )
        return searcher, ""

    def _make_surrogate(self, call: EvolutionCall, n: int, popsize: int) -> RungSearcher:
        """Return the searcher that fits a model to the results of all rungs."""
        return SurrogateAshaSearcher(
            call.space, call.direction, n, **self._rung_settings, popsize=popsize, seed=call.seed
        )

    def _make_dehb(
        self, call: EvolutionCall, n: int, crossover: float, mutation: float
    ) -> RungSearcher:
        """Return the searcher that has a population on each rung."""
        return DehbSearcher(
            call.space, call.direction, n, **self._rung_settings, crossover=crossover,
            mutation=mutation, seed=call.seed,
        )  # fmt: skip

    def check_objectives(self, objectives: Sequence[Objective]) -> None:
        """Refuse several objectives: one of them decides which configurations are promoted."""
        if len(objectives) > 1:
            raise InvalidArgumentError(
                "fidelity goes with one metric, which decides what is promoted, got "
                f"{len(objectives)}. Leave fidelity or the other metrics out."
            )

    @property
    def _rung_settings(self) -> dict[str, Any]:
        return self.fidelity.settings()


FIDELITY_ROWS = rows_of(FidelityTable)
# The options of every call that starts a search.
SEARCH_ROWS = {**FIDELITY_ROWS, **ROWS}


def check_options(arguments: Mapping[str, Any]) -> tuple[Halving | None, Options]:
    """Check the options of a call, and return them.

    Parameters
    ----------
    arguments : Mapping[str, Any]
        The ``locals()`` of the call, before it defines other variables.

    Returns
    -------
    Halving or None
        The multi-fidelity options; None if no fidelity is named.
    Options
        All other options.

    Raises
    ------
    InvalidArgumentError
        If an option breaks its rule, or a multi-fidelity option comes without ``fidelity``.

    Examples
    --------
    >>> halving, others = check_options({'fidelity': 'epochs', 'max': 9, 'progress': False})
    >>> halving.fidelity.levels, others.progress
    ((1, 3, 9), False)
    """
    halving = _check_halving(collect_keywords(arguments, FIDELITY_ROWS))
    given = collect_keywords(arguments, ROWS)
    budget = given.get("max_trials")
    if not isinstance(budget, Configurations):
        options = Options.check(given)
        return halving and replace(halving, max_trials=options.max_trials), options
    options = Options.check({**given, "max_trials": None})
    if halving is not None:
        return replace(halving, n_configurations=budget.n), options
    n_trials = budget.count_trials(options.repeats, options.confirm)
    return None, replace(options, max_trials=n_trials)


def _check_halving(options: Mapping[str, Any]) -> Halving | None:
    given = {name: value for name, value in options.items() if value is not None}
    search = given.pop("search", None)
    if search is not None and search not in get_args(HalvingName):
        raise InvalidArgumentError(
            "search must be 'asha', 'hyperband', 'surrogate-asha' or 'dehb', got "
            f"{search!r}. Leave it out for the default."
        )
    fidelity = given.pop("fidelity", None)
    if fidelity is None:
        if given or search:
            named = ", ".join(f"{name}=" for name in [*given, *["search"] * bool(search)])
            raise InvalidArgumentError(
                f"{named} belongs to a search with fidelity=, the argument of the train function "
                "that says how long it trains: give fidelity='epochs', min=1, max=27."
            )
        return None
    return Halving(Fidelity(fidelity, **given), search)
