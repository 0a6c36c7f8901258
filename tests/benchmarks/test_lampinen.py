"""The problems of benchmarks/lampinen.py are those that were published."""

from __future__ import annotations

import math
from types import SimpleNamespace

import pytest

# The best known points.
OPTIMA = {
    1: (1, 1, 1, 1, 1, 1, 1, 1, 1, 3, 3, 3, 1),
    2: (2.330499, 1.951372, -0.4775414, 4.365726, -0.6244870, 1.038131, 1.594227),
    3: (
        2.171996, 2.363683, 8.773926, 5.095984, 0.9906548, 1.430574, 1.321644, 9.828726, 8.280092,
        8.375927,
    ),
    4: (
        579.306692, 1359.97063, 5109.9707, 182.0177, 295.601172, 217.9823, 286.416528, 395.601172,
    ),
    5: (1.22797135, 4.24537337),
    6: (14.095, 0.84296),
    7: (78, 33, 29.99525603, 45, 36.77581291),
    8: (679.9453, 1026.067, 0.1188764, -0.3962336),
    9: (math.sqrt(0.5), 0.5),
}  # fmt: skip


@pytest.mark.parametrize("number", OPTIMA)
def test_the_best_known_point_has_the_best_known_value(bench: SimpleNamespace, number: int):
    problem, x = bench.lampinen.PROBLEMS[number], list(OPTIMA[number])
    assert len(problem.bounds) == len(x)
    assert all(low <= value <= high for (low, high), value in zip(problem.bounds, x, strict=True))
    assert problem.objective(x) == pytest.approx(problem.best, rel=1e-4)
    # The points are rounded; the constraints of problem 4 have terms of a million.
    assert max(problem.excesses(x)) <= {4: 1.0, 6: 0.01, 8: 0.01}.get(number, 1e-4)


def test_both_sides_run(bench: SimpleNamespace):
    lampinen = bench.lampinen
    problem = lampinen.PROBLEMS[9]
    for contest in ("where", "constraint"):
        assert lampinen.run_scipy(problem, contest, 200, 1, 5) >= problem.best - 0.01
        assert lampinen.run_ours(problem, contest, 40, 1, "shade") >= problem.best - 0.01
