from __future__ import annotations

import math

import numpy as np
import pytest

from sparkexp.analysis.axes import Axis, choose_round_ticks, format_number
from sparkexp.analysis.specs import Interval, ParameterSpec


def axis(domain, log=False) -> Axis:
    return Axis(ParameterSpec("p", domain, log))


def test_numbers_lie_where_they_are():
    assert axis(Interval(10, 0)).scale_to_unit([0, 5, 10]).tolist() == [0, 0.5, 1]
    assert axis(Interval(0.01, 100), log=True).scale_to_unit([0.01, 1, 100]).tolist() == [
        0,
        0.5,
        1,
    ]
    assert axis((16, 32, 64)).scale_to_unit([16, 64]).tolist() == [0, 1]


def test_a_list_over_decades_is_shown_by_its_logarithm():
    assert axis((0.001, 0.01, 0.1)).log and not axis((0.001, 0.005, 0.01)).log
    assert not axis((-1, 0, 1000)).log


def test_what_is_no_number_has_a_place_of_its_own():
    placed = axis(("a", "b", True, 3))
    assert placed.locate(["a", True, 3]).tolist() == [0, 2, 3]
    assert [text for _, text in placed.choose_ticks()] == ["a", "b", "True", "3"]


def test_what_is_missing_or_foreign_is_nowhere():
    assert np.isnan(axis(Interval(0, 1)).scale_to_unit([None, "x"])).all()
    assert np.isnan(axis(("a", "b")).scale_to_unit([None, "c"])).all()
    assert np.isnan(axis(Interval(1, 10), log=True).scale_to_unit([0, -1])).all()
    assert math.isnan(axis(Interval(2, 2)).scale_to_unit([None])[0])


def test_one_value_is_in_the_middle():
    only = axis(Interval(2, 2))
    assert (
        only.scale_to_unit([2]).tolist() == [0.5]
        and only.choose_ticks() == [(0.5, "2")]
        and not only.varies
    )


@pytest.mark.parametrize(
    ("domain", "log", "labels"),
    [
        (Interval(1e-5, 0.1), True, ["1e-5", "0.0001", "0.001", "0.01", "0.1"]),
        (Interval(1, 10), True, ["1", "2", "5", "10"]),
        (Interval(0.01, 0.99), False, ["0.2", "0.4", "0.6", "0.8"]),
        ((1, 2, 3), False, ["1", "2", "3"]),
        (Interval(0, 1), False, ["0", "0.2", "0.4", "0.6", "0.8", "1"]),
    ],
)
def test_ticks(domain, log, labels):
    ticks = axis(domain, log).choose_ticks()
    assert [text for _, text in ticks] == labels
    assert all(0 <= u <= 1 for u, _ in ticks)


@pytest.mark.parametrize("bounds", [(-3, 4e5), (0.1, 0.1000001), (1e-9, 2e-9), (-1e300, 1e300)])
def test_ticks_are_few_and_within(bounds):
    ticks = choose_round_ticks(*bounds)
    assert 2 <= len(ticks) <= 12
    slack = 1e-6 * (bounds[1] - bounds[0])
    assert bounds[0] - slack <= ticks[0] and ticks[-1] <= bounds[1] + slack


def test_diversity_is_one_where_drawn_at_random_and_zero_where_all_agree():
    rng = np.random.default_rng(1)
    uniform = rng.random(4000)
    assert axis(Interval(0, 1)).measure_diversity(uniform.tolist()) == pytest.approx(1, abs=0.03)
    logs = (10 ** (-5 + 4 * uniform)).tolist()
    assert axis(Interval(1e-5, 0.1), log=True).measure_diversity(logs) == pytest.approx(
        1, abs=0.03
    )
    listed = rng.choice([1, 2, 3], 4000).tolist()
    assert axis((1, 2, 3)).measure_diversity(listed) == pytest.approx(1, abs=0.03)
    named = rng.choice(["a", "b", "c"], 4000).tolist()
    assert axis(("a", "b", "c")).measure_diversity(named) == pytest.approx(1, abs=0.03)
    for domain, value in [(Interval(0, 1), 0.3), ((1, 2), 2), (("a", "b"), "a")]:
        assert axis(domain).measure_diversity([value] * 5) == 0
    assert axis(Interval(0, 1)).measure_diversity([]) == 0


def test_numbers_are_short():
    assert [format_number(v) for v in (0, -1.5, 1e-10, 123456)] == [
        "0",
        "-1.5",
        "1e-10",
        "1.235e+5",
    ]
