"""experiment.search: one call for all searchers."""

from __future__ import annotations

import json
import warnings

import optuna
import pytest
from optuna.samplers import CmaEsSampler, GridSampler, RandomSampler, TPESampler

from sparkexp import experiment
from sparkexp.errors import (
    EnvironmentUnfitError,
    InvalidArgumentError,
    SearchInterrupted,
    SpaceError,
)
from sparkexp.search import OptunaSearcher, SobolSearcher
from sparkexp.search.registry import SEARCHERS
from sparkexp.space import Choice, Float, Int, Space

from ..search.driving import drive

HOW = {"engine": "inline", "progress": False}
SPACE = {
    "x": [0.0, 1.0],
    "rate": Float(1e-5, 1e-1, log=True),
    "kind": Choice({"wide": {"units": [16, 32, 64]}, "flat": {}}),
}


def train(x, rate, kind, units=0):
    if x > 0.9:
        raise RuntimeError("this region fails")
    return x - rate + units / 100


@pytest.mark.parametrize("searcher", [name for name in SEARCHERS if name != "grid"])
def test_by_name(searcher):
    result = experiment.search(None, train, SPACE, searcher, n_trials=24, seed=2, **HOW)
    assert len(result) == 24
    again = experiment.search(None, train, SPACE, searcher, n_trials=24, seed=2, **HOW)
    assert [r.trial for r in again.trials] == [r.trial for r in result.trials]
    assert {"x", "rate", "kind", "units"} <= set(result.to_pandas())
    assert result.best.params["kind"] == "wide"


def test_an_evolution_is_that_of_the_evolutionary_search(capsys):
    space = {"x": [0.0, 0.8], "rate": [0.0, 0.1], "kind": "flat"}
    how = {"seed": 2, "engine": "inline"}
    result = experiment.search(None, train, space, "evolution", n_trials=18, **how)
    said = capsys.readouterr()
    assert "variant 'surrogate' for 18 configurations" in said.out + said.err
    same = experiment.evolutionary_search(None, train, space, max_trials=18, **how)
    assert [r.trial for r in same.trials] == [r.trial for r in result.trials]


def test_a_grid():
    space = {"x": [0.0, 0.5], "rate": [0.1, 0.2], "kind": SPACE["kind"]}
    assert len(experiment.search(None, train, space, "grid", **HOW)) == 16
    assert len(experiment.search(None, train, space, "grid", max_trials=3, **HOW)) == 3
    with pytest.raises(InvalidArgumentError, match="leave seed out"):
        experiment.search(None, train, space, "grid", seed=3, **HOW)
    with pytest.raises(SpaceError, match="rate: A grid needs a list of values"):
        experiment.search(None, train, SPACE, "grid", **HOW)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"searcher": "annealing", "n_trials": 3}, "searcher must be one of 'grid', 'random'"),
        ({"searcher": 3, "n_trials": 3}, "got 3"),
        ({"searcher": "random"}, "give max_trials=50"),
        ({"searcher": "evolution", "n_trials": 0}, "at least 1, got 0"),
        ({"searcher": TPESampler(), "n_trials": 3, "seed": 1}, r"write TPESampler\(seed=1\)"),
        ({"searcher": GridSampler({}), "n_trials": 3}, "searcher='grid'"),
        ({"searcher": "random", "n_trials": 3, "direction": "up"}, "direction must be"),
    ],
)
def test_what_is_wrong_is_said_first(given, message):
    with pytest.raises(InvalidArgumentError, match=message):
        experiment.search(None, train, SPACE, **given, **HOW)


def test_max_trials_is_a_number_of_trials_too():
    assert len(experiment.search(None, train, SPACE, "random", max_trials=5, **HOW)) == 5


def test_dry_run():
    tried = experiment.dry_run(experiment.search, None, train, SPACE, "sobol", n_trials=3, **HOW)
    assert len(tried) == 1 and not tried.failures()


def test_sobol_points_are_spread():
    """Each of 64 columns and rows of the unit square has one point."""
    searcher = SobolSearcher(Space({"x": Float(0, 1), "y": Float(0, 1)}), n_trials=64, seed=5)
    points = [trial.params for trial in iter(searcher.ask, None)]
    for name in ("x", "y"):
        assert sorted(int(64 * p[name]) for p in points) == list(range(64))


# Optuna.


def space_of_all_kinds() -> Space:
    return Space(
        {
            "rate": Float(1e-5, 1e-1, log=True),
            "momentum": Float(0.5, 0.92, step=0.1),
            "units": Int(1, 512, log=True),
            "layers": Int(1, 6, step=2),
            "batch": Choice([64, 16, 32]),
            "odd": Choice([1, True, "a"]),
            "kind": Choice({"sgd": {"beta": Float(0, 1)}, "adam": {}}),
        }
    )


