"""Compares searches with constraints with scipy's differential evolution on known problems.

::

    python benchmarks/lampinen.py                       # all problems, 11 seeds
    python benchmarks/lampinen.py --problems 1 6 --seeds 3 --evaluations 200

The problems are those of J. Lampinen (2002), A constraint handling approach for the differential
evolution algorithm, IEEE Congress on Evolutionary Computation, 1468-1473, by their numbers there.
Each contest gives both sides the same number of evaluations:

- `where`: the constraints are known before a trial. An evaluation is a call of the objective;
  scipy calls it at allowed points only, too.
- `constraint`: they are known after a trial. An evaluation is a point that is tried, allowed or
  not.
"""

from __future__ import annotations

import argparse
import math
import statistics
import sys
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import pi, sin
from typing import Any

import numpy as np
from scipy.optimize import NonlinearConstraint, differential_evolution

from sparkexp.errors import SpaceError
from sparkexp.search import HybridSearcher, ShadeSearcher
from sparkexp.space import Float, Space
from sparkexp.trial import State, TrialResult

Point = Sequence[Any]
# What an equality may be off, as in scipy's own tests.
TOLERANCE = 1e-3
# scipy's population has so many members for each dimension: its default, and smaller ones, which
# are better with few evaluations.
POPSIZES = (15, 5, 3)
VARIANTS = {"default": HybridSearcher, "shade": ShadeSearcher}


@dataclass(frozen=True)
class Problem:
    """A function to be minimised where all of some numbers are at most 0.

    Parameters
    ----------
    bounds : sequence of (float, float)
        Of each coordinate.
    objective : Callable
        The function.
    excesses : Callable
        The numbers.
    best : float
        The best known value.
    """

    bounds: Sequence[tuple[float, float]]
    objective: Callable[[Point], float]
    excesses: Callable[[Point], list[Any]]
    best: float

    def space(self, constrained: bool) -> Space:
        """Return the space, with its constraints or without."""
        axes = {f"x{k}": Float(*pair) for k, pair in enumerate(self.bounds, 1)}
        return Space(axes, where=self._allows if constrained else None)

    def _allows(self, params: dict[str, Any]) -> bool:
        return all(excess <= 0 for excess in self.excesses(list(params.values())))


def _p1_excesses(x: Point) -> list[Any]:
    a, b, c, d, e, f, g, h, i, j, k, m, _ = x
    return [
        2 * a + 2 * b + j + k - 10, 2 * a + 2 * c + j + m - 10, 2 * b + 2 * c + k + m - 10,
        j - 8 * a, k - 8 * b, m - 8 * c, j - 2 * d - e, k - 2 * f - g, m - 2 * h - i,
    ]  # fmt: skip


def _p2(x: Point) -> float:
    a, b, c, d, e, f, g = x
    return (
        (a - 10) ** 2 + 5 * (b - 12) ** 2 + c**4 + 3 * (d - 11) ** 2 + 10 * e**6 + 7 * f**2
        + g**4 - 4 * f * g - 10 * f - 8 * g
    )  # fmt: skip


def _p2_excesses(x: Point) -> list[Any]:
    a, b, c, d, e, f, g = x
    return [
        2 * a**2 + 3 * b**4 + c + 4 * d**2 + 5 * e - 127,
        7 * a + 3 * b + 10 * c**2 + d - e - 282,
        23 * a + b**2 + 6 * f**2 - 8 * g - 196,
        4 * a**2 + b**2 - 3 * a * b + 2 * c**2 + 5 * f - 11 * g,
    ]


def _p3(x: Point) -> float:
    a, b, c, d, e, f, g, h, i, j = x
    return (
        a**2 + b**2 + a * b - 14 * a - 16 * b + (c - 10) ** 2 + 4 * (d - 5) ** 2 + (e - 3) ** 2
        + 2 * (f - 1) ** 2 + 5 * g**2 + 7 * (h - 11) ** 2 + 2 * (i - 10) ** 2 + (j - 7) ** 2 + 45
    )  # fmt: skip


