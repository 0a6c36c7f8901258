"""Every searcher on a real session, where trials fail, are slow and return NaN."""

from __future__ import annotations

import math

import pytest
from optuna.samplers import NSGAIISampler, TPESampler

from sparkexp import experiment
from sparkexp.experiment import Choice, Float, Int
from sparkexp.trial import State
from tests.spark.hostile import train

pytestmark = pytest.mark.spark

SPACE = {
    "rate": Float(1e-4, 1e-1, log=True),
    "units": Int(1, 8),
    "optimizer": Choice({"sgd": {"momentum": [0.0, 0.9]}, "adam": {}, "odd": {}}),
}

SEARCHERS = {
    "random": {"searcher": "random", "n_trials": 8},
    "sobol, repeated": {"searcher": "sobol", "n_trials": 5, "repeats": 2, "confirm": 1},
    "grid": {"searcher": "grid"},
    "evolution": {"searcher": "evolution", "n_trials": 12},
    "shade": {"searcher": "shade", "n_trials": 18},
    "surrogate": {"searcher": "surrogate", "n_trials": 14},
    "hybrid": {"searcher": "hybrid", "n_trials": 14},
    "optuna": {"searcher": TPESampler(seed=1, n_startup_trials=5), "n_trials": 10},
    "front": {"searcher": "evolution", "n_trials": 12, "metric": ["loss", "size"]},
    "optuna, front": {"searcher": NSGAIISampler(seed=1, population_size=6), "n_trials": 12},
}
RUNGS = {
    "asha": (experiment.random_search, {"n_trials": 9}),
    "hyperband": (experiment.random_search, {"n_trials": 12}),
    "surrogate-asha": (experiment.evolutionary_search, {"popsize": 6, "generations": 1}),
    "dehb": (experiment.evolutionary_search, {"popsize": 6, "generations": 1}),
}
# `make test` runs these, `make test-all` all of them.
SOON = ("sobol, repeated", "surrogate", "optuna, front", "surrogate-asha")
GRID = {
    "rate": [0.01],
    "units": [1, 7, 8],
    "optimizer": Choice({"sgd": {"momentum": [0.5]}, "odd": {}}),
}
# They are in each search, wherever its searcher goes.
BEGIN = [
    {"rate": 0.01, "units": units, "optimizer": optimizer}
    for units, optimizer in ((8, "adam"), (7, "adam"), (1, "odd"), (2, "adam"))
]


def each(names):
    """Mark those as slow that are not for every run."""
    return [pytest.param(n, marks=[] if n in SOON else pytest.mark.slow, id=n) for n in names]


def seen_regions(results):
    """Check that each trial has ended as its region has it, and return the regions."""
    regions = set()
    for r in results:
        params = r.trial.params
        assert params["units"] * params["rate"] < 0.9
        assert ("momentum" in params) == (params["optimizer"] == "sgd")
        good = params["units"] < 8 and params["optimizer"] != "odd"
        assert (r.state is State.SUCCEEDED) == good, r
        if params["units"] == 7 and r.reused_from is None:
            assert r.seconds >= 1
        regions.add(params["units"] if params["units"] > 6 else params["optimizer"] == "odd")
    return regions


@pytest.mark.parametrize("name", each(SEARCHERS))
def test_a_live_search(name, spark, tmp_path):
    options = {"metric": "loss", "direction": "min", **SEARCHERS[name]}
    if "front" in name:
        options |= {"metric": ["loss", "size"], "direction": ["min", "min"]}
    if name != "grid":
        options["initial"] = BEGIN
    if isinstance(options["searcher"], str) and name != "grid":
        options["seed"] = 3
    result = experiment.search(
        spark, train, GRID if name == "grid" else SPACE,
        where=lambda p: p["units"] * p["rate"] < 0.9,
        logdir=tmp_path / "run", progress=False, **options,
    )  # fmt: skip
    assert result.stopped is None
    # One that fails, one that is slow, one that returns NaN, a good one.
    assert seen_regions(result.trials) == {8, 7, True, False}
    assert result.front and all(math.isfinite(best.value) for best in result.front)
    assert experiment.load(result.logdir).front == result.front


@pytest.mark.parametrize("name", each(RUNGS))
def test_a_live_search_on_rungs(name, spark, tmp_path):
    search, settings = RUNGS[name]

    def longer(epochs, **params):
        return train(**params)

    result = search(
        spark, longer, SPACE, metric="loss", direction="min", initial=BEGIN, seed=3, search=name,
        fidelity="epochs", min=1, max=4, eta=2, where=lambda p: p["units"] * p["rate"] < 0.9,
        logdir=tmp_path / "run", progress=False, **settings,
    )  # fmt: skip
    assert result.stopped is None
    assert seen_regions(result.trials) == {8, 7, True, False}
    # Nothing that failed is promoted, and something comes to the top.
    by_id = {r.trial.id: r for r in result.trials}
    assert all(by_id[r.trial.parent].succeeded for r in result.trials if r.trial.parent)
    assert result.best.params and max(r.trial.rung for r in result.trials) == 2
    assert experiment.load(result.logdir).best == result.best