def test_optuna_sees_the_distributions():
    searcher = OptunaSearcher(space_of_all_kinds(), "min", 30, RandomSampler(seed=1))
    drive(searcher, lambda params: float(params["units"]))
    study = searcher._require_study()
    assert study.direction.name == "MINIMIZE"
    found = optuna.distributions
    known = {name: d for trial in study.trials for name, d in trial.distributions.items()}
    assert known == {
        "rate": found.FloatDistribution(1e-5, 1e-1, log=True),
        "momentum": found.FloatDistribution(0.5, 0.9, step=0.1),
        "units": found.IntDistribution(1, 512, log=True),
        "layers": found.IntDistribution(1, 5, step=2),
        "batch": found.IntDistribution(0, 2),
        "odd": found.CategoricalDistribution((0, 1, 2)),
        "kind": found.CategoricalDistribution(("sgd", "adam")),
        "beta": found.FloatDistribution(0.0, 1.0),
    }
    for trial in study.trials:
        assert ("beta" in trial.params) == (trial.params["kind"] == "sgd")
        assert trial.value == trial.params["units"]


def test_optuna_learns():
    """TPE finds a better point than random search from the same seeds, nearly always."""

    def objective(params):
        return (params["x"] - 0.7) ** 2 + (params["y"] - 0.2) ** 2

    space = Space({"x": Float(0, 1), "y": Float(0, 1)})
    wins = 0
    for seed in range(5):
        best = {}
        for name, sampler in (("tpe", TPESampler(seed=seed)), ("random", RandomSampler(seed))):
            ended = drive(OptunaSearcher(space, "min", 40, sampler), objective)
            best[name] = min(r.value for r in ended)
        wins += best["tpe"] < best["random"]
    assert wins >= 4


def test_optuna_is_told_failures():
    searcher = OptunaSearcher(Space({"x": Float(0, 1)}), "max", 6, RandomSampler(seed=1))
    drive(searcher, lambda params: None if params["x"] > 0.5 else params["x"])
    states = [trial.state.name for trial in searcher._require_study().trials]
    assert set(states) == {"COMPLETE", "FAIL"}


def test_a_search_with_optuna_and_its_resume(tmp_path):
    def sampler():
        return TPESampler(seed=3, n_startup_trials=4)

    left = iter(range(8))

    def stop_after_8(**params):
        if next(left, None) is None:
            raise KeyboardInterrupt
        return train(**params)

    with pytest.raises(SearchInterrupted):
        experiment.search(
            None, stop_after_8, SPACE, sampler(), max_trials=14, logdir=tmp_path, **HOW
        )
    record = json.loads((tmp_path / "experiment.json").read_text())
    assert record["settings"]["sampler"] == "TPESampler"
    for given in (None, RandomSampler(), "random"):
        with pytest.raises(InvalidArgumentError, match=r"searcher=optuna.samplers.TPESampler\(\)"):
            experiment.resume(None, train, tmp_path, searcher=given, max_trials=None, **HOW)
    before = experiment.load(tmp_path)
    result = experiment.resume(None, train, tmp_path, searcher=sampler(), max_trials=None, **HOW)
    assert len(result) == 14
    assert result.trials[:8] == before.trials[:8]
    result.plot("slice")


def test_a_sampler_is_for_optuna_only(tmp_path):
    experiment.search(None, train, SPACE, "random", n_trials=4, logdir=tmp_path, **HOW)
    with pytest.raises(InvalidArgumentError, match="the log directory holds all of it"):
        experiment.resume(None, train, tmp_path, searcher=TPESampler(), **HOW)


def test_a_restored_study_knows_all_trials():
    space = space_of_all_kinds()
    searcher = OptunaSearcher(space, "max", 20, RandomSampler(seed=4))
    drive(searcher, lambda params: None if params["layers"] == 1 else 1.0, n_trials=9)
    still_open = [searcher.ask(), searcher.ask()]
    restored = OptunaSearcher(space, "max", 20, RandomSampler(seed=1))
    restored.restore(json.loads(json.dumps(searcher.state())))

    def seen(study):
        trials = [(t.state.name, t.value, t.params, t.distributions) for t in study.trials]
        return sorted(trials, key=str)

    assert seen(restored._require_study()) == seen(searcher._require_study())
    assert [restored.ask(), restored.ask()] == still_open


def test_without_optuna(monkeypatch):
    sampler = TPESampler()
    monkeypatch.setitem(__import__("sys").modules, "optuna", None)
    with pytest.raises(EnvironmentUnfitError, match=r"pip install 'sparkexp\[optuna\]'"):
        OptunaSearcher(Space({"x": Float(0, 1)}), "max", 3, sampler)


def test_cma_es():
    space = {"x": [0.0, 1.0], "y": [0.0, 1.0]}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Optuna's own, about experimental parts
        result = experiment.search(
            None, lambda x, y: -((x - 0.3) ** 2), space, CmaEsSampler(seed=1), n_trials=20, **HOW
        )
    assert len(result) == 20
