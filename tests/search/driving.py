"""Ways to drive a searcher without an engine, and one setup of every searcher.

Imported by the tests, and by a second process that compares sequences with them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

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
    Searcher,
    ShadeSearcher,
    SobolSearcher,
    SurrogateAshaSearcher,
    SurrogateSearcher,
)
from sparkexp.space import Choice, Float, Int, Space
from sparkexp.trial import State, Trial, TrialResult

Objective = Callable[[Mapping[str, Any]], float | None]


def result(trial: Trial, value: float | None) -> TrialResult:
    """The result of a trial; it failed if the value is None."""
    state = State.FAILED if value is None else State.SUCCEEDED
    values = () if value is None else (value, -value)  # as a search with two objectives has
    return TrialResult(trial, state, value=value, values=values)


def drive(
    searcher: Searcher,
    objective: Objective,
    *,
    n_trials: int = 10_000,
    in_flight: int = 1,
    shuffle_seed: int | None = None,
    waiting: Sequence[Trial] = (),
) -> list[TrialResult]:
    """Ask and tell until it is done; with a shuffle seed results arrive in any order.

    `waiting` are trials that were asked before.
    """
    shuffled = np.random.default_rng(shuffle_seed)
    waiting = list(waiting)
    results: list[TrialResult] = []
    while len(results) < n_trials:
        while len(waiting) < in_flight:
            trial = searcher.ask()
            if trial is None:
                break
            waiting.append(trial)
        if not waiting:
            assert searcher.done, "nothing to propose, nothing in flight, and not done"
            break
        k = 0 if shuffle_seed is None else int(shuffled.integers(len(waiting)))
        trial = waiting.pop(k)
        results.append(result(trial, objective(trial.params)))
        searcher.tell(results[-1])
    return sorted(results, key=lambda r: r.trial.number)


def trials(searcher: Searcher, objective: Objective, **options: Any) -> list[Trial]:
    return [r.trial for r in drive(searcher, objective, **options)]


def mixed_space(flip: bool = False) -> Space:
    """Every kind of parameter; with `flip` the bounds are given high first."""

    def bounds(low: float, high: float) -> tuple[float, float]:
        return (high, low) if flip else (low, high)

    return Space(
        {
            "rate": Float(*bounds(1e-5, 1e-1), log=True),
            "dropout": Float(*bounds(0.01, 0.99)),
            "momentum": Float(*bounds(0.5, 0.9), step=0.1),
            "layers": Int(*map(int, bounds(1, 3))),
            "units": Int(*map(int, bounds(1, 512)), log=True),
            "batch": Choice([64, 16, 32]),
            "optimizer": Choice(["adam", "sgd"]),
            "augment": Choice([True, False]),
        }
    )


def discrete_space(flip: bool = False) -> Space:
    """The parameters of the mixed space that a grid can take."""
    parameters = mixed_space(flip).parameters
    names = ("momentum", "layers", "batch", "augment")
    return Space({name: parameters[name] for name in names})


def score(params: Mapping[str, Any]) -> float | None:
    """An objective of which a tenth of the space fails."""
    text = json.dumps(sorted(params.items()))
    if sum(map(ord, text)) % 10 == 0:
        return None
    return -sum((float(v) - 0.3) ** 2 for v in params.values() if not isinstance(v, str))


def negated(params: Mapping[str, Any]) -> float | None:
    value = score(params)
    return None if value is None else -value


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
}


def sequences() -> dict[str, list[Any]]:
    """What every searcher asks, as JSON can hold it."""
    return {
        name: [[t.id, t.parent, t.arguments] for t in trials(make(space()), score)]
        for name, (make, space) in SETUPS.items()
    }


if __name__ == "__main__":
    print(json.dumps(sequences()))
