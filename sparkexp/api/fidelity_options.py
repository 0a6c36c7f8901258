"""Multi-fidelity searches of the calls: options that say how long trials train."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

from sparkexp.api.keywords import given_keywords
from sparkexp.driver.option_checks import anything
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
from sparkexp.space import Space
from sparkexp.trial import Direction, ParamValue

__all__ = ["FIDELITY_ROWS", "SEARCH_ROWS", "FidelityTable", "Halving", "chosen_options"]

HalvingName = Literal["asha", "hyperband", "surrogate-asha", "dehb"]


@dataclass(frozen=True)
class FidelityTable:
    """The options of a search whose bad configurations train for a short while only.

    Every trial gets a further argument, such as ``epochs``: first a small one, and the best
    configurations get further trials with larger ones. `checkpoint_dir` lets them go on where
    their last trial has ended. `Fidelity` checks the values.
    """

    fidelity: str | None = option(
        None,
        "str",
        anything,
        "The argument of the train function that says how long it trains, such as ``'epochs'``.",
        "Every trial gets it: first a small one, and the best configurations get further trials "
        "with larger ones. `checkpoint_dir` lets them go on where their last trial has ended.",
    )
    min: int | None = option(
        None,
        "int",
        anything,
        "What a configuration's first trial gets, by default 1.",
    )
    max: int | None = option(
        None,
        "int",
        anything,
        "What full fidelity is, by default 27.",
        "The best trial of a search is the best one with `max`.",
    )
    eta: float | None = option(
        None,
        "float",
        anything,
        "How many times as much a promoted configuration gets: at least 1.5, by default 3.",
        "About one of eta configurations is promoted, or with a model one of ``sqrt(eta)``.",
    )
    search: HalvingName | None = option(
        None,
        "{'asha', 'hyperband', 'surrogate-asha', 'dehb'}",
        anything,
        "How configurations are promoted.",
        "``'asha'``, the default but of an evolution, promotes without waiting for other trials. "
        "``'hyperband'`` also starts configurations on higher rungs, for the case that short "
        "trainings mislead. Evolutions only: ``'surrogate-asha'``, their default, has a model of "
        "the results of all rungs, which picks children and promotions, and promotes one of "
        "``sqrt(eta)``; ``'dehb'`` has a population on each rung.",
    )


@dataclass(frozen=True)
class Halving:
    """What the options of a multi-fidelity search say.

    Parameters
    ----------
    fidelity : Fidelity
        The rungs.
    search : {'asha', 'hyperband', 'surrogate-asha', 'dehb'}, optional
        How configurations are promoted; None leaves it to the call.
    """

    fidelity: Fidelity
    search: HalvingName | None

    def searcher(
        self,
        proposals: Kind,
        space: Space | None,
        direction: Direction,
        n_configurations: int | None = None,
        *,
        popsize: int = 10,
        configurations: Sequence[Mapping[str, ParamValue]] | None = None,
        seed: int | None = None,
    ) -> RungSearcher:
        """Return the searcher: ASHA where no other is named.

        Raises
        ------
        InvalidArgumentError
            If it is an evolution, which has proposals of its own.
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
            **self._ladder,
            proposals=proposals,
            popsize=popsize,
            configurations=configurations,
            seed=seed,
        )

    def evolution(self, call: EvolutionCall) -> tuple[Searcher, str]:
        """Return the evolution, and in words why it was chosen: empty if the call says it all.

        Raises
        ------
        InvalidArgumentError
            If the call says what belongs to another evolution.
        """
        if call.variant is not None or call.mode is not None:
            raise InvalidArgumentError(
                "With fidelity= the search is 'surrogate-asha', or that of search=, got "
                f"variant={call.variant!r}, mode={call.mode!r}. Leave both out, or fidelity."
            )
        plain, n = call.classic(), call.budget
        weighed = not (call.crossover is None and call.mutation is None)
        if self.search == "dehb" or (self.search is None and weighed):
            why = "" if self.search else "search 'dehb', which has crossover and mutation"
            return self._dehb(call, n, plain.crossover, plain.mutation), why
        if weighed:
            raise InvalidArgumentError(
                f"search={self.search!r} has no crossover and mutation, got "
                f"crossover={call.crossover!r}, mutation={call.mutation!r}. Leave them out, or "
                "say search='dehb'."
            )
        if self.search in (None, "surrogate-asha"):
            why = "search 'surrogate-asha': a model picks children and promotions"
            return self._surrogate(call, n, plain.popsize), "" if self.search else why
        searcher = self.searcher(
            "evolution", call.space, call.direction, n, popsize=plain.popsize, seed=call.seed
        )
        return searcher, ""

    def _surrogate(self, call: EvolutionCall, n: int, popsize: int) -> RungSearcher:
        """Return the searcher that has a model of the results of all rungs."""
        return SurrogateAshaSearcher(
            call.space, call.direction, n, **self._ladder, popsize=popsize, seed=call.seed
        )

    def _dehb(
        self, call: EvolutionCall, n: int, crossover: float, mutation: float
    ) -> RungSearcher:
        """Return the searcher that has a population on each rung."""
        return DehbSearcher(
            call.space, call.direction, n, **self._ladder, crossover=crossover, mutation=mutation,
            seed=call.seed,
        )  # fmt: skip

    def check_objectives(self, objectives: Sequence[Objective]) -> None:
        """Refuse several objectives: what is promoted is decided by one."""
        if len(objectives) > 1:
            raise InvalidArgumentError(
                "fidelity goes with one metric, by which configurations are promoted, got "
                f"{len(objectives)}. Leave fidelity or the other metrics out."
            )

    @property
    def _ladder(self) -> dict[str, Any]:
        return self.fidelity.settings()


FIDELITY_ROWS = rows_of(FidelityTable)
# What every call that starts a search takes.
SEARCH_ROWS = {**FIDELITY_ROWS, **ROWS}


def chosen_options(arguments: Mapping[str, Any]) -> tuple[Halving | None, Options]:
    """Return what the options of a call say.

    Parameters
    ----------
    arguments : Mapping[str, Any]
        The call's ``locals()``, before it has others.

    Returns
    -------
    Halving or None
        None where the options name no fidelity.
    Options
        All others.

    Raises
    ------
    InvalidArgumentError
        If one breaks its rule, or there is no fidelity to which they belong.

    Examples
    --------
    >>> halving, others = chosen_options({'fidelity': 'epochs', 'max': 9, 'progress': False})
    >>> halving.fidelity.levels, others.progress
    ((1, 3, 9), False)
    """
    halving = _halving(given_keywords(arguments, FIDELITY_ROWS))
    return halving, Options.check(given_keywords(arguments, ROWS))


def _halving(options: Mapping[str, Any]) -> Halving | None:
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
