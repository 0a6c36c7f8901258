"""Ways to drive a searcher without an engine, and spaces to search."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from sparkexp.search import Searcher
from sparkexp.space import Choice, Float, Int, Space
from sparkexp.trial import ParamValue, State, Trial, TrialResult, params_key

__all__ = [
    "Objective",
    "conditional_space",
    "constrained_space",
    "discrete_space",
    "drive",
    "mixed_space",
    "get_n_trials",
    "negate_score",
    "ask_trial",
    "result",
    "score",
    "draw_configurations",
    "trials",
]

Objective = Callable[[Mapping[str, Any]], float | None]


def result(trial: Trial, value: float | None) -> TrialResult:
    """Return the result of a trial; it failed if the value is None."""
    state = State.FAILED if value is None else State.SUCCEEDED
    values = () if value is None else (value, -value)  # for searches with two objectives
    return TrialResult(trial, state, value=value, values=values)


def drive(
    searcher: Searcher,
    objective: Objective,
    *,
    n_trials: int = 10_000,
    in_flight: int = 1,
    shuffle_seed: int | None = None,
    open_trials: Sequence[Trial] = (),
) -> list[TrialResult]:
    """Ask and tell until the searcher is done, and return the results by number of the trial.

    Parameters
    ----------
    searcher : Searcher
        The searcher.
    objective : Callable
        Returns the value of a configuration; None where it fails.
    n_trials : int
        Maximum number of results to tell.
    in_flight : int
        Number of trials that are open at the same time.
    shuffle_seed : int, optional
        If given, results are told in a random order.
    open_trials : sequence of Trial
        Trials that were asked before and not yet told.
    """
    shuffled = np.random.default_rng(shuffle_seed)
    open_trials = list(open_trials)
    results: list[TrialResult] = []
    while len(results) < n_trials:
        while len(open_trials) < in_flight:
            trial = searcher.ask()
            if trial is None:
                break
            open_trials.append(trial)
        if not open_trials:
            assert searcher.done, "nothing to propose, nothing in flight, and not done"
            break
        k = 0 if shuffle_seed is None else int(shuffled.integers(len(open_trials)))
        trial = open_trials.pop(k)
        results.append(result(trial, objective(trial.params)))
        searcher.tell(results[-1])
    return sorted(results, key=lambda r: r.trial.number)


def trials(searcher: Searcher, objective: Objective, **options: Any) -> list[Trial]:
    """Return the trials that `drive` asks."""
    return [r.trial for r in drive(searcher, objective, **options)]


def mixed_space(flip: bool = False) -> Space:
    """Return a space with every kind of parameter; with `flip`, bounds are given high first."""

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
    """Return the parameters of the mixed space that a grid can take."""
    parameters = mixed_space(flip).parameters
    names = ("momentum", "layers", "batch", "augment")
    return Space({name: parameters[name] for name in names})


def score(params: Mapping[str, Any]) -> float | None:
    """Return the value of a configuration; None (it fails) for a tenth of the space."""
    text = json.dumps(sorted(params.items()))
    if sum(map(ord, text)) % 10 == 0:
        return None
    return -sum((float(v) - 0.3) ** 2 for v in params.values() if not isinstance(v, str))


def negate_score(params: Mapping[str, Any]) -> float | None:
    """Return the negative of `score`."""
    value = score(params)
    return None if value is None else -value


def conditional_space() -> Space:
    """Return a space with parameters that depend on the values of others."""
    return Space(
        {
            "optimizer": Choice(
                {
                    "sgd": {
                        "momentum": Float(0, 0.9, step=0.3),
                        "nesterov": Choice([True, False]),
                    },
                    "adam": {"beta": Choice([0.9, 0.99])},
                    "ftrl": {},
                }
            ),
            "units": Int(1, 6),
        }
    )


def constrained_space() -> Space:
    """Return a space whose `where` allows less than half of the configurations."""
    return Space(
        {
            "low": Int(1, 9),
            "high": Int(1, 9),
            "kind": Choice({"a": {"x": Int(0, 3)}, "b": {}}),
        },
        where=lambda p: p["low"] < p["high"] and p.get("x", 0) != 1,
    )


def draw_configurations(space: Space, n: int, seed: int = 1) -> list[dict[str, ParamValue]]:
    """Return n different configurations of a space."""
    drawn = np.random.default_rng(seed).random((50, space.n_dims))
    found = {params_key(params): params for params in map(space.decode, drawn)}
    return list(found.values())[:n]


def get_n_trials(searcher: Searcher) -> int:
    """Return the maximum number of trials; fail if the searcher has none."""
    n_trials = searcher.n_trials
    assert n_trials is not None, "make_searcher returns a searcher with an end"
    return n_trials


def ask_trial(searcher: Searcher) -> Trial:
    """Return the next trial; fail if there is none."""
    trial = searcher.ask()
    assert trial is not None, "there is a trial to be asked"
    return trial
