"""How long a searcher thinks about its next trial, after so many results; on one core.

::

    OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 python benchmarks/decision_time.py

Prints milliseconds of processor time per trial (ask, tell and the state as JSON), the median and
the slowest of 30 trials after 100, 300 and 1,000 results, on ten parameters of every kind with
eight trials in flight.
"""

from __future__ import annotations

import json
import time
from collections import deque

import numpy as np

from sparkexp.search import (
    EvolutionSearcher,
    HybridSearcher,
    Searcher,
    ShadeSearcher,
    SurrogateAshaSearcher,
    SurrogateSearcher,
)
from sparkexp.space import Choice, Float, Int, Space
from sparkexp.trial import State, Trial, TrialResult

SPACE = Space(
    {
        **{f"x{k}": Float(0, 1) for k in range(5)},
        "rate": Float(1e-6, 1, log=True),
        "layers": Int(1, 6),
        "units": Int(1, 1024, log=True),
        "optimizer": Choice(["adam", "sgd", "rmsprop", "lion"]),
        "augment": Choice([True, False]),
    }
)
AFTER, N_TIMED, IN_FLIGHT = (100, 300, 1000), 30, 8


def value_of(trial: Trial) -> float:
    numbers = [float(v) for v in trial.params.values() if not isinstance(v, str)]
    return float(np.sum((np.array(numbers[:5]) - 0.3) ** 2))


def timed(searcher: Searcher) -> list[tuple[float, float]]:
    """Return median and slowest in milliseconds, after each number of results."""
    waiting: deque[Trial] = deque()
    found, spent = [], []
    for n_told in range(max(AFTER) + N_TIMED):
        start = time.process_time()
        while len(waiting) < IN_FLIGHT:
            trial = searcher.ask()
            if trial is None:
                break
            waiting.append(trial)
        done = waiting.popleft()
        searcher.tell(TrialResult(done, State.SUCCEEDED, value=value_of(done)))
        json.dumps(searcher.state())
        spent.append(1000 * (time.process_time() - start))
        if n_told + 1 - N_TIMED in AFTER:
            last = spent[-N_TIMED:]
            found.append((float(np.median(last)), max(last)))
    return found


def main() -> None:
    n_trials = max(AFTER) + 200
    searchers: list[tuple[str, Searcher]] = [
        ("classic", EvolutionSearcher(SPACE, "min", 20, n_trials // 20, seed=1)),
        ("shade", ShadeSearcher(SPACE, "min", n_trials=n_trials, mode="asynchronous", seed=1)),
        ("surrogate", SurrogateSearcher(SPACE, "min", n_trials=n_trials, seed=1)),
        ("surrogate-asha", SurrogateAshaSearcher(SPACE, "min", n_trials, seed=1)),
        ("hybrid", HybridSearcher(SPACE, "min", n_trials=n_trials, seed=1)),
    ]
    print("Median / slowest, in ms")
    print("searcher   " + "".join(f"{f'after {n}':>20}" for n in AFTER))
    for name, searcher in searchers:
        cells = "".join(f"{f'{m:.1f} / {s:.1f}':>20}" for m, s in timed(searcher))
        print(f"{name:<11}{cells}")


if __name__ == "__main__":
    main()
