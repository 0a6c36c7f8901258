from __future__ import annotations

import math
import warnings
from collections.abc import Callable

import numpy as np
import pytest

from sparkexp.analysis.axes import Axis
from sparkexp.analysis.importance import (
    CUTS,
    count_best,
    explain_shares,
    measure_importance,
    select_most_important,
)
from sparkexp.analysis.specs import Interval, ParameterSpec
from sparkexp.objective import Objective
from sparkexp.trial import TrialResult

from .results import trial

MAX, MIN = Objective("value", "max"), Objective("value", "min")
AXES = [
    Axis(ParameterSpec("noise", Interval(0, 1))),
    Axis(ParameterSpec("strong", Interval(1e-4, 1), log=True)),
    Axis(ParameterSpec("name", ("a", "b", "c"))),
    Axis(ParameterSpec("fixed", (1,))),
]
UNIT = [Axis(ParameterSpec(f"x{k}", Interval(0, 1))) for k in range(3)]
Function = Callable[..., float]


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


def on_cube(function: Function, n: int, seed: int = 0) -> list[TrialResult]:
    """Trials at random points of a cube."""
    points = np.random.default_rng(seed).random((n, 3)).tolist()
    return [
        trial(k, float(function(*point)), dict(zip(("x0", "x1", "x2"), point, strict=True)))
        for k, point in enumerate(points)
    ]


def share_exactly(function: Function, n: int = 400_000) -> list[float]:
    """The share of the variance of "is among the best" that each parameter explains alone.

    By counting: of many points, those among the best by slices of one parameter.
    """
    points = np.random.default_rng(1).random((n, 3))
    values = function(*points.T)
    slices = (points * 100).astype(int)
    shares = np.zeros(3)
    for cut in CUTS:
        best = values <= np.quantile(values, cut)
        means = [np.bincount(s, weights=best) / np.bincount(s) for s in slices.T]
        shares += [float(np.var(mean) / np.var(best)) / len(CUTS) for mean in means]
    return [float(share) for share in shares]


def test_what_matters_is_found():
    shares = measure_importance(list(results()), AXES, MAX)
    assert list(shares) == ["strong", "name", "noise"]
    assert shares["strong"] > 0.3 and 0.01 < shares["name"] < 0.4 and shares["noise"] < 0.02


def test_constants_and_few_trials_say_nothing():
    assert measure_importance(list(results(5)), AXES, MAX) == {}
    level = [trial(k, 1.0, {"x0": k / 10}) for k in range(10)]
    assert measure_importance(level, UNIT[:1], MAX) == {"x0": 0.0}


@pytest.mark.parametrize("n", [15, 60, 1000])
def test_a_parameter_that_decides_alone_has_nearly_all(n):
    for seed in range(5):
        shares = measure_importance(on_cube(lambda x, y, z: x, n, seed), UNIT, MIN)
        assert next(iter(shares)) == "x0"
        # Smoothing hides some of what fewer trials show.
        assert shares["x0"] > (0.85 if n == 1000 else 0.3)
        assert max(shares["x1"], shares["x2"]) < (0.01 if n == 1000 else 0.25)


@pytest.mark.parametrize(
    "function",
    [
        lambda x, y, z: x + y / 2 + z / 4,
        lambda x, y, z: (x - 0.3) ** 2 + (y - 0.6) ** 2 + 0 * z,
        lambda x, y, z: x**2 + y,
    ],
    ids=["weighted", "level", "mixed"],
)
def test_sums_have_the_shares_that_counting_gives(function):
    exact = share_exactly(function)
    measured = [measure_importance(on_cube(function, 2000, seed), UNIT, MIN) for seed in range(8)]
    means = [float(np.mean([shares[f"x{k}"] for shares in measured])) for k in range(3)]
    # Kernels smooth: they take up to a tenth of a share. Chance adds at most 0.01.
    assert means == pytest.approx(exact, rel=0.15, abs=0.01)


@pytest.mark.parametrize(
    ("n", "limit", "mean"), [(15, 0.4, 0.05), (60, 0.2, 0.02), (500, 0.02, 0.003)]
)
def test_noise_explains_nothing(n, limit, mean):
    rng = np.random.default_rng(5)
    shares = [
        share
        for seed in range(20)
        for share in measure_importance(
            on_cube(lambda x, y, z: rng.random(), n, seed), UNIT, MIN
        ).values()
    ]
    assert max(shares) < limit and np.mean(shares) < mean


