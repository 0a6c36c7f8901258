"""Multi-fidelity searches of the calls: options that say how long trials train."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

from sparkexp.driver.options import RunOptions
from sparkexp.errors import InvalidArgumentError
from sparkexp.objective import Objective
from sparkexp.search import (
    AshaSearcher,
    DehbSearcher,
    HyperbandSearcher,
    RungSearcher,
    SurrogateAshaSearcher,
)
from sparkexp.search.multi_fidelity.fidelity import Fidelity
from sparkexp.search.multi_fidelity.proposals import Kind
from sparkexp.space import Space
from sparkexp.trial import Direction, ParamValue

__all__ = ["FidelityOptions", "Halving", "take_halving"]

HalvingName = Literal["asha", "hyperband", "surrogate-asha", "dehb"]
NAMES = ("search", "fidelity", "min", "max", "eta")


class FidelityOptions(RunOptions, total=False):
    """Keyword options of a search whose bad configurations train for a short while only.

    Every trial gets a further argument, such as ``epochs``: first a small one, and the best
    configurations get further trials with larger ones. `checkpoint_dir` lets them go on where
    their last trial has ended.

    Parameters
    ----------
    fidelity : str
        The argument of the train function that says how long it trains.
    min, max : int
        What a configuration's first trial gets, 1 by default, and what full fidelity is, 27 by
        default. The best trial of a search is the best one with `max`.
    eta : float
        At least 1.5, and 3 by default: each rung has eta times the one below, and about one of eta
        configurations is promoted to it, or with a model one of ``sqrt(eta)``.
    search : {'asha', 'hyperband', 'surrogate-asha', 'dehb'}
        ``'asha'``, the default but of an evolution, promotes without waiting for other trials;
        ``'hyperband'`` also starts configurations on higher rungs, for the case that short
        trainings mislead. Evolutions only: ``'surrogate-asha'``, their default, has a model of the
        results of all rungs, which picks children and promotions, and promotes one of
        ``sqrt(eta)``; ``'dehb'`` has a population on each rung.
    **options
        See `RunOptions`.
    """

    fidelity: str | None
    min: int
    max: int
    eta: float
    search: HalvingName | None


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

    def surrogate(
        self,
        space: Space,
        direction: Direction,
        n_configurations: int,
        popsize: int,
        seed: int | None,
    ) -> RungSearcher:
        """Return the searcher that has a model of the results of all rungs."""
        return SurrogateAshaSearcher(
            space, direction, n_configurations, **self._ladder, popsize=popsize, seed=seed
        )

    def dehb(
        self,
        space: Space,
        direction: Direction,
        n_configurations: int,
        crossover: float,
        mutation: float,
        seed: int | None,
    ) -> RungSearcher:
        """Return the searcher that has a population on each rung."""
        ladder = self._ladder
        return DehbSearcher(
            space, direction, n_configurations, **ladder, crossover=crossover, mutation=mutation,
            seed=seed,
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


def take_halving(options: Mapping[str, Any]) -> tuple[Halving | None, dict[str, Any]]:
    """Take the options of a multi-fidelity search out of all options.

    Returns
    -------
    Halving or None
        None where the options name no fidelity.
    dict
        The other options.

    Raises
    ------
    InvalidArgumentError
        If one breaks its rule, or there is no fidelity to which they belong.

    Examples
    --------
    >>> found, others = take_halving({'fidelity': 'epochs', 'max': 9, 'progress': False})
    >>> found.fidelity.levels, others
    ((1, 3, 9), {'progress': False})
    """
    given = {name: options[name] for name in NAMES if options.get(name) is not None}
    others = {name: value for name, value in options.items() if name not in NAMES}
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
        return None, others
    return Halving(Fidelity(fidelity, **given), search), others
