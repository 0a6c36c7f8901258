"""Whole searches on the inline engine, through the front door."""

from __future__ import annotations

import io
import itertools
import logging
import math
import os
import shutil
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import sparkexp
from sparkexp import experiment
from sparkexp.driver.logdir import choose_logdir
from sparkexp.errors import (
    EnvironmentUnfitError,
    InvalidArgumentError,
    NoBestTrialError,
    RunDirectoryError,
    SpaceError,
    SparkexpError,
    TrainFunctionError,
)
from sparkexp.experiment import Choice, Float, Int, Result
from sparkexp.runs import open_run
from sparkexp.trial import State, params_key

from ..tracking.tensorboard import reading

QUIET = {"engine": "inline", "progress": False}
GRID = {"learning_rate": [0.001, 0.005, 0.01], "dropout": [0.5, 0.6]}
SEARCH = {"learning_rate": [0.005, 0.00005], "dropout": [0.01, 0.99], "num_layers": [1, 3]}
SMALL = {"a": [1, 2], "b": ["x", "y"]}


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch) -> Path:
    """An empty working directory, where runs go without logdir."""
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


class Train:
    """A train function that remembers its calls."""

    def __init__(self, function: Callable[..., object] = lambda **params: 1.0) -> None:
        self.calls: list[dict[str, object]] = []
        self._function = function

    def __call__(self, **params):
        self.calls.append(params)
        return self._function(**params)


def score(learning_rate, dropout, num_layers=2):
    return num_layers - (dropout - 0.3) ** 2 - abs(math.log10(learning_rate) + 3)


def on_disk(result: Result) -> tuple:
    return tuple(open_run(result.logdir).results())


# Grids


def test_a_grid_is_the_product_in_a_fixed_order():
    train = Train(score)
    result = experiment.launch(None, train, GRID, **QUIET)
    expected = [
        {"learning_rate": lr, "dropout": dropout}
        for lr, dropout in itertools.product([0.001, 0.005, 0.01], [0.5, 0.6])
    ]
    assert train.calls == expected
    assert [dict(r.trial.params) for r in result.trials] == expected
    assert [r.trial.id for r in result.trials] == [f"trials/trial-{k:05d}" for k in range(6)]
    assert result.best.params == {"learning_rate": 0.001, "dropout": 0.5}
    assert result.best.value == pytest.approx(1.96)


def test_a_grid_in_tensorboard():
    def train(learning_rate, dropout):
        experiment.report(0, loss=dropout)
        return {"accuracy": learning_rate * 10, "loss": dropout}

    result = experiment.launch(None, train, GRID, metric="accuracy", **QUIET)
    groups = reading.session_groups(result.logdir)
    assert [group["runs"] for group in groups] == [[r.trial.id] for r in result.trials]
    for group, trial in zip(groups, result.trials, strict=True):
        assert group["status"] == "SUCCESS" and group["hparams"] == trial.trial.params
        metrics = group["metrics"]
        assert metrics["objective"] == pytest.approx(trial.value)
        assert metrics["returned/loss"] == pytest.approx(trial.trial.params["dropout"])
        assert metrics["duration_s"] >= 0 and group["started"] <= group["ended"]
        assert group["runs"] == [trial.trial.id]
    assert reading.domains(result.logdir) == {
        "learning_rate": ("FLOAT64", [0.001, 0.005, 0.01]),
        "dropout": ("FLOAT64", [0.5, 0.6]),
    }
    objective = reading.experiment(result.logdir).metric_infos[0]
    assert (objective.name.tag, objective.display_name) == ("objective", "accuracy (max)")
    assert reading.scalars(result.logdir)["trials/trial-00001"]["loss"] == [
        (0, pytest.approx(0.6))
    ]


def test_an_evolution_in_tensorboard():
    result = experiment.evolutionary_search(
        None, score, SEARCH, popsize=4, generations=1, seed=1, **QUIET
    )
    groups = {group["runs"][0]: group for group in reading.session_groups(result.logdir)}
    run = [r for r in result.trials if r.reused_from is None]
    assert set(groups) == {r.trial.id for r in run}
    for trial in run:
        expected = {**trial.trial.params, "generation": trial.trial.generation}
        assert groups[trial.trial.id]["hparams"] == expected
    domains = reading.domains(result.logdir)
    assert "generation" not in domains  # a metric, not between the parameters
    assert domains["learning_rate"] == ("FLOAT64", (0.00005, 0.005))
    assert domains["num_layers"] == ("FLOAT64", [1, 2, 3])
    assert Path(result.logdir, "evolution").is_dir()