def test_what_an_evolution_has_left_behind_mattered():
    """Of most trials, all good, `x0` tells nothing any more; of all trials it does."""
    rng = np.random.default_rng(0)
    trials = []
    for number in range(60):
        width = 0.5 if number < 20 else 0.05
        x0, x1 = 0.5 + width * rng.uniform(-1, 1), rng.random()
        value = 100 * (x0 - 0.5) ** 2 + rng.random()
        trials.append(trial(number, value, {"x0": float(x0), "x1": float(x1)}))
    shares = measure_importance(trials, UNIT[:2], MIN)
    assert shares["x0"] > 0.15 and shares["x1"] < 0.05


def test_noise_takes_from_a_parameter():
    def with_noise(amount: float) -> float:
        rng = np.random.default_rng(2)
        trials = on_cube(lambda x, y, z: x + amount * rng.random(), 500)
        return measure_importance(trials, UNIT, MIN)["x0"]

    assert 1 > with_noise(0) > with_noise(0.5) > with_noise(2) > with_noise(20) >= 0


def test_of_an_interaction_nobody_explains_much_alone():
    shares = measure_importance(on_cube(lambda x, y, z: (x - 0.5) * (y - 0.5), 1000), UNIT, MIN)
    assert shares["x2"] < 0.005 < min(shares["x0"], shares["x1"])
    assert sum(shares.values()) < 0.2


def test_only_the_order_of_the_objective_matters():
    given = list(results())
    grown = [trial(r.trial.number, r.value and 10**r.value, r.trial.params) for r in given]
    turned = [trial(r.trial.number, r.value and -r.value, r.trial.params) for r in given]
    shares = measure_importance(given, AXES, MAX)
    assert shares == measure_importance(grown, AXES, MAX)
    assert shares == measure_importance(turned, AXES, MIN)
    worst = [trial(60 + k, -1e9, {"noise": 0.5, "strong": 1.0, "name": "a"}) for k in range(3)]
    assert measure_importance([*given, *worst], AXES, MAX)["strong"] == pytest.approx(
        shares["strong"], abs=0.1
    )


def test_a_parameter_on_a_log_axis_matters_as_its_logarithm_does():
    linear = on_cube(lambda x, y, z: x, 100)
    logs = [
        trial(r.trial.number, r.value, {"x0": 10 ** (-4 * (1 - float(r.trial.params["x0"])))})
        for r in linear
    ]
    axis = Axis(ParameterSpec("x0", Interval(1e-4, 1), log=True))
    expected = measure_importance(linear, UNIT[:1], MIN)["x0"]
    assert measure_importance(logs, [axis], MIN)["x0"] == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize(
    "spec",
    [
        ParameterSpec("x", Interval(1, 4)),
        ParameterSpec("x", (1, 2, 3, 4)),
        ParameterSpec("x", ("1", "2", "3", "4")),
        ParameterSpec("x", (1, "2", 3, "4")),
        ParameterSpec("x", Interval(1, 4), optional=True),
    ],
    ids=["whole", "list", "strings", "mixed", "optional"],
)
def test_whole_numbers_and_choices_explain_alike(spec):
    rng = np.random.default_rng(0)
    trials = []
    for number in range(400):
        x = int(rng.integers(1, 5))
        shown = x if isinstance(spec.domain, Interval) else spec.domain[x - 1]
        trials.append(trial(number, abs(x - 2) + 0.3 * rng.random(), {"x": shown}))
    # All of the best tenth have a 2, as a quarter of all: 0.1 · (1 / 0.25 − 1) / 0.9 is a third.
    smoothed = isinstance(spec.domain, Interval)  # over the neighbours
    share = explain_shares(trials, [Axis(spec)], MIN, cuts=[0.1])["x"]
    assert share == pytest.approx(1 / 3, abs=0.1 if smoothed else 0.04)


