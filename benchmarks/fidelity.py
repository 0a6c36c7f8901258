"""How many epochs multi-fidelity search needs to find what full-fidelity search finds.

::

    python benchmarks/fidelity.py                                  # all tables, 20 seeds
    python benchmarks/fidelity.py --problems network-digits --seeds 5
    python benchmarks/fidelity.py --systems "ASHA, random" --trainings 40

Tables of learning curves (`curves.py`; made once, in minutes) are searched one trial at a time. A
promoted trial costs the difference to its lower rung. The figure is a share of epochs: when the
mean over seeds of the best fully trained configuration is as good as what random search, the
classic DE and the default evolutionary search (which has a model) have found with n full
trainings; 1 is n times the largest fidelity.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from curves import NAMES, made
from problems import Table, load, save

from sparkexp.search import (
    AshaSearcher,
    DehbSearcher,
    EvolutionSearcher,
    HyperbandSearcher,
    RandomSearcher,
    RungSearcher,
    Searcher,
    SurrogateAshaSearcher,
)
from sparkexp.search.evolution.evolution_call import EvolutionCall
from sparkexp.trial import State, TrialResult

TRAININGS = (40, 100)
REFERENCES = ("random", "classic DE", "default DE")
# More than any of them uses within the epochs of the largest budget.
MANY = 4000


def systems(table: Table) -> dict[str, Callable[[int], Searcher]]:
    """Return a maker of each searcher, by a seed."""
    space, levels = table.space, table.levels
    ladder: dict[str, Any] = {"fidelity": "epochs", "min": levels[0], "max": levels[-1], "eta": 3}

    def halving(make: Any, proposals: str, n: int) -> Callable[[int], Searcher]:
        return lambda seed: make(space, "min", n, **ladder, proposals=proposals, seed=seed)

    return {
        "random": lambda seed: RandomSearcher(space, None, seed),
        "classic DE": lambda seed: EvolutionSearcher(space, "min", 10, 100, 0.7, 0.5, seed),
        "default DE": lambda seed: EvolutionCall(
            space, "min", max_trials=max(TRAININGS), seed=seed, one_by_one=True
        ).build()[0],
        "ASHA, random": halving(AshaSearcher, "random", MANY),
        "ASHA, evolution": halving(AshaSearcher, "evolution", MANY),
        "ASHA, model (the default)": lambda seed: SurrogateAshaSearcher(
            space, "min", MANY, **ladder, seed=seed
        ),
        "Hyperband, random": halving(HyperbandSearcher, "random", MANY // 4),
        "Hyperband, evolution": halving(HyperbandSearcher, "evolution", MANY // 4),
        "DEHB": lambda seed: DehbSearcher(space, "min", MANY // 4, **ladder, seed=seed),
    }


def bests(searcher: Searcher, table: Table, epochs: int) -> list[tuple[int, float]]:
    """Return the best full training so far, and after how many epochs it was there."""
    top, spent, found = table.levels[-1], 0, [(0, float(table.values.mean()))]
    while spent < epochs and (trial := searcher.ask()) is not None:
        level, below = top, 0
        if isinstance(searcher, RungSearcher):
            level = int(trial.extra["epochs"])
            if trial.parent is not None:
                below = searcher.fidelity.levels[(trial.rung or 0) - 1]
        spent += level - below
        value = table.at(trial.params, level)
        if level == top and value < found[-1][1]:
            found.append((spent, value))
        searcher.tell(TrialResult(trial, State.SUCCEEDED, value))
    return found


def mean_curve(runs: Sequence[list[tuple[int, float]]], n: int) -> np.ndarray:
    """Return the mean of the best values after 0, 1, … n epochs."""
    total = np.zeros(n + 1)
    for run in runs:
        curve = np.empty(n + 1)
        for spent, value in run:
            curve[spent:] = value
        total += curve
    return total / len(runs)


def report(table: Table, seeds: int, chosen: Sequence[str], trainings: Sequence[int]) -> list[str]:
    """Search a table with these systems and return the lines of its part of the report."""
    top = table.levels[-1]
    n = max(trainings) * top
    curves = {
        name: mean_curve([bests(make(seed), table, n) for seed in range(seeds)], n)
        for name, make in systems(table).items()
        if name in REFERENCES or not chosen or name in chosen
    }
    heads = [f"{ref}, {count}" for count in trainings for ref in REFERENCES]
    lines = [f"| {table.name}: epochs to reach | {' | '.join(heads)} |"]
    lines.append("|---|" + "---|" * len(heads))
    for name, curve in curves.items():
        shares = []
        for count in trainings:
            for ref in REFERENCES:
                reached = np.nonzero(curve <= curves[ref][count * top] + 1e-12)[0]
                shares.append(f"{reached[0] / (count * top):.2f}" if len(reached) else "never")
        lines.append(f"| {name} | {' | '.join(shares)} |")
    return lines


def main() -> int:
    """Report on the tables of the command line; make those that aren't there."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--problems", nargs="+", choices=NAMES, default=list(NAMES))
    parser.add_argument("--cache", type=Path, default=Path(".bench-cache"))
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--systems", nargs="+", default=[], help="beside the references")
    parser.add_argument("--trainings", nargs="+", type=int, choices=TRAININGS, default=TRAININGS)
    args = parser.parse_args()
    folder = args.cache / "tables"
    for name in args.problems:
        if not (folder / f"{name}.npz").exists():
            with np.errstate(all="ignore"):  # of networks that diverge
                save(made(name), folder)
        table = load(name, folder)
        assert isinstance(table, Table)
        sys.stdout.write(
            "\n".join(report(table, args.seeds, args.systems, args.trainings)) + "\n\n"
        )
        sys.stdout.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())