def test_failures_are_data():
    def train(x):
        if x == 1:
            raise ValueError("bad rate")
        if x == 2:
            sys.exit(3)
        if x == 3:
            return math.nan
        if x == 4:
            return "0.5"
        return x

    result = experiment.launch(None, train, {"x": list(range(20))}, **QUIET)
    assert result.best.params == {"x": 19}
    failures = {int(name[-5:]): text.splitlines()[-1] for name, text in result.failures().items()}
    assert failures == {
        1: "ValueError: bad rate",
        2: "SystemExit: 3",
        3: "The train function returned nan.",
        4: "The train function must return a number or a dict of numbers, got builtins.str.",
    }
    status = {g["hparams"]["x"]: g["status"] for g in reading.session_groups(result.logdir)}
    assert status == {x: "FAILURE" if 1 <= x <= 4 else "SUCCESS" for x in range(20)}
    frame = result.to_pandas()
    assert (frame["status"] == "FAILED").sum() == 4 == frame["error"].notna().sum()


def test_a_list_of_dicts_is_exactly_its_trials():
    train = Train(lambda a, b=0: a + b)
    trials = [{"a": 1}, {"a": 2, "b": np.int64(5)}, {"a": 1}]
    result = experiment.launch(None, train, trials, direction="min", **QUIET)
    assert train.calls == [{"a": 1}, {"a": 2, "b": 5}, {"a": 1}], "the user's repetitions are run"
    assert type(train.calls[1]["b"]) is int
    assert [r.value for r in result.trials] == [1.0, 7.0, 1.0]
    assert result.best.id == "trials/trial-00000"
    assert reading.domains(result.logdir)["a"] == ("FLOAT64", [1.0, 2.0])


def test_without_arguments_the_function_runs_once():
    train = Train(lambda: 0.5)
    result = experiment.launch(None, train, **QUIET)
    assert train.calls == [{}] and len(result) == 1
    assert (result.best.params, result.best.value) == ({}, 0.5)


def test_a_constant_beside_lists():
    train = Train(lambda x, opt: x)
    experiment.launch(None, train, {"x": [1, 2], "opt": "adam"}, **QUIET)
    assert train.calls == [{"x": 1, "opt": "adam"}, {"x": 2, "opt": "adam"}]


def test_arguments_with_defaults_may_be_left_out():
    result = experiment.launch(None, score, {"learning_rate": [0.001], "dropout": [0.3]}, **QUIET)
    assert result.best.value == pytest.approx(2.0)


def test_a_function_that_returns_nothing():
    result = experiment.launch(None, lambda x: None, {"x": [1, 2]}, **QUIET)
    assert [r.state for r in result.trials] == [State.SUCCEEDED] * 2
    assert [r.value for r in result.trials] == [None, None]
    with pytest.raises(NoBestTrialError, match="returned nothing. Return the metric"):
        _ = result.best
    statuses = [group["status"] for group in reading.session_groups(result.logdir)]
    assert statuses == ["SUCCESS", "SUCCESS"]
    assert "2 trials (2 succeeded)" in str(result)


def test_a_dict_of_which_no_entry_was_named():
    def train(x):
        return {"loss": -x, "accuracy": x}

    result = experiment.launch(None, train, {"x": [1, 2]}, **QUIET)
    with pytest.raises(NoBestTrialError, match=r"\('loss', 'accuracy'\). Name one with metric="):
        _ = result.best
    assert result.to_pandas()["accuracy"].tolist() == [1.0, 2.0], "its metrics are kept"
    search = experiment.random_search(None, train, {"x": [0.0, 1.0]}, n_trials=2, **QUIET)
    assert {r.state for r in search.trials} == {State.FAILED}
    with pytest.raises(NoBestTrialError, match="none of the 2 trials succeeded.*metric='accu"):
        _ = search.best


def test_a_metric_that_is_not_returned():
    def train(x):
        return {"loss": x, "acc": 1 - x}

    result = experiment.launch(None, train, {"x": [0.1, 0.2]}, metric="accuracy", **QUIET)
    assert {r.state for r in result.trials} == {State.FAILED}
    with pytest.raises(NoBestTrialError, match="no 'accuracy' but 'loss', 'acc'"):
        _ = result.best


@pytest.mark.parametrize(("metric", "direction", "x"), [("a", "max", 3), ("b", "min", 2)])
def test_the_metric_to_optimise(metric, direction, x):
    result = experiment.launch(
        None, lambda x: {"a": x, "b": (x - 2) ** 2}, {"x": [1, 2, 3]}, metric=metric,
        direction=direction, **QUIET,
    )  # fmt: skip
    assert result.best.params == {"x": x}
    assert result.best.metrics == {"a": x, "b": (x - 2) ** 2}


