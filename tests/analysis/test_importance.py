from __future__ import annotations

import sys

import numpy as np
import pytest

from sparkexp.analysis.axes import Axis
from sparkexp.analysis.importance import explain_variance, measure_in_forest, select_most_important
from sparkexp.analysis.specs import Interval, ParameterSpec
from sparkexp.errors import EnvironmentUnfitError

from .results import trial

AXES = [
    Axis(ParameterSpec("noise", Interval(0, 1))),
    Axis(ParameterSpec("strong", Interval(1e-4, 1), log=True)),
    Axis(ParameterSpec("name", ("a", "b", "c"))),
    Axis(ParameterSpec("fixed", (1,))),
]


def results(n: int = 200, seed: int = 0):
    """The objective depends on `strong` most, on `name` some, and not on `noise`."""
    rng = np.random.default_rng(seed)
    for number in range(n):
        params = {
            "noise": float(rng.random()),
            "strong": float(10 ** (-4 * rng.random())),
            "name": str(rng.choice(["a", "b", "c"])),
            "fixed": 1,
        }
        value = float(np.log10(params["strong"])) + 0.7 * (params["name"] == "a")
        yield trial(number, None if number % 17 == 3 else value, params)


@pytest.mark.parametrize("measure", [explain_variance, measure_in_forest])
def test_what_matters_is_found(measure):
    shares = measure(list(results()), AXES)
    assert list(shares) == ["strong", "name", "noise"]
    assert shares["strong"] > 0.6 and 0.02 < shares["name"] < 0.4 and shares["noise"] < 0.02


@pytest.mark.parametrize("measure", [explain_variance, measure_in_forest])
def test_constants_and_few_trials_say_nothing(measure):
    few = list(results(5))
    assert measure(few, AXES) == {}
    level = [trial(k, 1.0, {"x": k / 10}) for k in range(10)]
    assert measure(level, [Axis(ParameterSpec("x", Interval(0, 1)))]) == {"x": 0.0}


def test_missing_parameters_are_put_up_with():
    some = [trial(k, float(k % 5), {"x": k / 40} if k % 3 else {}) for k in range(40)]
    axes = [Axis(ParameterSpec("x", Interval(0, 1)))]
    assert 0 <= explain_variance(some, axes)["x"] < 0.5
    assert set(measure_in_forest(some, axes)) == {"x"}


def test_the_scale_of_the_objective_does_not_matter():
    given = list(results())
    grown = [trial(r.trial.number, r.value and 10**r.value, r.trial.params) for r in given]
    assert explain_variance(given, AXES) == explain_variance(grown, AXES)


def test_the_most_important_come_first():
    assert [axis.name for axis in select_most_important(list(results()), AXES)] == [
        "strong",
        "name",
    ]
    assert [axis.name for axis in select_most_important([], AXES)] == ["noise", "strong"]


def test_without_scikit_learn_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.ensemble", None)
    with pytest.raises(EnvironmentUnfitError, match=r"scikit-learn.*sparkexp\[plots\]"):
        measure_in_forest(list(results()), AXES)
