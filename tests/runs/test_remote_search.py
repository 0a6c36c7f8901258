"""Searches whose log directory is a URL, end to end.

The URL is that of this machine's disk, used like any other storage's: trials work on local files,
and a process of its own sends them. `test_acceptance.py` has the same on S3 and HDFS.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from sparkexp import experiment
from sparkexp.errors import InvalidArgumentError, RunDirectoryError
from sparkexp.runs import open_run
from tests.tracking.tensorboard.reading import experiment as board_experiment
from tests.tracking.tensorboard.reading import scalars, session_groups


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("SPARKEXP_CACHE", str(tmp_path / "cache"))


def train(x):
    for step in range(3):
        experiment.report(step, loss=x + step)
    Path(experiment.logdir(), "left.txt").write_text(f"by {x}")
    print(f"said {x}")
    return x


def test_a_search_in_this_process(place, there):
    result = experiment.launch(
        None, train, {"x": [1, 2]}, logdir=place, engine="inline", progress=False
    )
    assert result.logdir == place
    assert [trial.logdir for trial in result.trials] == [
        f"{place}/trials/trial-00000", f"{place}/trials/trial-00001",
    ]  # fmt: skip
    assert not any(trial.kept or trial.warnings for trial in result.trials)
    assert experiment.load(place).trials == result.trials
    assert (there / "trials/trial-00001/left.txt").read_text() == "by 2"
    rows = session_groups(there)
    assert [(row["name"], row["hparams"]["x"], row["status"]) for row in rows] == [
        ("trial-00000 of run", 1, "SUCCESS"), ("trial-00001 of run", 2, "SUCCESS"),
    ]  # fmt: skip
    assert [tag for tag, _ in scalars(there)["trials/trial-00000"]["loss"]] == [0, 1, 2]
    columns = [info.name.tag for info in board_experiment(there).metric_infos]
    assert "loss" in columns  # read back from what the first trial sent
    assert not list(there.rglob("driver.lock"))


def test_it_goes_on_from_there(place):
    space = {"x": [0.0, 1.0]}
    options = {"popsize": 4, "generations": 2, "crossover": 0.7, "mutation": 0.5, "seed": 1}
    whole = experiment.evolutionary_search(
        None, lambda x: x, space, engine="inline", progress=False, **options
    )
    part = experiment.evolutionary_search(
        None, lambda x: x, space, engine="inline", progress=False, logdir=place, max_trials=5,
        **options,
    )  # fmt: skip
    assert part.stopped
    rest = experiment.resume(
        None, lambda x: x, place, engine="inline", progress=False, max_trials=None
    )
    assert [(t.trial.params, t.value) for t in rest.trials] == [
        (t.trial.params, t.value) for t in whole.trials
    ]
    warmed = experiment.evolutionary_search(
        None, lambda x: x, space, engine="inline", progress=False, warm_start=place, max_trials=8
    )
    assert len(warmed) == 8


def test_a_dry_run_leaves_nothing(place, there):
    result = experiment.dry_run(
        experiment.launch, None, train, {"x": [1]}, engine="inline", progress=False, logdir=place
    )
    assert len(result) == 1
    assert not list(there.parent.iterdir())


def test_a_wrong_place_is_named_before_anything_runs():
    for logdir, message in [
        ("nowhere://server/run", "nowhere"),
        ("s3:/bucket/run", "must name a server or bucket"),
        ("file://server/run", "file:///path/to/directory"),
    ]:
        with pytest.raises(InvalidArgumentError, match=message):
            experiment.launch(None, train, {"x": [1]}, engine="inline", logdir=logdir)


def test_artifacts_are_kept_there(place, there, cache):
    def leaves(x):
        folder = Path(experiment.artifact_dir(), "deep")
        folder.mkdir()
        (folder / "history.json").write_text(json.dumps([x]))
        (folder / ".hidden").write_text("kept, too")
        return x

    result = experiment.launch(
        None, leaves, {"x": [1, 3, 2]}, logdir=place, engine="inline", progress=False, keep="best"
    )
    assert [path.parent.parent.parent.name for path in there.rglob("history.json")] == [
        result.best.id.partition("/")[2]
    ]
    assert result.best.artifacts == ["deep/.hidden", "deep/history.json"]
    best = experiment.load(place).best
    assert best.load_artifact("deep/history.json") == [3]
    assert (best.load_artifact("deep") / ".hidden").read_text() == "kept, too"
    with pytest.raises(RunDirectoryError, match="no artifact 'other'; it has: deep/.hidden, deep"):
        best.load_artifact("other")


def test_curves_are_watched(place):
    def noted(x):
        for step in range(150):
            experiment.report(step, value=x)
            if x < 0:
                __import__("time").sleep(0.2)
        return x

    result = experiment.launch(
        None, noted, {"x": [1, 2, -1]}, logdir=place, engine="inline", progress=False,
        prune={"min_trials": 2, "warmup": 1},
    )  # fmt: skip
    assert [str(trial.state) for trial in result.trials] == ["SUCCEEDED", "SUCCEEDED", "PRUNED"]
    assert result.trials[2].logdir == f"{place}/trials/trial-00002"


@pytest.mark.spark
def test_trials_on_executors(spark, place, there):
    data = {"numbers": np.arange(1000), "factor": 2}

    def with_data(data, x):
        print("said", x)
        experiment.report(0, loss=1.0)
        return float(data["numbers"].sum() * data["factor"] * x)

    result = experiment.launch(
        spark, with_data, {"x": [1, 2, 3]}, logdir=place, data=data, progress=False
    )
    assert [trial.value for trial in result.trials] == [999000.0 * k for k in (1, 2, 3)]
    assert [(there / t.trial.id / "output.log").read_text() for t in result.trials] == [
        "said 1\n", "said 2\n", "said 3\n",
    ]  # fmt: skip
    assert not list(there.glob("data*"))


@pytest.mark.spark
def test_checkpoints_go_from_executor_to_executor(spark, place, there):
    def grows(x, epochs):
        file = Path(experiment.checkpoint_dir(), "deep/state.json")
        done = json.loads(file.read_text()) if file.exists() else 0
        file.parent.mkdir(exist_ok=True)
        file.write_text(json.dumps(epochs))
        return x + (0 if done or epochs == 1 else -100)

    result = experiment.random_search(
        spark, grows, {"x": [0.0, 1.0]}, n_trials=4, search="asha", fidelity="epochs", min=1,
        max=4, eta=2, logdir=place, progress=False, seed=3,
    )  # fmt: skip
    higher = [trial for trial in result.trials if trial.trial.rung]
    assert higher and all(trial.continued and trial.value >= 0 for trial in higher)
    assert not list(there.rglob("checkpoints-*"))


def test_a_run_is_read_by_a_file_uri(tmp_path):
    result = experiment.launch(
        None, train, {"x": [1]}, logdir=f"file://{tmp_path}/a%20run", engine="inline",
        progress=False,
    )  # fmt: skip
    assert result.logdir == str(tmp_path / "a run")
    assert open_run(f"file://{tmp_path}/a%20run").location == str(tmp_path / "a run")
