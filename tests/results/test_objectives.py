"""Several objectives: metric=['accuracy', 'latency'], direction=['max', 'min']."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from optuna.samplers import NSGAIISampler

from sparkexp import experiment
from sparkexp.errors import InvalidArgumentError, NoBestTrialError
from sparkexp.results.report import render_report
from sparkexp.runs import open_run
from sparkexp.search import ParetoEvolutionSearcher, RandomSearcher
from sparkexp.space import Float, Space
from sparkexp.trial import State, TrialResult

from ..search.driving import drive
from ..tracking.tensorboard.reading import session_groups

HOW = {"engine": "inline", "progress": False}
BOTH = {"metric": ["accuracy", "latency"], "direction": ["max", "min"]}


def train(units, depth):
    if depth == 4:
        raise RuntimeError("too deep")
    if depth == 3:
        return {"accuracy": 1.0, "latency": math.nan}
    return {"accuracy": 1 - 1 / units, "latency": float(units * depth), "size": 1.0}


SPACE = {"units": [1, 50], "depth": [1, 2, 3, 4]}


def check(result):
    assert result.front
    for trial in result.front:
        assert trial.values == (trial.metrics["accuracy"], trial.metrics["latency"])
        accuracy, latency = trial.values
        for other in [r.values for r in result.trials if r.values and r.values != trial.values]:
            assert other[0] < accuracy or other[1] > latency, "dominated"
    accuracies = [trial.values[0] for trial in result.front]
    assert accuracies == sorted(accuracies, reverse=True)
    with pytest.raises(NoBestTrialError, match="result.front has those"):
        _ = result.best
    for r in result.trials:
        assert (r.state is State.FAILED) == (r.trial.params["depth"] > 2)
        assert len(r.values) == (2 if r.succeeded else 0)
        assert r.value == (r.values[0] if r.values else None)
    frame = result.to_pandas()
    assert frame["front"].sum() == len(result.front)
    assert {"value", "accuracy", "latency"} <= set(frame) | {"accuracy"}
    assert "on the front of 2 objectives" in str(result)


@pytest.mark.parametrize(
    "searcher", ["evolution", "random", "sobol", NSGAIISampler(seed=1, population_size=8)]
)
def test_any_searcher(searcher, tmp_path):
    seed = {"seed": 2} if isinstance(searcher, str) else {}
    result = experiment.search(
        None, train, SPACE, searcher, n_trials=40, logdir=tmp_path / "run", **BOTH, **seed, **HOW
    )
    check(result)
    check(experiment.load(tmp_path / "run"))
    again = experiment.load(tmp_path / "run")
    assert again.trials == result.trials and again.front == result.front


def test_a_grid():
    grid = {"units": [1, 2, 50], "depth": [1, 2, 3]}
    result = experiment.launch(None, train, grid, **BOTH, **HOW)
    check(result)
    assert [trial.params["units"] for trial in result.front] == [50, 2, 1]


def test_the_classic_call(tmp_path):
    how = dict(popsize=6, generations=3, seed=5, **BOTH, **HOW)
    whole = experiment.evolutionary_search(None, train, SPACE, **how)
    check(whole)
    experiment.evolutionary_search(None, train, SPACE, max_trials=9, logdir=tmp_path, **how)
    record = json.loads((tmp_path / "experiment.json").read_text())
    assert record["directions"] == ["max", "min"] and record["searcher"] == "pareto-evolution"
    resumed = experiment.resume(None, train, tmp_path, max_trials=None, **HOW)
    assert [r.trial for r in resumed.trials] == [r.trial for r in whole.trials]
    assert resumed.front[0].values == whole.front[0].values
    page = render_report(open_run(tmp_path))
    assert f"The front: {len(resumed.front)} configurations" in page and "metric=[" in page
    rows = session_groups(tmp_path)
    valued = [row for row in rows if row["status"] == "SUCCESS"]
    assert valued and all("returned/latency" in row["metrics"] for row in valued), valued[0]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"metric": ["a", "b"]}, "direction must have one entry for each"),
        ({"metric": ["a", "b"], "direction": ["max"]}, "direction must have one entry for each"),
        ({"metric": ["a"], "direction": ["max"]}, "at least two different ones"),
        ({"metric": ["a", "a"], "direction": ["max", "max"]}, "at least two different ones"),
        ({"direction": ["max", "min"]}, "direction must be 'max' or 'min'"),
        ({"target": 0.9, **BOTH}, "target goes with one metric"),
    ],
)
def test_what_is_wrong_is_said_first(given, message):
    with pytest.raises(InvalidArgumentError, match=message):
        experiment.random_search(None, train, SPACE, **given, **HOW)


def test_not_every_searcher_takes_several():
    with pytest.raises(InvalidArgumentError, match="'shade' optimises one metric, got 2"):
        experiment.search(None, train, SPACE, "shade", n_trials=9, **BOTH, **HOW)
    earlier = experiment.random_search(None, train, SPACE, n_trials=4, seed=1, **BOTH, **HOW)
    with pytest.raises(InvalidArgumentError, match="warm_start goes with one metric"):
        experiment.random_search(None, train, SPACE, warm_start=earlier, **BOTH, **HOW)


def hypervolume(points, reference):
    """The area that two-dimensional losses dominate."""
    area, limit = 0.0, reference[1]
    for x, y in sorted(points):
        if x < reference[0] and y < limit:
            area += (reference[0] - x) * (limit - y)
            limit = y
    return area


def test_it_finds_the_front_of_zdt1():
    """E. Zitzler, K. Deb, L. Thiele (2000), function 1: f2 = 1 - sqrt(f1) on the front."""

    def zdt1(params):
        x = np.array(list(params.values()))
        g = 1 + 9 * x[1:].mean()
        return x[0], g * (1 - math.sqrt(x[0] / g))

    space = Space({f"x{k}": Float(0, 1) for k in range(6)})
    areas = {}
    for name, searcher in {
        "de": ParetoEvolutionSearcher(space, ["min", "min"], 20, 24, seed=1),
        "random": RandomSearcher(space, 500, seed=1),
    }.items():
        found = []
        while (trial := searcher.ask()) is not None:
            values = zdt1(trial.params)
            found.append(values)
            result = TrialResult(trial, State.SUCCEEDED, value=values[0], values=values)
            searcher.tell(result)
        assert len(found) == 500
        areas[name] = hypervolume(found, (1.1, 6.0))
    best = 1.1 * 6.0 - 1.0 + 2 / 3  # the area under 1 - sqrt(x) is 1/3, and nothing beyond x = 1
    assert areas["random"] < areas["de"] <= best + 0.4
    assert areas["de"] > 0.85 * best, areas


def test_max_is_min_of_the_negative():
    space = Space({"x": Float(0, 1), "y": Float(0, 1)})
    asked = []
    for direction, other in (("max", "min"), ("min", "max")):
        sign = 1 if direction == "max" else -1
        searcher = ParetoEvolutionSearcher(space, [direction, other], 6, 4, seed=3)
        ended = drive(searcher, lambda params, sign=sign: sign * params["x"])
        asked.append([r.trial for r in ended])
    assert asked[0] == asked[1]