def test_metrics_that_json_and_tensorboard_cannot_hold():
    def train(x):
        return [
            {"loss": math.nan, "note": "text"},
            {"loss": 1.0, "other": math.inf},
            {"loss": 2.0, "caf\udce9": 1.0},
            {"loss": 3.0, "": 1.0, "a/b c": 1e300},
        ][x]

    result = experiment.launch(None, train, {"x": [0, 1, 2, 3]}, metric="loss", **QUIET)
    assert [r.value for r in result.trials][1:] == [1.0, 2.0, 3.0]
    assert result.trials[0].state is State.FAILED
    assert on_disk(result) == result.trials
    assert len(reading.session_groups(result.logdir)) == 4


def test_parameters_that_utf8_cannot_encode():
    name = os.fsdecode(b"caf\xe9.png")
    train = Train(lambda file: float(file == name))
    result = experiment.launch(None, train, {"file": [name, "b.png"]}, **QUIET)
    assert result.best.params == {"file": name}
    assert on_disk(result) == result.trials
    str(result), result._repr_html_()


# Searches


def test_an_evolution_finds_the_optimum():
    result = experiment.evolutionary_search(
        None, score, SEARCH, "max", popsize=10, generations=10, seed=1, **QUIET
    )
    assert len(result) == 110
    assert result.best.params["num_layers"] == 3
    assert result.best.params["dropout"] == pytest.approx(0.3, abs=0.15)
    assert all(0.00005 <= r.trial.params["learning_rate"] <= 0.005 for r in result.trials)
    generations = result.to_pandas()["generation"].tolist()
    assert generations == [k // 10 for k in range(110)]
    first = result.to_pandas()["parent"]
    assert first[:10].isna().all() and first[10:].notna().all()


@pytest.mark.parametrize(
    "search",
    [
        lambda seed: experiment.evolutionary_search(
            None, score, SEARCH, popsize=5, generations=3, seed=seed, **QUIET
        ),
        lambda seed: experiment.random_search(
            None, score, SEARCH, n_trials=12, seed=seed, **QUIET
        ),
    ],
)
def test_a_seed_repeats_a_search(search):
    def content(result):
        return [(r.trial, r.value, r.reused_from) for r in result.trials]

    one, same, other = (content(search(seed)) for seed in (1, 1, 2))
    assert one == same != other


def test_a_seed_that_was_drawn_is_recorded():
    first = experiment.random_search(None, score, SEARCH, n_trials=3, **QUIET)
    second = experiment.random_search(None, score, SEARCH, n_trials=3, **QUIET)
    seed = open_run(first.logdir).settings["settings"]["seed"]
    again = experiment.random_search(None, score, SEARCH, n_trials=3, seed=seed, **QUIET)
    assert [r.trial for r in again.trials] == [r.trial for r in first.trials]
    assert [r.trial for r in second.trials] != [r.trial for r in first.trials]


def test_to_maximise_is_to_minimise_the_negative():
    def negative(**params):
        return -score(**params)

    options = {"popsize": 6, "generations": 5, "seed": 3, **QUIET}
    largest = experiment.evolutionary_search(None, score, SEARCH, "max", **options)
    smallest = experiment.evolutionary_search(None, negative, SEARCH, "min", **options)
    assert [r.trial for r in largest.trials] == [r.trial for r in smallest.trials]
    assert largest.best.params == smallest.best.params
    assert largest.best.value == -smallest.best.value


def test_a_configuration_is_not_run_again_and_this_is_visible():
    train = Train(lambda a, b: a + (b == "x"))
    result = experiment.evolutionary_search(
        None, train, SMALL, popsize=5, generations=6, seed=1, **QUIET
    )
    keys = [params_key(call) for call in train.calls]
    assert len(result) == 35 and len(keys) == len(set(keys)) <= 4
    frame = result.to_pandas().set_index("id")
    reused = frame[frame["reused_from"].notna()]
    assert len(reused) == 35 - len(keys)
    for _, row in reused.iterrows():
        origin = frame.loc[row["reused_from"]]
        assert (row["a"], row["b"], row["value"]) == (origin["a"], origin["b"], origin["value"])
        assert origin["reused_from"] is None and row["seconds"] == 0.0
    assert f"{len(reused)} reused" in str(result)
    assert on_disk(result) == result.trials


def test_a_random_search_reuses_too():
    train = Train(lambda a, b: a)
    result = experiment.random_search(None, train, SMALL, n_trials=30, seed=1, **QUIET)
    assert len(result) == 30 and len(train.calls) == 4


def test_no_generations_are_the_initial_population_only():
    train = Train(score)
    result = experiment.evolutionary_search(
        None, train, SEARCH, popsize=4, generations=0, seed=1, **QUIET
    )
    assert len(result) == len(train.calls) == 4


def test_typed_parameters():
    train = Train(lambda lr, units, batch: lr * units * batch)
    space = {
        "lr": Float(1e-5, 1e-1, log=True),
        "units": Int(16, 64, step=16),
        "batch": Choice([32, 64]),
    }
    experiment.random_search(None, train, space, n_trials=30, seed=1, **QUIET)
    assert {type(call["lr"]) for call in train.calls} == {float}
    assert {call["units"] for call in train.calls} == {16, 32, 48, 64}
    assert {call["batch"] for call in train.calls} == {32, 64}
    assert sum(call["lr"] < 1e-3 for call in train.calls) > 5


def test_a_search_in_which_everything_fails():
    def train(x):
        raise ValueError(f"bad {x > 2}")

    result = experiment.evolutionary_search(
        None, train, {"x": [0.0, 1.0]}, popsize=4, generations=2, seed=1, **QUIET
    )
    assert len(result) == 12
    with pytest.raises(NoBestTrialError, match="none of the 12 trials .*ValueError: bad False"):
        _ = result.best
    statuses = {group["status"] for group in reading.session_groups(result.logdir)}
    assert statuses == {"FAILURE"}
    assert set(reading.domains(result.logdir)) == {"x"}


# The run's directory


def test_records_on_disk_are_the_result():
    def train(x):
        if x == 2:
            raise ValueError
        return {"loss": x / 3}

    result = experiment.launch(
        None, train, {"x": [1, 2, 3]}, direction="min", name="thirds", **QUIET
    )
    assert on_disk(result) == result.trials
    again = Result.of_run(open_run(result.logdir))
    assert again == result
    assert again.best == result.best and str(again) == str(result)


def test_settings_on_disk():
    result = experiment.evolutionary_search(
        None, score, SEARCH, "min", 4, 1, 0.25, 1.5, seed=7, metric="m", name="my run", **QUIET
    )
    run = open_run(result.logdir)
    settings = run.settings
    assert settings["name"] == "my run" and settings["options"]["metric"] == "m"
    assert settings["sparkexp_version"] == sparkexp.__version__
    assert (settings["searcher"], settings["direction"]) == ("evolution", "min")
    assert settings["settings"] == {
        "direction": "min",
        "popsize": 4,
        "generations": 1,
        "crossover": 0.25,
        "mutation": 1.5,
        "seed": 7,
    }
    assert experiment.Space.from_json(settings["space"]) == experiment.Space.from_search_dict(
        SEARCH
    )
    assert run.searcher_state()["n_asked"] == 8


def test_a_logdir(tmp_path):
    logdir = tmp_path / "deep" / "my 'run'"
    seen = []

    def train(x):
        seen.append(experiment.logdir())
        Path(seen[-1], "model.bin").write_text("weights")
        return x

    result = experiment.launch(None, train, {"x": [1, 2]}, logdir=str(logdir), **QUIET)
    assert result.logdir == str(logdir)
    assert seen == [str(logdir / f"trials/trial-0000{k}") for k in range(2)]
    assert [r.logdir for r in result.trials] == seen
    assert Path(result.best.logdir, "model.bin").read_text() == "weights"


def test_a_run_gets_a_directory_of_its_own(here):
    results = [
        experiment.launch(None, score, {"learning_rate": [0.1], "dropout": [0.1]}, **QUIET)
        for _ in range(3)
    ]
    named = experiment.launch(None, lambda: 1, name="other", **QUIET)
    directories = [Path(r.logdir) for r in (*results, named)]
    assert len(set(directories)) == 4
    assert {d.parent for d in directories} == {here / "sparkexp-runs"}
    assert directories[0].name.startswith("score-") and directories[3].name.startswith("other-")
    assert (results[0].name, named.name) == ("score", "other")


@pytest.mark.parametrize("name", ["a/b", "../../outside", "/tmp/sparkexp-absolute"])
def test_a_name_does_not_lead_out_of_the_folder_for_runs(here, tmp_path, monkeypatch, name):
    if name.startswith("/"):
        name = str(tmp_path / "absolute")
    result = experiment.launch(None, lambda: 1.0, name=name, **QUIET)
    assert Path(result.logdir).parent == here / "sparkexp-runs"


def test_a_change_of_directory_in_a_trial_moves_nothing(tmp_path):
    def train(x):
        os.chdir("/")
        experiment.report(0, loss=x)
        return x

    result = experiment.launch(None, train, {"x": [1.0, 2.0]}, logdir="run", **QUIET)
    assert result.logdir == str(tmp_path / "here" / "run")
    assert set(reading.scalars(result.logdir)) >= {"trials/trial-00000", "trials/trial-00001"}


@pytest.mark.timeout(60)
def test_ctrl_c_ends_the_search_and_keeps_what_ended(tmp_path, monkeypatch):
    # There is no process to wait for: the trial was in this one.
    monkeypatch.setattr("sparkexp.driver.loop.CANCEL_S", 600)

    def train(x):
        if x == 3:
            raise KeyboardInterrupt
        return x

    with pytest.raises(KeyboardInterrupt):
        experiment.launch(None, train, {"x": [1, 2, 3, 4]}, logdir=tmp_path / "run", **QUIET)
    result = Result.of_run(open_run(tmp_path / "run"))
    assert [r.value for r in result.trials] == [1.0, 2.0, None]
    assert result.trials[2].state is State.CANCELLED
    assert result.best.params == {"x": 2}
    with pytest.raises(EnvironmentUnfitError):
        experiment.logdir()


# Validation: before anything is created, and before the first trial


class Anything:
    """No session."""


EVOLUTION = {"function": "evolutionary_search", "args_dict": SEARCH, "train": score}
INVALID = {
    "an unknown argument": (
        {"args_dict": {"learning_rat": [1], "dropout": [1]}},
        TrainFunctionError,
        "no argument 'learning_rat' (did you mean 'learning_rate'?)",
    ),
    "a missing argument": (
        {"args_dict": {"learning_rate": [1]}},
        TrainFunctionError,
        "no value for its argument 'dropout'",
    ),
    "a missing argument in one of a list": (
        {"args_dict": [{"learning_rate": 1, "dropout": 1}, {"learning_rate": 1}]},
        TrainFunctionError,
        "no value for its argument 'dropout'",
    ),
    "no arguments at all": ({"args_dict": None}, TrainFunctionError, "'dropout', 'learning_rate'"),
    "a missing argument of a search": (
        {**EVOLUTION, "args_dict": {"learning_rate": [0, 1]}},
        TrainFunctionError,
        "no value for its argument 'dropout'",
    ),
    "no function": ({"train": 0.5}, TrainFunctionError, "must be a function, got float"),
    "an unknown option": ({"metrc": "loss"}, InvalidArgumentError, "no option 'metrc'"),
    "a search's option in a grid": ({"popsize": 4}, InvalidArgumentError, "no option 'popsize'"),
    "an empty metric": ({"metric": ""}, InvalidArgumentError, "metric must be a text"),
    "an engine": ({"engine": "dask"}, InvalidArgumentError, "engine must be 'spark' or 'inline'"),
    "parallelism": (
        {"parallelism": 0},
        InvalidArgumentError,
        "parallelism is a whole number of at least 1",
    ),
    "py_files": ({"py_files": ["no.py"]}, InvalidArgumentError, "must name existing .py"),
    "no URL": ({"logdir": "s3:/b/run"}, InvalidArgumentError, "URL must name a server"),
    "an empty dict": ({"args_dict": {}}, SpaceError, "at least one parameter, got none"),
    "an empty list": ({"args_dict": []}, SpaceError, "list of at least one dict, got []"),
    "an empty search": ({**EVOLUTION, "args_dict": {}}, SpaceError, "at least one parameter"),
    "an empty list of values": ({"args_dict": {"learning_rate": []}}, SpaceError, "learning_rate"),
    "no dict": ({"args_dict": 3}, SpaceError, "must be a dict of lists, a list of dicts or None"),
    "a text": ({"args_dict": "lr"}, SpaceError, "must be a dict of lists"),
    "no dict in a search": ({**EVOLUTION, "args_dict": [1]}, SpaceError, "must be a dict by name"),
    "a value": (
        {"args_dict": {"learning_rate": [math.nan], "dropout": [1]}},
        SpaceError,
        "learning_rate: A parameter's value must be finite, got nan",
    ),
    "a continuous grid": (
        {"args_dict": {"learning_rate": Float(0, 1), "dropout": [1]}},
        SpaceError,
        "learning_rate: A grid needs a list of values",
    ),
    "a direction": ({"direction": "up"}, InvalidArgumentError, "'max' or 'min', got 'up'"),
    "a search's direction": (
        {**EVOLUTION, "direction": "maximize"},
        InvalidArgumentError,
        "'max' or 'min', got 'maximize'",
    ),
    "popsize": (
        {**EVOLUTION, "popsize": 3},
        InvalidArgumentError,
        "popsize is a whole number of at least 4, got 3",
    ),
    "a popsize that is no int": ({**EVOLUTION, "popsize": 4.5}, InvalidArgumentError, "got 4.5"),
    "generations": (
        {**EVOLUTION, "generations": -1},
        InvalidArgumentError,
        "generations is a whole number of at least 0, got -1",
    ),
    "mutation 0": (
        {**EVOLUTION, "mutation": 0},
        InvalidArgumentError,
        "mutation is a number in (0, 2], got 0",
    ),
    "mutation 2.1": ({**EVOLUTION, "mutation": 2.1}, InvalidArgumentError, "(0, 2], got 2.1"),
    "crossover": (
        {**EVOLUTION, "crossover": 1.1},
        InvalidArgumentError,
        "crossover is a number in [0, 1], got 1.1",
    ),
    "crossover -0.1": ({**EVOLUTION, "crossover": -0.1}, InvalidArgumentError, "got -0.1"),
    "a seed": ({**EVOLUTION, "seed": -1}, InvalidArgumentError, "seed is a whole number of at"),
    "n_trials": (
        {**EVOLUTION, "function": "random_search", "n_trials": 0},
        InvalidArgumentError,
        "n_trials is a whole number of at least 1, got 0",
    ),
    "no session": ({"engine": "spark"}, InvalidArgumentError, "must be a SparkSession, got None"),
    "something else than a session": (
        {"spark": Anything(), "engine": "spark"},
        InvalidArgumentError,
        "must be a SparkSession, got <",
    ),
}


@pytest.mark.parametrize("what", INVALID)
def test_what_breaks_a_rule_is_said_before_anything_happens(here, capfd, what):
    changes, error, words = INVALID[what]
    call = {"function": "launch", "spark": None, "train": score, "args_dict": GRID}
    call |= {"engine": "inline", **changes}
    function = getattr(experiment, call.pop("function"))
    train = call.pop("train")
    calls: list[object] = []
    if callable(train):  # the same signature, and a note of every call

        def train(learning_rate, dropout, num_layers=2):
            calls.append(learning_rate)
            if len(calls) > 50:
                raise KeyboardInterrupt  # an endless search
            return learning_rate

    with pytest.raises(error) as caught:
        try:
            function(call.pop("spark"), train, call.pop("args_dict"), **call)
        except KeyboardInterrupt:
            pytest.fail("it searched")
    assert words in str(caught.value)
    assert isinstance(caught.value, (SparkexpError, ValueError))
    assert calls == [] and list(here.iterdir()) == []
    assert capfd.readouterr() == ("", ""), "nothing is announced that will not happen"


def test_searches_of_the_same_second_have_directories_of_their_own():
    results = [experiment.launch(None, lambda x: x, {"x": [1]}, **QUIET) for _ in range(5)]
    assert len({result.logdir for result in results}) == 5
    # The searches may take more than a second; these don't.
    assert len({choose_logdir("x") for _ in range(20)}) == 20


def test_a_logdir_that_holds_another_run(tmp_path):
    first = experiment.launch(None, lambda: 1.0, logdir=tmp_path / "run", **QUIET)
    before = {path: path.stat().st_mtime_ns for path in Path(first.logdir).rglob("*")}
    train = Train()
    with pytest.raises(RunDirectoryError, match="holds one run, and logdir='.*' already has one"):
        experiment.random_search(None, train, SMALL, logdir=tmp_path / "run", **QUIET)
    assert train.calls == []
    assert {p: p.stat().st_mtime_ns for p in Path(first.logdir).rglob("*")} == before


def test_a_logdir_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    train = Train()
    with pytest.raises(RunDirectoryError, match="must be writable, and logdir='.*/file/run'"):
        experiment.launch(None, train, SMALL, logdir=tmp_path / "file" / "run", **QUIET)
    assert train.calls == []


# Inside of a trial


@pytest.mark.parametrize("call", [experiment.logdir, lambda: experiment.report(0, loss=1)])
def test_outside_of_a_trial(call):
    with pytest.raises(EnvironmentUnfitError, match="no trial runs here.*engine='inline'"):
        call()


def test_after_a_search_no_trial_runs():
    experiment.launch(None, lambda x: 1 / 0, {"x": [1]}, **QUIET)
    with pytest.raises(EnvironmentUnfitError, match=r"experiment\.logdir\(\) belongs into"):
        experiment.logdir()


def test_a_thread_of_the_train_function_may_report():
    def train(x):
        thread = threading.Thread(target=experiment.report, args=(1,), kwargs={"loss": x})
        thread.start()
        thread.join()
        return x

    result = experiment.launch(None, train, {"x": [0.5]}, **QUIET)
    assert reading.scalars(result.logdir)["trials/trial-00000"]["loss"] == [(1, 0.5)]


def test_a_trial_may_run_a_search(tmp_path):
    def train(x):
        outside = experiment.logdir()
        folder = tmp_path / f"inner-{x}"

        def train_inner(y):
            assert experiment.logdir() == f"{folder}/trials/trial-{y:05d}"
            return x * (y + 1)

        inner = experiment.launch(None, train_inner, {"y": [0, 1]}, logdir=folder, **QUIET)
        assert experiment.logdir() == outside
        experiment.report(0, inner=inner.best.value)
        return inner.best.value

    result = experiment.launch(None, train, {"x": [1, 3]}, logdir=tmp_path / "outer", **QUIET)
    assert [r.value for r in result.trials] == [2.0, 6.0]
    assert reading.scalars(tmp_path / "outer")["trials/trial-00001"]["inner"] == [(0, 6.0)]


def test_a_bad_report_fails_its_trial_only(caplog):
    def train(x):
        experiment.report(0, loss=math.nan if x == 2 else x)
        experiment.report(x, loss=1)
        return x

    with caplog.at_level(logging.WARNING):
        result = experiment.launch(None, train, {"x": [-1, 1, 2]}, **QUIET)
    assert [r.state for r in result.trials] == ["FAILED", "SUCCEEDED", "SUCCEEDED"]
    assert "step must be an int of 0 or more, got -1" in result.trials[0].error
    assert sum("left out" in record.getMessage() for record in caplog.records) == 1


def test_gpus_of_this_machine_are_shown(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "5")
    seen = Train(lambda: float(os.environ["CUDA_VISIBLE_DEVICES"]))
    result = experiment.launch(None, seen, **QUIET)
    assert (result.trials[0].gpu, result.best.value) == ("5", 5.0)


def test_where_and_when_a_trial_ran():
    result = experiment.launch(None, lambda x: x, {"x": [1, 2]}, **QUIET)
    first, second = result.trials
    assert first.host and first.attempt == 0
    assert first.submitted <= first.started <= first.ended <= second.started


# What is shown


def test_the_plan_comes_before_the_first_trial(capsys, here):
    seen = []

    def train(learning_rate, dropout, num_layers):
        seen.append(capsys.readouterr().err)
        return 1.0

    result = experiment.evolutionary_search(
        None, train, SEARCH, popsize=4, generations=2, variant="classic", seed=5, engine="inline",
        logdir="it's",
    )  # fmt: skip
    plan = seen[0]
    assert plan.startswith("evolution search 'train': 12 trials\n")
    for words in (
        "learning_rate  float in [5e-05, 0.005]",
        "num_layers     int in [1, 3]",
        "popsize        4",
        "seed           5",
        "slots          1 in this process, one after another: 12 waves",
        f"log directory  {here}/it's",
        f"""to watch       sparkexp tensorboard '{here}/it'"'"'s'""",
        "hint: learning_rate spans two decades or more",
    ):
        assert words in plan
    assert seen[1].startswith("1 of 12 trials done")
    assert capsys.readouterr().err.splitlines()[-1].startswith(f"{len(result)} of 12 trials done")


def test_the_plan_of_a_grid(capsys):
    experiment.launch(None, score, GRID, engine="inline")
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("grid search 'score': 6 trials\n")
    assert "one of 0.001, 0.005, 0.01" in captured.err and ": 6 waves" in captured.err


def test_quiet_is_quiet(capfd):
    experiment.launch(None, score, GRID, **QUIET)
    experiment.launch(None, lambda: 1 / 0, **QUIET)
    assert capfd.readouterr() == ("", "")


# What a first visitor broke


def test_a_dry_run_touches_nothing_that_is_there(tmp_path):
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "thesis.txt").write_text("x")

    def train(x):
        raise AssertionError("called")

    for logdir in (mine, tmp_path / "new" / "deep"):
        result = experiment.dry_run(
            experiment.launch, None, train, {"x": [1, 2]}, logdir=logdir, **QUIET
        )
        assert result.failures() == {} and "dry run" in str(result.stopped)
    assert (mine / "thesis.txt").read_text() == "x"
    assert [path.name for path in tmp_path.iterdir() if path.name != "here"] == ["mine"]


