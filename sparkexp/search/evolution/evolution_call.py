"""Chooses the evolution for a call by its arguments and its budget."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from sparkexp.checks import as_int
from sparkexp.errors import InvalidArgumentError
from sparkexp.objective import Objective
from sparkexp.search import (
    EvolutionSearcher,
    HybridSearcher,
    ParetoEvolutionSearcher,
    Searcher,
    ShadeSearcher,
    SurrogateSearcher,
)
from sparkexp.search.evolution.adaptive import Mode, as_mode
from sparkexp.search.evolution.hybrid import EARLY
from sparkexp.search.evolution.population import MIN_MEMBERS
from sparkexp.space import Space
from sparkexp.trial import Direction

__all__ = ["ADAPTIVE", "EvolutionCall", "Variant"]

Variant = Literal["classic", "shade", "surrogate", "hybrid"]

ADAPTIVE: dict[str, type[Any]] = {
    "shade": ShadeSearcher,
    "surrogate": SurrogateSearcher,
    "hybrid": HybridSearcher,
}
POPSIZE, GENERATIONS, CROSSOVER, MUTATION = 10, 10, 0.7, 0.5


@dataclass(frozen=True)
class EvolutionCall:
    """The arguments of a call of `evolutionary_search`; None if one is not given.

    Parameters
    ----------
    space : Space
        What is searched.
    direction : {'max', 'min'}
        Which value is the best.
    popsize, generations, crossover, mutation, variant, mode, seed
        As for `evolutionary_search`.
    max_trials : int or None
        How many configurations the call's `max_trials`, which counts runs, is enough for.
    one_by_one : bool
        Whether it is certain that only one trial runs at a time.

    Raises
    ------
    InvalidArgumentError
        If an argument breaks a rule, or two of them don't go together.
    """

    space: Space
    direction: Direction
    popsize: int | None = None
    generations: int | None = None
    crossover: float | None = None
    mutation: float | None = None
    variant: Variant | None = None
    mode: Mode | None = None
    max_trials: int | None = None
    seed: int | None = None
    one_by_one: bool = False

    def __post_init__(self) -> None:
        if self.popsize is not None:
            as_int("popsize", self.popsize, at_least=MIN_MEMBERS)
        if self.generations is not None:
            as_int("generations", self.generations, at_least=0)
        if self.mode is not None:
            as_mode(self.mode)
        if self.variant not in (None, "classic", *ADAPTIVE):
            raise InvalidArgumentError(
                "variant is 'classic', 'shade', 'surrogate', 'hybrid' or None, got "
                f"{self.variant!r}. None chooses the best one."
            )
        if self.is_classic and self.mode == "asynchronous":
            raise InvalidArgumentError(
                "The classic variant has generations, got mode='asynchronous'. Leave mode out, or "
                "crossover, mutation and variant: the variants that adapt themselves have it."
            )
        if not self.is_classic and not (self.crossover is None and self.mutation is None):
            raise InvalidArgumentError(
                f"The variant {self.variant!r} adapts crossover and mutation itself, got "
                f"crossover={self.crossover!r}, mutation={self.mutation!r}. Leave them out, or "
                "say variant='classic'."
            )

    @property
    def is_classic(self) -> bool:
        """Whether the call asks for differential evolution as it was published."""
        if self.variant is None:
            return not (self.crossover is None and self.mutation is None)
        return self.variant == "classic"

    @property
    def budget(self) -> int:
        """The number of configurations."""
        if self.max_trials is not None and (self.popsize is None or self.generations is None):
            return self.max_trials
        generations = GENERATIONS if self.generations is None else self.generations
        return (POPSIZE if self.popsize is None else self.popsize) * (generations + 1)

    def explain_default(self) -> str:
        """Return what the plan says of a budget that the call leaves open; empty if it does not.

        It is for a call without `max_trials`.
        """
        if self.popsize is not None and self.generations is not None:
            return ""
        return f"{self.budget} configurations by default: max_trials= sets the budget"

    def build(self) -> tuple[Searcher, str]:
        """Return the searcher, and why it was chosen; empty if the call has chosen it."""
        if self.is_classic:
            return self.build_classic(), ""
        budget, why = self.budget, []
        name: str | None = self.variant
        if name is None:
            name = "surrogate" if budget <= EARLY else "hybrid"
            then = "" if budget <= EARLY else f" of the first {EARLY}, then SHADE goes on"
            why.append(
                f"variant {name!r} for {budget} configurations: a model picks the children{then}"
            )
            n_drawn = self._choose_popsize() or POPSIZE
            if budget < 2 * n_drawn:
                why.append(
                    f"the first {min(n_drawn, budget)} trials are drawn at random, so only "
                    f"{max(0, budget - n_drawn)} are children: give a larger max_trials"
                )
        mode = self.mode or "asynchronous"
        if self.mode is None and not self.one_by_one:
            why.append("asynchronous, no slot waits: mode='generational' is repeatable")
        settings: dict[str, Any] = {"n_trials": budget, "mode": mode, "seed": self.seed}
        if (popsize := self._choose_popsize()) is not None:
            settings["popsize"] = popsize
        return ADAPTIVE[name](self.space, self.direction, **settings), "; ".join(why)

    def build_pareto(self, objectives: Sequence[Objective]) -> tuple[Searcher, str]:
        """Return the searcher for several objectives, and an empty text like `build`."""
        if self.variant in ADAPTIVE or self.mode == "asynchronous":
            raise InvalidArgumentError(
                f"Several metrics are searched by the classic variant in generations, got variant="
                f"{self.variant!r}, mode={self.mode!r}. Leave both out, or name one metric."
            )
        popsize, generations, crossover, mutation = self._choose_classic_settings()
        directions = [objective.direction for objective in objectives]
        searcher = ParetoEvolutionSearcher(
            self.space, directions, popsize, generations, crossover, mutation, seed=self.seed
        )
        return searcher, ""

    def _choose_popsize(self) -> int | None:
        if self.popsize is None and self.max_trials is not None and self.generations is not None:
            return max(MIN_MEMBERS, self.max_trials // (self.generations + 1))
        return self.popsize

    def build_classic(self) -> EvolutionSearcher:
        """Return differential evolution as it was published."""
        return EvolutionSearcher(
            self.space, self.direction, *self._choose_classic_settings(), self.seed
        )

    def _choose_classic_settings(self) -> tuple[int, int, float, float]:
        popsize, generations = self._choose_popsize() or POPSIZE, self.generations
        if generations is None:
            limit = self.max_trials
            generations = GENERATIONS if limit is None else math.ceil(limit / popsize) - 1
        crossover = CROSSOVER if self.crossover is None else self.crossover
        mutation = MUTATION if self.mutation is None else self.mutation
        return popsize, generations, crossover, mutation
