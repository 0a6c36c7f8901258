"""Every family of searchers on a real session, where trials fail, are slow and return NaN."""

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

FAMILIES = {
    "random": {"searcher": "random", "n_trials": 8},
    "sobol, repeated": {"searcher": "sobol", "n_trials": 5, "repeats": 2, "confirm": 1},
    "grid": {"searcher": "grid"},
    "evolution": {"searcher": "evolution", "n_trials": 12},
    "shade": {"searcher": "shade", "n_trials": 18},
    "optuna": {"searcher": TPESampler(seed=1, n_startup_trials=5), "n_trials": 10},
    "front": {"searcher": "evolution", "n_trials": 12, "metric": ["loss", "size"]},
    "optuna, front": {"searcher": NSGAIISampler(seed=1, population_size=6), "n_trials": 12},
}
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


def test_a_live_search_with_each_family(spark, tmp_path):
    for name, given in FAMILIES.items():
        options = {"metric": "loss", "direction": "min", **given}
        if "front" in name:
            options |= {"metric": ["loss", "size"], "direction": ["min", "min"]}
        if name != "grid":
            options["initial"] = BEGIN
        if isinstance(options["searcher"], str) and name != "grid":
            options["seed"] = 3
        result = experiment.search(
            spark, train, GRID if name == "grid" else SPACE,
            where=lambda p: p["units"] * p["rate"] < 0.9,
            logdir=tmp_path / name, progress=False, **options,
        )  # fmt: skip
        assert result.stopped is None, name
        regions = set()
        for r in result.trials:
            params = r.trial.params
            assert params["units"] * params["rate"] < 0.9
            assert ("momentum" in params) == (params["optimizer"] == "sgd")
            good = params["units"] < 8 and params["optimizer"] != "odd"
            assert (r.state is State.SUCCEEDED) == good, (name, r)
            if params["units"] == 7 and r.reused_from is None:
                assert r.seconds >= 1
            regions.add(params["units"] if params["units"] > 6 else params["optimizer"] == "odd")
        assert regions == {8, 7, True, False}, name  # that fails, is slow, returns NaN, is good
        assert result.front and all(math.isfinite(best.value) for best in result.front)
        assert experiment.load(result.logdir).front == result.front
