"""What trials leave to be kept, reading it, and whose stays."""

from __future__ import annotations

import json
import os
from pathlib import Path

import cloudpickle
import numpy as np
import pytest

from sparkexp import experiment
from sparkexp.engine.base import TrialTask
from sparkexp.engine.worker.task import run_attempt
from sparkexp.errors import (
    EnvironmentUnfitError,
    InvalidArgumentError,
    NoBestTrialError,
    RunDirectoryError,
)
from sparkexp.trial import State, Trial

INLINE = {"engine": "inline", "progress": False}


def leave(x):
    """Return x, and leave it in a file."""
    Path(experiment.artifact_dir(), "x.json").write_text(json.dumps(x))
    return x


def left(result: experiment.Result) -> list[str]:
    """The ids of the trials whose artifacts are there."""
    root = Path(result.logdir)
    return sorted(str(p.parent.relative_to(root)) for p in root.rglob("artifacts"))


def numbers(result: experiment.Result) -> list[int]:
    return [int(name.split("trial-")[1][:5]) for name in left(result)]


@pytest.mark.parametrize("isolation", ["fork", "spawn", "none"])
def test_files_stay_with_their_attempt(isolation, tmp_path):
    function = leave if isolation == "none" else cloudpickle.dumps(leave)
    task = TrialTask(Trial(3, {"x": 5}), function, str(tmp_path), isolation=isolation)
    result = run_attempt(task, attempt=1)
    assert result.state is State.SUCCEEDED, result.error
    found = tmp_path / "trials" / "trial-00003" / "attempt-1" / "artifacts" / "x.json"
    assert json.loads(found.read_text()) == 5


def test_no_directory_unless_it_is_asked_for(tmp_path):
    result = experiment.launch(None, lambda x: x, {"x": [1]}, logdir=tmp_path / "run", **INLINE)
    assert left(result) == [] and result.best.artifacts == []


def test_a_trial_begins_with_an_empty_directory_and_keeps_it_for_all_calls(tmp_path):
    old = tmp_path / "trials" / "trial-00000" / "artifacts" / "old"
    old.parent.mkdir(parents=True)
    old.write_text("of a driver that was killed")

    def train():
        Path(experiment.artifact_dir(), "first").write_text("")
        return float(len(os.listdir(experiment.artifact_dir())))

    result = run_attempt(TrialTask(Trial(0, {}), train, str(tmp_path), isolation="none"))
    assert result.value == 1.0


def test_outside_of_a_trial():
    for call in (experiment.artifact_dir, lambda: experiment.save_model(None)):
        with pytest.raises(EnvironmentUnfitError, match="belongs into a train function"):
            call()


@pytest.fixture
def best(tmp_path):
    def train():
        root = Path(experiment.artifact_dir())
        (root / "a.json").write_text('{"loss": [1, 2]}')
        np.save(root / "b.npy", np.arange(3))
        np.savez(root / "c.npz", x=np.ones(2))
        (root / "d.txt").write_text("é")
        (root / "e.csv").write_text("1,2")
        np.save(root / "f.npy", np.array([{}], dtype=object), allow_pickle=True)
        (root / "sub").mkdir()
        (root / "sub" / "g.json").write_text("3")
        return 1.0

    return experiment.launch(None, train, logdir=tmp_path / "run", **INLINE).best


def test_reading(best):
    assert best.artifacts == ["a.json", "b.npy", "c.npz", "d.txt", "e.csv", "f.npy", "sub/g.json"]
    assert best.load_artifact("a.json") == {"loss": [1, 2]}
    assert best.load_artifact("b.npy").tolist() == [0, 1, 2]
    assert best.load_artifact("c.npz")["x"].tolist() == [1, 1]
    assert best.load_artifact("d.txt") == "é"
    path = best.load_artifact("e.csv")
    assert isinstance(path, Path) and path.read_text() == "1,2"
    assert best.load_artifact("e.csv", Path.read_text) == "1,2"
    assert best.load_artifact("sub/g.json") == 3
    assert best.load_artifact("sub").is_dir()


def test_nothing_is_unpickled(best):
    with pytest.raises(ValueError, match="allow_pickle=False"):
        best.load_artifact("f.npy")


@pytest.mark.parametrize("name", ["../output.log", "/etc/passwd", "", "sub/../../x"])
def test_names_that_lead_out(best, name):
    with pytest.raises(InvalidArgumentError, match="is its path below"):
        best.load_artifact(name)