def _p3_excesses(x: Point) -> list[Any]:
    a, b, c, d, e, f, g, h, i, j = x
    return [
        4 * a + 5 * b - 3 * g + 9 * h - 105,
        10 * a - 8 * b - 17 * g + 2 * h,
        5 * i - 2 * j + 2 * b - 8 * a - 12,
        3 * (a - 2) ** 2 + 4 * (b - 3) ** 2 + 2 * c**2 - 7 * d - 120,
        5 * a**2 + 8 * b + (c - 6) ** 2 - 2 * d - 40,
        a**2 + 2 * (b - 2) ** 2 - 2 * a * b + 14 * e - 6 * f,
        0.5 * (a - 8) ** 2 + 2 * (b - 4) ** 2 + 3 * e**2 - f - 30,
        6 * b - 3 * a + 12 * (i - 8) ** 2 - 7 * j,
    ]


def _p4_excesses(x: Point) -> list[Any]:
    a, b, c, d, e, f, g, h = x
    return [
        0.0025 * (d + f) - 1, 0.0025 * (e + g - d) - 1, 0.01 * (h - e) - 1,
        833.33252 * d + 100 * a - 83333.333 - a * f,
        1250 * e + b * d - b * g - 1250 * d,
        1250000 + c * e - c * h - 2500 * e,
    ]  # fmt: skip


def _p7_excesses(x: Point) -> list[Any]:
    a, b, c, d, e = x
    one = 85.334407 + 0.0056858 * b * e + 0.0006262 * a * d - 0.0022053 * c * e
    two = 80.51249 + 0.0071317 * b * e + 0.0029955 * a * b + 0.0021813 * c**2
    three = 9.300961 + 0.0047026 * c * e + 0.0012547 * a * c + 0.0019085 * c * d
    return [-one, one - 92, 90 - two, two - 110, 20 - three, three - 25]


def _p8_excesses(x: Point) -> list[Any]:
    a, b, c, d = x
    equalities = [
        1000 * np.sin(-c - 0.25) + 1000 * np.sin(-d - 0.25) + 894.8 - a,
        1000 * np.sin(c - 0.25) + 1000 * np.sin(c - d - 0.25) + 894.8 - b,
        1000 * np.sin(d - 0.25) + 1000 * np.sin(d - c - 0.25) + 1294.8,
    ]
    return [c - d - 0.55, d - c - 0.55, *(abs(each) - TOLERANCE for each in equalities)]


PROBLEMS = {
    1: Problem(
        [(0, 1)] * 9 + [(0, 100)] * 3 + [(0, 1)],
        lambda x: 5 * sum(x[:4]) - 5 * sum(y * y for y in x[:4]) - sum(x[4:]),
        _p1_excesses,
        -15.0,
    ),
    2: Problem([(-10, 10)] * 7, _p2, _p2_excesses, 680.6300573),
    3: Problem([(-10, 10)] * 10, _p3, _p3_excesses, 24.3062091),
    4: Problem(
        [(100, 10000), (1000, 10000), (1000, 10000)] + [(10, 1000)] * 5,
        lambda x: sum(x[:3]),
        _p4_excesses,
        7049.248,
    ),
    5: Problem(
        [(1e-9, 10)] * 2,
        lambda x: -(sin(2 * pi * x[0]) ** 3) * sin(2 * pi * x[1]) / (x[0] ** 3 * (x[0] + x[1])),
        lambda x: [x[0] ** 2 - x[1] + 1, 1 - x[0] + (x[1] - 4) ** 2],
        -0.095825,
    ),
    6: Problem(
        [(13, 100), (0, 100)],
        lambda x: (x[0] - 10) ** 3 + (x[1] - 20) ** 3,
        lambda x: [
            100 - (x[0] - 5) ** 2 - (x[1] - 5) ** 2,
            (x[0] - 6) ** 2 + (x[1] - 5) ** 2 - 82.81,
        ],
        -6961.814744,
    ),
    7: Problem(
        [(78, 102), (33, 45)] + [(27, 45)] * 3,
        lambda x: 5.3578547 * x[2] ** 2 + 0.8356891 * x[0] * x[4] + 37.293239 * x[0] - 40792.141,
        _p7_excesses,
        -30665.539,
    ),
    8: Problem(
        [(0, 1200)] * 2 + [(-0.55, 0.55)] * 2,
        lambda x: 3 * x[0] + 1e-6 * x[0] ** 3 + 2 * x[1] + 2e-6 / 3 * x[1] ** 3,
        _p8_excesses,
        5126.4981,
    ),
    9: Problem(
        [(-1, 1)] * 2,
        lambda x: x[0] ** 2 + (x[1] - 1) ** 2,
        lambda x: [abs(x[1] - x[0] ** 2) - TOLERANCE],
        0.75,
    ),
}