def test_a_dry_run_finds_a_module_that_is_missing():
    def train(x):
        import no_such_module  # noqa: F401

    result = experiment.dry_run(experiment.launch, None, train, {"x": [1]}, **QUIET)
    assert "no_such_module" in result.failures()["trials/trial-00000"]
    with pytest.raises(InvalidArgumentError, match="dry_run tries out launch"):
        experiment.dry_run(experiment.resume, None, train, "nowhere")


def test_deleted_records_are_run_again(tmp_path):
    calls = []

    def train(x, y):
        calls.append((x, y))
        return -((x - 0.4) ** 2) - y

    def search(logdir, **options):
        return experiment.evolutionary_search(
            None, train, {"x": [0.0, 1.0], "y": [0, 2]}, popsize=5, generations=3, seed=3,
            logdir=logdir, **options, **QUIET,
        )  # fmt: skip

    whole = search(tmp_path / "whole")
    search(tmp_path / "run", max_trials=12)
    for number in (2, 7):
        (tmp_path / "run" / "records" / f"trial-{number:05d}.json").unlink()
    calls.clear()
    resumed = experiment.resume(None, train, tmp_path / "run", max_trials=None, **QUIET)
    assert [(r.trial, r.value) for r in resumed.trials] == [
        (r.trial, r.value) for r in whole.trials
    ]
    n_run = sum(r.reused_from is None for r in whole.trials)
    assert len(calls) == n_run - 10