def test_what_is_not_there(best):
    with pytest.raises(RunDirectoryError, match="no artifact 'z.json'; it has: a.json, b.npy"):
        best.load_artifact("z.json")


def test_a_model(tmp_path):
    def train(units):
        import keras

        model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(units)])
        assert experiment.save_model(model, "net").endswith("artifacts/net.keras")
        return units

    result = experiment.launch(None, train, {"units": [3, 1]}, logdir=tmp_path / "run", **INLINE)
    assert result.failures() == {}
    assert experiment.load(result.logdir).best_model("net").output_shape == (None, 3)
    with pytest.raises(RunDirectoryError, match="no artifact 'model.keras'; it has: net.keras"):
        result.best_model()


def test_a_model_with_a_layer_of_its_own(tmp_path):
    import keras

    class Doubling(keras.layers.Layer):
        def call(self, x):
            return 2 * x

    def train():
        model = keras.Sequential([keras.Input((2,)), Doubling()])
        experiment.save_model(model)
        return 1

    result = experiment.launch(None, train, logdir=tmp_path / "run", **INLINE)
    with pytest.raises(TypeError, match="Could not locate class 'Doubling'"):
        result.best_model()
    model = result.best_model(custom_objects={"Doubling": Doubling})
    assert isinstance(model.layers[-1], Doubling)


@pytest.mark.parametrize("name", ["", "a/b", "../a", None])
def test_names_of_models(name, tmp_path):
    class Model:
        def save(self, path):
            raise AssertionError

    def train():
        experiment.save_model(Model(), name)

    result = experiment.launch(None, train, logdir=tmp_path / "run", **INLINE)
    (error,) = result.failures().values()
    assert "A model's name must be the name of a file" in error
    with pytest.raises(NoBestTrialError):
        result.best_model()


def test_what_is_no_model(tmp_path):
    def train():
        experiment.save_model({"weights": 1})

    result = experiment.launch(None, train, logdir=tmp_path / "run", **INLINE)
    (error,) = result.failures().values()
    assert "save_model takes a Keras model, got dict" in error


@pytest.mark.parametrize(
    ("keep", "direction", "stay"),
    [
        ("all", "max", [0, 1, 2, 3, 4, 5]),
        ("best", "max", [1]),
        ("best", "min", [3]),
        (1, "max", [1]),
        (3, "max", [1, 2, 5]),
        (9, "max", [0, 1, 2, 4, 5, 3]),
    ],
)
def test_keep(keep, direction, stay, tmp_path):
    result = experiment.launch(
        None, leave, {"x": [3, 9, 7, 1, 2, 5]}, direction=direction, keep=keep,
        logdir=tmp_path / "run", **INLINE,
    )  # fmt: skip
    assert numbers(result) == sorted(stay)
    assert result.best.load_artifact("x.json") == result.best.value


@pytest.mark.parametrize("keep", [0, -1, 1.5, True, None, "worst"])
def test_what_keep_can_not_be(keep):
    with pytest.raises(InvalidArgumentError, match="keep .*got "):
        experiment.launch(None, leave, {"x": [1]}, keep=keep, **INLINE)


def test_what_was_best_stays_until_a_better_one_has_ended(tmp_path):
    seen = []

    def train(x):
        Path(experiment.artifact_dir(), "x.json").write_text(str(x))
        seen.append(sorted(p.parent.name[-1] for p in (tmp_path / "run").rglob("artifacts")))
        return x

    experiment.launch(
        None, train, {"x": [3, 9, 1]}, keep="best", logdir=tmp_path / "run", **INLINE
    )
    assert seen == [["0"], ["0", "1"], ["1", "2"]]


def test_failed_trials_keep_nothing_and_those_without_a_value_do(tmp_path):
    def train(x):
        leave(x)
        if x == 2:
            raise ValueError

    result = experiment.launch(
        None, train, {"x": [1, 2, 3]}, keep="best", logdir=tmp_path / "run", **INLINE
    )
    assert numbers(result) == [0, 2]


def test_a_reused_result_keeps_the_artifacts_it_points_to(tmp_path):
    result = experiment.evolutionary_search(
        None, leave, {"x": [1, 3]}, popsize=6, generations=4, crossover=0.7, mutation=0.5,
        seed=1, keep="best", logdir=tmp_path / "run", **INLINE,
    )  # fmt: skip
    assert any(r.reused_from for r in result.trials)
    assert len(left(result)) == 1 and result.best.load_artifact("x.json") == 3
    twin = next(r for r in result.trials if r.reused_from and r.value == 3)
    assert Path(twin.logdir, "artifacts", "x.json").is_file()