class _Spent(Exception):
    """The evaluations are used up."""


def run_scipy(problem: Problem, contest: str, n: int, seed: int, popsize: int) -> float:
    """Return the best allowed value that scipy finds; infinity if it finds none."""
    found, n_used = [math.inf], {"where": 0, "constraint": 0}

    def spend(what: str) -> None:
        n_used[what] += 1
        if n_used[contest] > n:
            raise _Spent

    def objective(x: np.ndarray) -> float:
        spend("where")
        value = float(problem.objective(x.tolist()))
        if all(excess <= 0 for excess in problem.excesses(x.tolist())):
            found.append(value)
        return value

    def excesses(x: np.ndarray) -> np.ndarray:
        spend("constraint")
        return np.array(problem.excesses(x.tolist()))

    n_excesses = len(problem.excesses([low for low, _ in problem.bounds]))
    constraint = NonlinearConstraint(excesses, np.full(n_excesses, -np.inf), 0.0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            differential_evolution(
                objective, problem.bounds, constraints=(constraint,), rng=seed, popsize=popsize,
                polish=False, tol=0.0, maxiter=1000 * n if contest == "constraint" else 2 * n,
            )  # fmt: skip
        except _Spent:
            pass
    return min(found)


def run_ours(problem: Problem, contest: str, n: int, seed: int, variant: str) -> float:
    """Return the best allowed value that an evolution finds; infinity if it finds none."""
    try:
        space = problem.space(constrained=contest == "where")
    except SpaceError:
        return math.inf  # where= allows too little to be found
    searcher = VARIANTS[variant](space, "min", n_trials=n, mode="asynchronous", seed=seed)
    found = math.inf
    while (trial := searcher.ask()) is not None:
        x = [float(value) for value in trial.params.values()]
        value = float(problem.objective(x))
        excess = sum(max(0.0, float(each)) for each in problem.excesses(x))
        if excess == 0:
            found = min(found, value)
        searcher.tell(TrialResult(trial, State.SUCCEEDED, value=value, violation=excess))
    return found


def main() -> int:
    """Run the contests that the command line asks for, and print a table."""
    parser = argparse.ArgumentParser(
        description=(__doc__ or "").splitlines()[0],
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--problems", type=int, nargs="+", default=list(PROBLEMS))
    parser.add_argument("--contests", nargs="+", default=["where", "constraint"])
    parser.add_argument("--variants", nargs="+", default=list(VARIANTS))
    parser.add_argument("--evaluations", type=int, default=300)
    parser.add_argument("--seeds", type=int, default=11)
    args = parser.parse_args()
    rivals: dict[str, Callable[..., float]] = {
        f"scipy, popsize {popsize}": _bind(run_scipy, popsize) for popsize in POPSIZES
    }
    rivals |= {f"sparkexp, {name}": _bind(run_ours, name) for name in args.variants}
    for contest in args.contests:
        print(f"| {contest}, {args.evaluations} evaluations | {' | '.join(rivals)} |")
        print("|---" * (len(rivals) + 1) + "|", flush=True)
        for number in args.problems:
            problem = PROBLEMS[number]
            cells = [
                _describe(
                    problem,
                    [run(problem, contest, args.evaluations, seed) for seed in range(args.seeds)],
                )
                for run in rivals.values()
            ]
            print(f"| {number} | {' | '.join(cells)} |", flush=True)
        print()
    return 0


def _bind(run: Callable[..., float], last: object) -> Callable[..., float]:
    return lambda *args: run(*args, last)


def _describe(problem: Problem, values: list[float]) -> str:
    """Return the median gap to the best known value, and in how many runs nothing was found."""
    gaps = [value - problem.best for value in values]
    middle = statistics.median(gaps)
    n_none = sum(map(math.isinf, gaps))
    shown = "none" if math.isinf(middle) else f"{middle:.3g}"
    return f"{shown} ({n_none} without)" if n_none else shown


if __name__ == "__main__":
    sys.exit(main())
