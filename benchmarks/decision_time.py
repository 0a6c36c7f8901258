"""How long a searcher thinks about its next trial, after so many results; on one core.

::

    OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 python benchmarks/decision_time.py
    python benchmarks/decision_time.py --searchers classic shade asha --after 1000 20000

Prints milliseconds of processor time per trial (ask, tell and the state as JSON), the median and
the slowest of 30 trials after so many results, on ten parameters of every kind with eight trials
in flight, and the size of the state at last.
"""

from __future__ import annotations

import argparse
import json
import time
from collections import deque
from collections.abc import Callable, Sequence

import numpy as np

from sparkexp.search import (
    AshaSearcher,
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
N_TIMED, IN_FLIGHT = 30, 8
# From the number of trials; those of rungs have a configuration for each.
SEARCHERS: dict[str, Callable[[int], Searcher]] = {
    "classic": lambda n: EvolutionSearcher(SPACE, "min", 20, n // 20, seed=1),
    "shade": lambda n: ShadeSearcher(SPACE, "min", n_trials=n, mode="asynchronous", seed=1),
    "surrogate": lambda n: SurrogateSearcher(SPACE, "min", n_trials=n, seed=1),
    "asha": lambda n: AshaSearcher(SPACE, "min", n, seed=1),
    "surrogate-asha": lambda n: SurrogateAshaSearcher(SPACE, "min", n, seed=1),
    "hybrid": lambda n: HybridSearcher(SPACE, "min", n_trials=n, seed=1),
}


def value_of(trial: Trial) -> float:
    numbers = [float(v) for v in trial.params.values() if not isinstance(v, str)]
    return float(np.sum((np.array(numbers[:5]) - 0.3) ** 2))


def timed(searcher: Searcher, after: Sequence[int]) -> tuple[list[tuple[float, float]], int]:
    """Return median and slowest in milliseconds after each number of results, and the bytes."""
    waiting: deque[Trial] = deque()
    found, spent = [], []
    for n_told in range(max(after) + N_TIMED):
        start = time.process_time()
        while len(waiting) < IN_FLIGHT:
            trial = searcher.ask()
            if trial is None:
                break
            waiting.append(trial)
        done = waiting.popleft()
        searcher.tell(TrialResult(done, State.SUCCEEDED, value=value_of(done)))
        if any(0 <= n_told - n < N_TIMED for n in after):
            state = json.dumps(searcher.state())
            spent.append(1000 * (time.process_time() - start))
        if n_told + 1 - N_TIMED in after:
            last = spent[-N_TIMED:]
            found.append((float(np.median(last)), max(last)))
    return found, len(state)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--searchers", nargs="+", choices=SEARCHERS, default=list(SEARCHERS))
    parser.add_argument("--after", nargs="+", type=int, default=[100, 300, 1000])
    args = parser.parse_args()
    args.after = sorted(set(args.after))
    print("Median / slowest, in ms")
    print(
        f"{'searcher':<15}"
        + "".join(f"{f'after {n:,}':>20}" for n in args.after)
        + "    state, kB"
    )
    for name in args.searchers:
        rows, size = timed(SEARCHERS[name](max(args.after) + 200), args.after)
        cells = "".join(f"{f'{m:.1f} / {s:.1f}':>20}" for m, s in rows)
        print(f"{name:<15}{cells}{size / 1000:13.0f}", flush=True)


if __name__ == "__main__":
    main()