def test_a_resumed_run_keeps_its_metric(tmp_path):
    def train(x):
        return {"acc": x, "loss": 100 - x}

    first = experiment.launch(
        None, train, {"x": [1, 2, 3]}, metric="acc", logdir=tmp_path / "r", max_trials=1, **QUIET
    )
    assert first.stopped == "max_trials=1 were run"
    for wrong in ({"metric": "loss"}, {"dry_run": True}, {"name": "other"}):
        with pytest.raises(InvalidArgumentError):
            experiment.resume(None, train, tmp_path / "r", **wrong, **QUIET)
    again = experiment.resume(None, train, tmp_path / "r", max_trials=None, **QUIET)
    assert [r.value for r in again.trials] == [1, 2, 3]


def test_foreign_records_are_not_taken_over(tmp_path):
    other = experiment.launch(None, lambda x: 10.0, {"x": [1]}, logdir=tmp_path / "a", **QUIET)
    stale = tmp_path / "b"
    shutil.copytree(Path(other.logdir) / "records", stale / "records")
    with pytest.raises(RunDirectoryError, match="holds one run"):
        experiment.launch(None, lambda x: 99.0, {"x": [1]}, logdir=stale, **QUIET)


def test_mixed_choices_can_be_printed():
    result = experiment.launch(None, lambda dropout: 1.0, {"dropout": [0.5, "none"]}, **QUIET)
    assert "none" in str(result) and "none" in result._repr_html_()