def test_a_parameter_that_some_trials_lack_counts_where_it_is():
    rng = np.random.default_rng(0)
    trials = []
    for number in range(2000):
        params = {"kind": str(rng.choice(["a", "b"])), "x": float(rng.random())}
        value = params["x"] if params["kind"] == "a" else 10.0
        if params["kind"] == "b":
            del params["x"]
        trials.append(trial(number, value, params))
    axes = [
        Axis(ParameterSpec("kind", ("a", "b"))),
        Axis(ParameterSpec("x", Interval(0, 1), optional=True)),
        Axis(ParameterSpec("never", Interval(0, 1), optional=True)),
    ]
    shares = explain_shares(trials, axes, MIN, cuts=[0.1])
    # The best are all of kind a: 0.1 · (1/0.5 − 1) / 0.9. Within these, x decides: the best fifth.
    assert shares["kind"] == pytest.approx(1 / 9, abs=0.01)
    assert shares["x"] == pytest.approx(8 / 9, rel=0.1)
    assert shares["never"] == 0


def test_the_same_trials_have_the_same_answer():
    assert measure_importance(list(results()), AXES, MAX) == measure_importance(
        list(results()), AXES, MAX
    )


def test_the_most_important_come_first():
    def names(trials: list[TrialResult]) -> list[str]:
        shares = measure_importance(trials, AXES, MAX)
        return [axis.name for axis in select_most_important(AXES, shares)]

    assert names(list(results())) == ["strong", "name"]
    assert names([]) == ["noise", "strong"]


@pytest.mark.parametrize("n", [60, 300])
@pytest.mark.parametrize("seed", range(3))
def test_optuna_finds_the_same(n, seed):
    """Before chance is subtracted, the shares are those of Optuna's evaluator.

    Both estimate the same densities. Differences that are left: rounding of values half-way
    between two cells, and choices, which Optuna smooths heavily: each of three gives 0.25 of 1.75
    to each other, whatever the number of trials, so that it finds a third of what counting finds.
    """
    optuna = pytest.importorskip("optuna")
    rng = np.random.default_rng(seed)
    distributions = {
        "rate": optuna.distributions.FloatDistribution(1e-4, 1, log=True),
        "drop": optuna.distributions.FloatDistribution(0, 1),
        "layers": optuna.distributions.IntDistribution(1, 8),
        "kind": optuna.distributions.CategoricalDistribution(["a", "b", "c"]),
        "momentum": optuna.distributions.FloatDistribution(0, 1),
    }
    axes = [
        Axis(ParameterSpec("rate", Interval(1e-4, 1), log=True)),
        Axis(ParameterSpec("drop", Interval(0, 1))),
        Axis(ParameterSpec("layers", Interval(1, 8))),
        Axis(ParameterSpec("kind", ("a", "b", "c"))),
        Axis(ParameterSpec("momentum", Interval(0, 1), optional=True)),
    ]
    ours, theirs = [], []
    for number in range(n):
        params = {
            "rate": float(10 ** (-4 * rng.random())),
            "drop": float(rng.random()),
            "layers": int(rng.integers(1, 9)),
            "kind": str(rng.choice(["a", "b", "c"])),
        }
        value = (math.log10(params["rate"]) + 2) ** 2 + params["drop"] + 0.1 * params["layers"]
        if params["kind"] != "a":
            params["momentum"] = float(rng.random())
            value += params["momentum"]
        ours.append(trial(number, value, params))
        used = {name: distributions[name] for name in params}
        theirs.append(optuna.trial.create_trial(params=params, distributions=used, value=value))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the class is experimental in some versions
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        study = optuna.create_study()
        study.add_trials(theirs)
        quantile = count_best(n) / n
        evaluator = optuna.importance.PedAnovaImportanceEvaluator(target_quantile=quantile)
        expected = optuna.importance.get_param_importances(
            study, evaluator=evaluator, normalize=False
        )
    scale = quantile * (1 - quantile)  # the variance of "is among the best"
    shares = explain_shares(ours, axes, MIN, n_drawings=0, cuts=[0.1])
    assert set(shares) == set(expected)
    for name, share in shares.items():
        smoothed = (1 / 1.75) ** 2 if name == "kind" else 1.0
        assert smoothed * share == pytest.approx(expected[name] / scale, rel=0.1, abs=0.01), name
