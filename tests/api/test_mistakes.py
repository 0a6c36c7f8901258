"""Typical mistakes of newcomers: what was wrong, and what to write instead."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import optuna
import pytest

from sparkexp import experiment
from sparkexp.errors import SparkexpError

HOW: dict[str, Any] = {"engine": "inline", "progress": False}
SPACE = {"x": [0.0, 1.0]}


def train(x):
    return x


MISTAKES: dict[str, tuple[Callable[[], Any], str]] = {
    "no session": (
        lambda: experiment.launch(train, SPACE),
        r"The first argument is the SparkSession: launch\(spark, train, …\)",
    ),
    "no session, too few arguments": (
        lambda: experiment.evolutionary_search(train, SPACE),
        r"The first argument is the SparkSession: evolutionary_search\(spark, train, …\)",
    ),
    "the other way round": (
        lambda: experiment.random_search(None, SPACE, train, **HOW),
        "The train function comes before the parameters: random_search",
    ),
    "called": (lambda: experiment.launch(None, train(1), SPACE, **HOW), "without calling it"),
    "hops: population": (
        lambda: experiment.evolutionary_search(None, train, SPACE, population=9, **HOW),
        "no option 'population'. Did you mean 'popsize'",
    ),
    "hops: optimization_key": (
        lambda: experiment.launch(None, train, SPACE, optimization_key="accuracy", **HOW),
        "Did you mean 'metric'",
    ),
    "hops: samples": (
        lambda: experiment.random_search(None, train, SPACE, samples=9, **HOW),
        "Did you mean 'max_trials'",
    ),
    "hops: Direction.MAX": (
        lambda: experiment.random_search(None, train, SPACE, direction="MAX", **HOW),
        "must be 'max' or 'min', got 'MAX'",
    ),
    "Ray: num_samples": (
        lambda: experiment.random_search(None, train, SPACE, num_samples=9, **HOW),
        "Did you mean 'max_trials'",
    ),
    "Ray: train(config)": (
        lambda: experiment.launch(None, lambda config: config["x"], SPACE, **HOW),
        r"not a dict 'config' of all. Write def train\(x\), or def train\(\*\*config\)",
    ),
    "Optuna: a distribution": (
        lambda: experiment.random_search(
            None, train, {"x": optuna.distributions.FloatDistribution(0, 1)}, **HOW
        ),
        r"must be one of sparkexp's, .* of optuna: write experiment.Float\(0.0, 1.0\)",
    ),
    "Optuna: whole numbers, logarithmic": (
        lambda: experiment.random_search(
            None, train, {"x": optuna.distributions.IntDistribution(1, 9, log=True)}, **HOW
        ),
        r"write experiment.Int\(1, 9, log=True\)",
    ),
    "Optuna: a choice": (
        lambda: experiment.random_search(
            None, train, {"x": optuna.distributions.CategoricalDistribution(["a", "b"])}, **HOW
        ),
        r"write experiment.Choice\(\['a', 'b'\]\)",
    ),
    "a generator": (
        lambda: experiment.launch(None, train, {"x": (i for i in range(3))}, **HOW),
        r"x: A parameter's values must be a list, got <generator .*: write list\(…\)",
    ),
    "Databricks: dbfs:": (
        lambda: experiment.launch(None, train, SPACE, logdir="dbfs:/runs/a", **HOW),
        "Write the path '/dbfs/runs/a'",
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_the_message_has_the_way_out(mistake, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    call, message = MISTAKES[mistake]
    with pytest.raises(SparkexpError, match=message):
        call()
    assert list(tmp_path.iterdir()) == []


def test_a_library_without_memory_is_no_missing_module(tmp_path):
    def lacks_memory(x):
        raise ImportError("libx.so: failed to map segment from shared object")

    result = experiment.launch(None, lacks_memory, {"x": [1]}, logdir=tmp_path / "run", **HOW)
    assert result.trials[0].fault is None
    assert "spark.executor.pyspark.memory" in result.failures()["trials/trial-00000"]


def test_a_loss_that_is_maximised_is_noted(capfd, tmp_path):
    def losses(x):
        return {"val_loss": x, "accuracy": 1 - x}

    def plan(**how):
        experiment.launch(None, losses, {"x": [1]}, engine="inline", dry_run=True, **how)
        return capfd.readouterr().err

    assert "note: 'val_loss' is maximised; for a loss, give direction='min'" in plan(
        metric="val_loss"
    )
    assert "is maximised" not in plan(metric="val_loss", direction="min")
    assert "is maximised" not in plan(metric="accuracy")


def test_what_is_not_needed_is_said():
    with pytest.raises(SparkexpError, match="'local_logger', and needs none: trials write to"):
        experiment.launch(None, train, SPACE, local_logger=True, **HOW)