def test_the_front_stays(tmp_path):
    def train(x):
        leave(x)
        return {"a": x, "b": -x if x < 4 else -9}

    result = experiment.launch(
        None, train, {"x": [1, 2, 5, 3, 4]}, metric=["a", "b"], direction=["max", "max"],
        keep="best", logdir=tmp_path / "run", **INLINE,
    )  # fmt: skip
    assert left(result) == sorted(trial.id for trial in result.front)
    assert numbers(result) == [0, 1, 2, 3]


NOISE = {(1, 0): 5, (1, 1): 0, (2, 0): 2, (2, 1): 4, (3, 0): 3, (3, 1): 1}


def test_repeats_are_judged_together(tmp_path):
    runs: dict[int, int] = {}

    def train(x):
        leave(x)
        runs[x] = runs.get(x, -1) + 1
        return NOISE[x, runs[x]]

    result = experiment.launch(
        None, train, {"x": [1, 2, 3]}, repeats=2, keep="best", logdir=tmp_path / "run", **INLINE
    )
    assert result.best.params == {"x": 2} and result.best.load_artifact("x.json") == 2
    kept = {r.trial.params["x"] for r in result.trials if Path(r.logdir, "artifacts").exists()}
    assert kept == {2} and len(left(result)) == 2


def test_the_candidates_stay_until_they_are_confirmed(tmp_path):
    values = {1: [5.0, 0.0], 2: [4.0, 3.0], 3: [3.0, 9.0], 4: [2.0]}

    def train(x):
        leave(x)
        return values[x].pop(0)

    result = experiment.launch(
        None, train, {"x": [1, 2, 3, 4]}, confirm=3, keep="best", logdir=tmp_path / "run", **INLINE
    )
    assert result.best.params == {"x": 3} and result.best.load_artifact("x.json") == 3
    kept = {r.trial.params["x"] for r in result.trials if Path(r.logdir, "artifacts").exists()}
    assert kept == {3}


def test_the_highest_rung_stays(tmp_path):
    def train(x, epochs):
        leave(x)
        return x * epochs if epochs < 4 else x

    result = experiment.random_search(
        None, train, {"x": [0.5, 1.0]}, n_trials=6, search="asha", fidelity="epochs", min=1,
        max=4, eta=2, seed=1, keep="best", logdir=tmp_path / "run", **INLINE,
    )  # fmt: skip
    assert left(result) == [result.best.id] and result.best.id.startswith("rung-2")


def test_resume_goes_on_keeping(tmp_path):
    first = experiment.launch(
        None, leave, {"x": [3, 9, 7, 1]}, keep=2, max_trials=2, logdir=tmp_path / "run", **INLINE
    )
    assert numbers(first) == [0, 1]
    second = experiment.resume(None, leave, tmp_path / "run", max_trials=None, **INLINE)
    assert numbers(second) == [1, 2]
    assert second.best.load_artifact("x.json") == 9


def test_resume_can_keep_fewer(tmp_path):
    experiment.launch(
        None, leave, {"x": [3, 9, 7, 1]}, max_trials=3, logdir=tmp_path / "run", **INLINE
    )
    result = experiment.resume(
        None, leave, tmp_path / "run", max_trials=None, keep="best", **INLINE
    )
    assert numbers(result) == [1]


def test_a_run_of_before_has_no_keep(tmp_path):
    experiment.launch(None, leave, {"x": [1, 2]}, max_trials=1, logdir=tmp_path / "run", **INLINE)
    file = tmp_path / "run" / "experiment.json"
    record = json.loads(file.read_text())
    del record["options"]["keep"], record["train"]
    file.write_text(json.dumps(record))
    result = experiment.resume(None, leave, tmp_path / "run", max_trials=None, **INLINE)
    assert numbers(result) == [0, 1]


@pytest.mark.spark
def test_on_spark(spark, tmp_path):
    def train(x):
        from pathlib import Path

        from sparkexp import experiment

        Path(experiment.artifact_dir(), "x.json").write_text(str(x))
        return x

    result = experiment.launch(
        spark, train, {"x": [2, 8, 5]}, keep=2, logdir=tmp_path / "run", progress=False
    )
    assert result.failures() == {}
    assert numbers(result) == [1, 2] and result.best.load_artifact("x.json") == 8
