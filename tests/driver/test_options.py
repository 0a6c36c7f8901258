from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from sparkexp.api.typed_options import RunOptions
from sparkexp.checks import as_direction
from sparkexp.driver.options import ROWS, Options
from sparkexp.driver.pruning_rule import MedianRule
from sparkexp.engine import InlineEngine
from sparkexp.errors import InvalidArgumentError
from sparkexp.texts.near_names import find_nearest


def test_defaults():
    options = Options.check({})
    assert options == Options()
    assert (options.engine, options.isolation, options.progress) == ("spark", "fork", True)
    assert options.resolve_logdir() is None


def test_the_typed_dict_names_the_same_options():
    assert set(RunOptions.__annotations__) == set(ROWS)


@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS)
def test_a_row_is_complete(row):
    assert row.sentence.endswith(".") and row.sentence[0].isupper()
    assert not row.more or (row.more.endswith(".") and row.more[0] not in " ,;")
    assert row.check(row.name, row.default) == row.default


def test_a_run_s_record():
    options = Options.check({"metric": ("a", "b"), "max_trials": np.int64(3), "timeout": 5})
    assert options.to_json() == {
        "metric": ["a", "b"],
        "constraint": None,
        "parallelism": None,
        "trial_timeout": None,
        "timeout": 5.0,
        "max_failures": "auto",
        "target": None,
        "patience": None,
        "max_trials": 3,
        "max_retries": 2,
        "cpus_per_trial": None,
        "gpus_per_trial": None,
        "limit_threads": True,
        "workers_per_trial": 1,
        "engine": "spark",
        "isolation": "fork",
        "py_files": [],
        "prune": None,
        "keep": "all",
        "mlflow": None,
    }
    rule = MedianRule(min_trials=2, warmup=1)
    assert Options.check({"prune": rule}).to_json()["prune"] == {"min_trials": 2, "warmup": 1}


def test_instances_of_engines_and_pruning_rules():
    engine, rule = InlineEngine(), MedianRule(3, 1)
    options = Options.check({"engine": engine, "prune": rule})
    assert options.engine is engine and options.prune is rule
    assert not options.one_by_one
    with pytest.raises(InvalidArgumentError, match="must be an instance"):
        Options.check({"engine": InlineEngine})


NAMES = (
    *ROWS,
    *("direction", "seed", "popsize", "generations", "crossover", "mutation", "variant", "mode"),
    *("search_dict", "searcher", "n_trials", "fidelity", "min", "max", "eta", "search"),
)


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("directon", "direction"),
        ("metrics", "metric"),
        ("population", "popsize"),
        ("pop_size", "popsize"),
        ("Popsize", "popsize"),
        ("iterations", "generations"),
        ("mutation_rate", "mutation"),
        ("random_seed", "seed"),
        ("num_trials", "n_trials"),
        ("retries", "max_retries"),
        ("cpus", "cpus_per_trial"),
        ("gpu", "gpus_per_trial"),
        ("threads", "limit_threads"),
        ("timeout_seconds", "timeout"),
        ("log_dir", "logdir"),
        *((name, None) for name in ("lr", "learning_rate", "epochs", "batch_size", "n_jobs")),
        *((name, None) for name in ("dropout", "units", "optimizer", "verbose", "max_iter")),
        *((name, None) for name in ("cr", "f", "callbacks", "minimize", "")),
    ],
)
def test_the_option_that_was_meant(given, meant):
    assert find_nearest(given, NAMES) == meant


def test_no_option_is_near_where_there_are_none():
    assert find_nearest("seed", []) is None