class Gone(io.StringIO):
    """A terminal that was closed."""

    def write(self, text):
        raise OSError(5, "Input/output error")


@pytest.mark.parametrize("stream", [Gone(), None, "ascii"])
def test_a_console_that_is_gone_does_not_end_the_search(monkeypatch, stream):
    if stream == "ascii":
        stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stderr", stream)
    result = experiment.launch(None, lambda x: x, {"x": list(range(12))}, engine="inline")
    assert len(result) == 12


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"parallelism": 10**30}, "parallelism is a whole number"),
        ({"timeout": 10**400}, "timeout is a number above 0"),
        ({"logdir": "a\0b"}, "logdir must be a path"),
        ({"logdir": "file:///"}, "logdir: A location on this machine must be"),
        ({"logdir": "s3:/bucket"}, "logdir: A URL must name a server"),
    ],
)
def test_odd_options_are_named(options, error):
    with pytest.raises(InvalidArgumentError, match=error):
        experiment.launch(None, lambda x: x, {"x": [1]}, **options, **QUIET)


def test_numpy_numbers_are_options_like_others():
    options = {"parallelism": np.int64(2), "trial_timeout": np.float32(5)}
    result = experiment.launch(None, lambda x: x, {"x": [1]}, **options, **QUIET)
    settings = open_run(result.logdir).settings
    assert (settings["options"]["parallelism"], settings["options"]["trial_timeout"]) == (2, 5.0)
    with pytest.raises(SpaceError, match="64 bits"):
        experiment.launch(None, lambda x: x, {"x": [10**400]}, **QUIET)


def test_the_reason_is_the_exceptions_own_line():
    def several(x):
        raise ValueError("first\n  second\nthird")

    def group(x):
        raise ExceptionGroup("many", [KeyError(1), ValueError("two\nlines")])

    for train, reason in (
        (several, "ValueError: first"),
        (group, "ExceptionGroup: many (2 sub-exceptions)"),
    ):
        result = experiment.launch(None, train, {"x": [1]}, **QUIET)
        assert result.trials[0].reason == reason
        assert reason in str(result)
