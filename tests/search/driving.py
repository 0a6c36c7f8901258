"""One setup of every searcher, and what `sparkexp.testing` drives them with.

Imported by the tests, and by a second process that compares sequences with them.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from sparkexp.search import (
    AshaSearcher,
    DehbSearcher,
    EvolutionSearcher,
    GridSearcher,
    HybridSearcher,
    HyperbandSearcher,
    ListSearcher,
    OptunaSearcher,
    ParetoEvolutionSearcher,
    RandomSearcher,
    RegularizedEvolutionSearcher,
    ReinforcementSearcher,
    Searcher,
    ShadeSearcher,
    SobolSearcher,
    SurrogateAshaSearcher,
    SurrogateSearcher,
    TournamentSearcher,
)
from sparkexp.space import Space
from sparkexp.testing.driving import (
    discrete_space,
    drive,
    mixed_space,
    negate_score,
    result,
    score,
    trials,
)

__all__ = [
    "SETUPS",
    "discrete_space",
    "drive",
    "mixed_space",
    "negate_score",
    "result",
    "score",
    "trials",
]


def _grid(space: Space, direction: str = "max") -> Searcher:
    return GridSearcher(space)


def _list(space: Space, direction: str = "max") -> Searcher:
    grid = GridSearcher(space)
    found = [dict(trial.params) for trial in iter(grid.ask, None)]
    return ListSearcher(found[::3])


def _random(space: Space, direction: str = "max") -> Searcher:
    return RandomSearcher(space, n_trials=40, seed=7)


def _evolution(space: Space, direction: str = "max") -> Searcher:
    return EvolutionSearcher(space, direction, popsize=8, generations=4, seed=7)


def _shade(space: Space, direction: str = "max") -> Searcher:
    return ShadeSearcher(space, direction, n_trials=60, seed=7)


def _steady_shade(space: Space, direction: str = "max") -> Searcher:
    return ShadeSearcher(space, direction, n_trials=60, mode="asynchronous", seed=7)


def _asha(proposals: str, n: int | None = 30) -> Callable[..., Searcher]:
    def make(space: Space, direction: str = "max") -> Searcher:
        kind: Any = proposals
        return AshaSearcher(space, direction, n, proposals=kind, popsize=5, seed=7)

    return make


def _asha_list(space: Space, direction: str = "max") -> Searcher:
    grid = GridSearcher(space)
    found = [dict(trial.params) for trial in iter(grid.ask, None)]
    kinds: Any = {"proposals": "grid", "configurations": found[::3]}
    return AshaSearcher(None, direction, max=9, **kinds, seed=7)


def _hyperband(proposals: str) -> Callable[..., Searcher]:
    def make(space: Space, direction: str = "max") -> Searcher:
        kind: Any = proposals
        return HyperbandSearcher(space, direction, 25, max=9, proposals=kind, popsize=5, seed=7)

    return make


def _sourced(cls: Any, source: Callable[..., Searcher]) -> Callable[..., Searcher]:
    def make(space: Space, direction: str = "max") -> Searcher:
        return cls(space, direction, 25, max=9, seed=7, source=source(space, direction))

    return make


def _dehb(space: Space, direction: str = "max") -> Searcher:
    return DehbSearcher(space, direction, 60, max=9, seed=7)


def _surrogate_asha(space: Space, direction: str = "max") -> Searcher:
    return SurrogateAshaSearcher(space, direction, 14, max=9, popsize=5, seed=7)


def _surrogate(space: Space, direction: str = "max") -> Searcher:
    return SurrogateSearcher(space, direction, popsize=5, n_trials=17, seed=7)


def _surrogate_generations(space: Space, direction: str = "max") -> Searcher:
    return SurrogateSearcher(space, direction, popsize=5, n_trials=17, mode="generational", seed=7)


def _sobol(space: Space, direction: str = "max") -> Searcher:
    return SobolSearcher(space, n_trials=32, seed=7)


def _pareto(space: Space, direction: str = "max") -> Searcher:
    # The second objective is the negative of the first.
    directions = [direction, "max" if direction == "min" else "min"]
    return ParetoEvolutionSearcher(space, directions, popsize=8, generations=4, seed=7)


def _optuna(space: Space, direction: str = "max") -> Searcher:
    from optuna.samplers import TPESampler

    sampler = TPESampler(seed=7, n_startup_trials=6, n_ei_candidates=4)
    return OptunaSearcher(space, direction, n_trials=14, sampler=sampler)


def _hybrid(space: Space, direction: str = "max") -> Searcher:
    return HybridSearcher(space, direction, popsize=5, n_trials=17, seed=7)


def _hybrid_generations(space: Space, direction: str = "max") -> Searcher:
    return HybridSearcher(space, direction, popsize=5, n_trials=17, mode="generational", seed=7)


def _regularized(space: Space, direction: str = "max") -> Searcher:
    return RegularizedEvolutionSearcher(space, direction, 40, population=8, sample=3, seed=7)


def _regularized_pareto(space: Space, direction: str = "max") -> Searcher:
    # The second objective is the negative of the first.
    directions = [direction, "max" if direction == "min" else "min"]
    return RegularizedEvolutionSearcher(space, directions, 40, population=8, sample=3, seed=7)


def _tournament(space: Space, direction: str = "max") -> Searcher:
    return TournamentSearcher(space, direction, 40, population=8, seed=7)


def _reinforcement(algorithm: Any) -> Callable[..., Searcher]:
    def make(space: Space, direction: str = "max") -> Searcher:
        return ReinforcementSearcher(space, direction, 40, algorithm, batch=4, seed=7)

    return make


SETUPS: dict[str, tuple[Callable[..., Searcher], Callable[..., Space]]] = {
    "grid": (_grid, discrete_space),
    "list": (_list, discrete_space),
    "random": (_random, mixed_space),
    "sobol": (_sobol, mixed_space),
    "evolution": (_evolution, mixed_space),
    "shade": (_shade, mixed_space),
    "shade, asynchronous": (_steady_shade, mixed_space),
    "asha": (_asha("random"), mixed_space),
    "asha, grid": (_asha("grid", None), discrete_space),
    "asha, list": (_asha_list, discrete_space),
    "asha, evolution": (_asha("evolution"), mixed_space),
    "hyperband": (_hyperband("random"), mixed_space),
    "hyperband, evolution": (_hyperband("evolution"), mixed_space),
    "dehb": (_dehb, mixed_space),
    "surrogate-asha": (_surrogate_asha, mixed_space),
    "hybrid": (_hybrid, mixed_space),
    "hybrid, generational": (_hybrid_generations, mixed_space),
    "surrogate": (_surrogate, mixed_space),
    "surrogate, generational": (_surrogate_generations, mixed_space),
    "pareto": (_pareto, mixed_space),
    "optuna": (_optuna, mixed_space),
    "regularized evolution": (_regularized, mixed_space),
    "regularized evolution, two objectives": (_regularized_pareto, mixed_space),
    "tournament": (_tournament, mixed_space),
    "reinforcement, ppo": (_reinforcement("ppo"), mixed_space),
    "asha of regularized evolution": (_sourced(AshaSearcher, _regularized), mixed_space),
    "asha of a generational one": (_sourced(AshaSearcher, _evolution), mixed_space),
    "hyperband of tournaments": (_sourced(HyperbandSearcher, _tournament), mixed_space),
    "asha of reinforcement": (_sourced(AshaSearcher, _reinforcement("ppo")), mixed_space),
    "reinforcement, reinforce": (_reinforcement("reinforce"), mixed_space),
}


def sequences() -> dict[str, list[Any]]:
    """What every searcher asks, as JSON can hold it."""
    return {
        name: [[t.id, t.parent, t.arguments] for t in trials(make(space()), score)]
        for name, (make, space) in SETUPS.items()
    }


if __name__ == "__main__":
    print(json.dumps(sequences()))