def test_values_are_taken_over(tmp_path):
    helper = tmp_path / "helper.py"
    helper.write_text("")
    given = {
        "metric": "accuracy",
        "name": "my run",
        "logdir": tmp_path / "run",
        "parallelism": np.int64(3),
        "engine": "inline",
        "isolation": "spawn",
        "py_files": [str(helper)],
        "progress": False,
    }
    options = Options.check(given)
    assert {name: getattr(options, name) for name in given} == given


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"popsiz": 4}, "no option 'popsiz'. The options are: metric, constraint, name, logdir"),
        ({"metric": ""}, "metric must be a text that isn't empty, got ''"),
        ({"metric": 3}, "metric must be a text"),
        ({"metric": ["accuracy"]}, "metric must be a text"),
        ({"name": "  "}, "name must be a text that isn't empty"),
        ({"name": 1.5}, "name must be a text"),
        ({"engine": "dask"}, "engine must be 'spark' or 'inline', got 'dask'"),
        ({"engine": None}, "engine must be 'spark' or 'inline', got None"),
        ({"isolation": "docker"}, "isolation must be 'fork' or 'spawn' or 'none', got 'docker'"),
        ({"isolation": ["fork"]}, "isolation must be"),
        ({"parallelism": 0}, "parallelism is a whole number of at least 1, got 0"),
        ({"parallelism": -2}, "parallelism is a whole number of at least 1, got -2"),
        ({"parallelism": 2.5}, "parallelism is a whole number of at least 1, got 2.5"),
        ({"parallelism": True}, "parallelism is a whole number of at least 1, got True"),
        ({"parallelism": "2"}, "parallelism is a whole number of at least 1, got '2'"),
        ({"trial_timeout": 0}, "trial_timeout is a number above 0, got 0"),
        ({"timeout": "1 h"}, "timeout is a number above 0, got '1 h'"),
        ({"max_failures": -1}, "max_failures is a whole number of at least 0, got -1"),
        ({"max_trials": 0}, "max_trials is a whole number of at least 1, got 0"),
        ({"max_retries": 1.5}, "max_retries is a whole number of at least 0, got 1.5"),
        ({"target": float("nan")}, "target is a number, got nan"),
        ({"cpus_per_trial": 0}, "cpus_per_trial is a whole number of at least 1, got 0"),
        ({"gpus_per_trial": 0}, "gpus_per_trial is a number above 0, got 0"),
        ({"gpus_per_trial": 0.7}, "a fraction of at most 0.5 by which trials"),
        ({"limit_threads": "no"}, "limit_threads must be True or False, got 'no'"),
        ({"parallelizm": 2}, "Did you mean 'parallelism'?"),
        ({"py_files": "helper.py"}, "py_files must be a list of files, got 'helper.py'"),
        ({"py_files": None}, "py_files must be a list of files, got None"),
        ({"py_files": ["/nowhere/helper.py"]}, "existing .py, .zip or .egg files, got '/nowhere"),
        ({"py_files": ["/"]}, "existing .py, .zip or .egg files, got '/'"),
        ({"py_files": [os.devnull]}, "existing .py, .zip or .egg files, got '/dev/null'"),
        ({"py_files": [None]}, "existing .py, .zip or .egg files, got None"),
        ({"py_files": [0]}, "existing .py, .zip or .egg files, got 0"),
    ],
)
def test_what_breaks_a_rule_is_named(given, words):
    with pytest.raises(InvalidArgumentError) as caught:
        Options.check(given)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("given", "path"),
    [
        ("/data/runs/a", "/data/runs/a"),
        (Path("/data/runs/a"), "/data/runs/a"),
        ("file:///data/my%20runs", "/data/my runs"),
        ("file:/data/runs", "/data/runs"),
        ("file://localhost/data", "/data"),
        ("/data/50%20", "/data/50%20"),
        ("runs/a", "{cwd}/runs/a"),
        ("~/runs", "{home}/runs"),
    ],
)
def test_a_logdir_becomes_an_absolute_path(tmp_path, monkeypatch, given, path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", "/home/somebody")
    expected = path.format(cwd=tmp_path, home="/home/somebody")
    assert Options.check({"logdir": given}).resolve_logdir() == str(Path(expected))


@pytest.mark.parametrize("given", ["s3://bucket/run/", "memory://run", "hdfs://host:8020/run"])
def test_a_logdir_may_be_a_url(given):
    assert Options.check({"logdir": given}).resolve_logdir() == given.rstrip("/")


@pytest.mark.parametrize(
    "given",
    ["", b"/data", 3, "s3:/bucket/run", "s3://", "nothing://x/run", "file://elsewhere/run"],
)
def test_a_logdir_that_is_no_place(given):
    with pytest.raises(InvalidArgumentError, match="logdir.* must be a .*path.*, got|URL must"):
        Options.check({"logdir": given}).resolve_logdir()


def test_the_home_of_somebody_unknown():
    with pytest.raises(InvalidArgumentError, match="logdir: .*got '~nobody-of-this-name/runs'"):
        Options.check({"logdir": "~nobody-of-this-name/runs"}).resolve_logdir()


@pytest.mark.parametrize("direction", ["max", "min"])
def test_a_direction(direction):
    assert as_direction(direction) == direction


@pytest.mark.parametrize("direction", ["MAX", "maximize", "", None, 1, ["max"]])
def test_no_direction(direction):
    with pytest.raises(InvalidArgumentError, match="direction must be 'max' or 'min', got"):
        as_direction(direction)
