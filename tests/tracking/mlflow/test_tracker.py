"""MLflow as the front door has it: what a search and its trials have there, on a real server."""

from __future__ import annotations

import itertools
import json
import logging
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import mlflow
import pytest

from sparkexp import experiment
from sparkexp.cli import main
from sparkexp.errors import EnvironmentUnfitError, InvalidArgumentError
from sparkexp.testing import TrackerContract
from sparkexp.tracking import MLflow
from sparkexp.tracking.mlflow.sender import Sender
from sparkexp.tracking.mlflow.tracker import MAX_NAME_LENGTH
from tests.ports import server_port
from tests.spark.watching import wait_until

HOW = {"engine": "inline", "progress": False}


class TestMLflow(TrackerContract):
    @pytest.fixture(autouse=True)
    def _experiment(self, tracked):
        self.name = tracked.name

    def make_tracker(self):
        return MLflow(self.name)


def train(x, kind):
    for step in range(10):
        experiment.report(step, accuracy=x * step, loss=1 - x)
    if kind == "bad":
        raise RuntimeError("this region fails")
    return {"accuracy": x, "size": 3.0}


GRID = {"x": [0.25, 0.5], "kind": ["good", "bad"]}


def launch(tracked, logdir, function=train, grid=None, **words):
    words = {"metric": "accuracy", "mlflow": tracked.name, **HOW, **words}
    return experiment.launch(None, function, grid or GRID, logdir=logdir, **words)


def test_what_a_search_has_there(tracked, tmp_path, capsys):
    result = launch(tracked, tmp_path / "run")
    seen = tracked.look()
    search = seen.search
    assert (search.name, search.status) == ("train", "FINISHED")
    assert search.params == {
        "searcher": "grid", "metric": "accuracy", "direction": "max", "repeats": "1"
    }  # fmt: skip
    assert search.metrics == {"best": 0.5, "n_failed": 2.0}
    assert seen.curve(search, "best") == [(1, 0.25), (3, 0.5)]
    assert search.tags["sparkexp.logdir"] == result.logdir
    assert "accuracy" in search.tags["mlflow.note.content"]
    best = next(r for r in seen.trials if r.tags["sparkexp.trial"] == result.best.id)
    assert search.tags["sparkexp.best_run"] == best.id

    assert [run.name for run in seen.trials] == [f"trial-0000{k}" for k in range(4)]
    for run, r in zip(seen.trials, result.trials, strict=True):
        x, good = r.trial.params["x"], r.trial.params["kind"] == "good"
        assert run.params == {"x": str(x), "kind": str(r.trial.params["kind"])}
        assert run.status == ("FINISHED" if good else "FAILED")
        assert run.tags["sparkexp.state"] == str(r.state)
        assert run.tags["sparkexp.host"] == r.host
        curve = [(step, x * step) for step in range(10)]
        # The value that was returned differs from the last one that was reported.
        assert seen.curve(run, "accuracy") == sorted(curve + [(9, x)] * good)
        assert seen.curve(run, "loss") == [(step, 1 - x) for step in range(10)]
        assert seen.curve(run, "duration_s") == [(9, r.seconds)]
        if good:
            assert (run.metrics["objective"], run.metrics["size"]) == (x, 3.0)
        else:
            assert run.tags["sparkexp.error"] == "RuntimeError: this region fails"
            text = seen.client.download_artifacts(run.id, "error.txt", str(tmp_path))
            assert "Traceback" in Path(text).read_text()
    assert "View run" not in capsys.readouterr().out


def own_calls(x):
    mlflow.log_metric("own", 1.0, step=3)
    mlflow.log_param("rate", 2 * x)
    mlflow.set_tag("note", "mine")
    mlflow.end_run()
    with mlflow.start_run(run_name="second"):
        mlflow.log_metric("again", x)
    return x


def test_what_a_train_function_logs_itself_goes_to_its_trial(tracked, tmp_path):
    launch(tracked, tmp_path / "run", own_calls, {"x": [1.0, 2.0]}, metric=None)
    seen = tracked.look()
    assert len(seen.roots) == 1 and len(seen.trials) == 2
    for run, x in zip(seen.trials, (1.0, 2.0), strict=True):
        assert run.params == {"x": str(x), "rate": str(2 * x)}
        assert (run.metrics["own"], run.tags["note"], run.status) == (1.0, "mine", "FINISHED")
        (second,) = run.children
        assert (second.name, second.metrics, second.status) == ("second", {"again": x}, "FINISHED")


def test_it_is_nested_in_the_callers_run_which_stays_as_it_is(tracked, tmp_path):
    mlflow.set_tracking_uri(None)
    with mlflow.start_run(
        experiment_id=mlflow.MlflowClient().create_experiment(tracked.name), run_name="study"
    ) as active:
        mlflow.log_param("team", "vision")
        launch(tracked, tmp_path / "run", own_calls_of_one_run, {"x": [1.0]}, metric=None)
        assert mlflow.active_run().info.run_id == active.info.run_id
    (study,) = tracked.look().roots
    assert (study.name, study.status, study.params) == ("study", "FINISHED", {"team": "vision"})
    (search,) = study.children
    (trial,) = search.children
    assert (search.status, trial.status) == ("FINISHED", "FINISHED")
    assert trial.metrics["own"] == 1.0 and study.metrics == {}


def own_calls_of_one_run(x):
    mlflow.log_metric("own", 1.0)
    return x


def hang_on(x):
    """Leave a run open in a thread, and 300 points in MLflow's queue."""

    def in_a_thread():
        mlflow.start_run(run_name="thread")
        mlflow.log_metric("m", 1.0)

    mlflow.config.enable_async_logging(True)
    for step in range(300):
        mlflow.log_metric("own", step, step=step)
    mlflow.config.enable_async_logging(False)
    thread = threading.Thread(target=in_a_thread)
    thread.start()
    thread.join()
    return x


def test_what_mlflow_still_holds_is_sent_and_runs_of_threads_end(tracked, tmp_path):
    launch(tracked, tmp_path / "run", hang_on, {"x": [1.0]}, metric=None)
    seen = tracked.look()
    (trial,) = seen.trials
    # A slow machine may need more than the thirty seconds; in this process MLflow then goes on.
    wait_until(lambda: len(seen.curve(trial, "own")) == 300, 60)
    seen = tracked.look()
    (trial,) = seen.trials
    assert [(run.name, run.status) for run in trial.children] == [("thread", "FINISHED")]
    assert {run.status for run in seen.runs.values()} == {"FINISHED"}


def test_a_trial_that_started_without_a_run_is_found_by_its_tag(tracked, tmp_path, monkeypatch):
    asked = itertools.count()
    monkeypatch.setattr(Sender, "is_away", property(lambda sender: next(asked) % 3 == 0))

    def train(x):
        if x != 3:
            mlflow.log_metric("own", x)
        if x == 6:
            mlflow.end_run()
            with mlflow.start_run():
                mlflow.log_metric("again", x)
        return x

    launch(tracked, tmp_path / "run", train, {"x": list(range(9))}, metric=None)
    seen = tracked.look()
    assert [run.name for run in seen.trials] == [f"trial-0000{k}" for k in range(9)]
    assert len(seen.runs) == 1 + 9 + 1 and {r.status for r in seen.runs.values()} == {"FINISHED"}
    for x, run in enumerate(seen.trials):
        assert run.params == {"x": str(x)} and run.metrics["objective"] == x
        assert ("own" in run.metrics) is (x != 3)
    assert [child.metrics for child in seen.trials[6].children] == [{"again": 6.0}]


def odd(text):
    for step in range(1500):
        experiment.report(step, **{"f1@0.5": step / 2, "a/": 1.0, "/a": 2.0, "f1#0.5": 3.0})
    return {"acc%": 0.5, "acc&": 0.25, "güte": 1.0}


def test_odd_names_long_values_and_many_points(tracked, tmp_path, caplog):
    long = "x" * 9000
    with caplog.at_level(logging.WARNING, "sparkexp"):
        launch(tracked, tmp_path / "run", odd, {"text": [long]}, metric="güte")
    assert [r.getMessage() for r in caplog.records] == []
    seen = tracked.look()
    (trial,) = seen.trials
    assert trial.params == {"text": long[:5999] + "…"}
    assert seen.curve(trial, "f1_0.5") == [(step, step / 2) for step in range(1500)]
    assert len(seen.curve(trial, "f1_0.5_2")) == 1500
    assert {n: v for n, v in trial.metrics.items() if n not in ("duration_s", "f1_0.5")} == {
        "a_": 1.0, "_a": 2.0, "f1_0.5_2": 3.0, "acc_": 0.5, "acc__2": 0.25, "güte": 1.0,
        "objective": 1.0,
    }  # fmt: skip


def test_an_evolution_says_who_descends_from_whom_and_what_was_reused(tracked, tmp_path):
    result = experiment.evolutionary_search(
        None, lambda x: x, {"x": [1, 3]}, popsize=4, generations=2, crossover=0.7, mutation=0.5,
        seed=3, logdir=tmp_path / "run", mlflow=tracked.name, **HOW,
    )  # fmt: skip
    seen = tracked.look()
    own = [r for r in result.trials if r.reused_from is None]
    assert {run.tags["sparkexp.trial"] for run in seen.trials} == {r.trial.id for r in own}
    reused = {r.trial.id: r.reused_from for r in result.trials if r.reused_from is not None}
    assert reused
    said = {
        name: run.tags["sparkexp.trial"]
        for run in seen.trials
        for name in run.tags.get("sparkexp.reused_by", "").split(", ")
        if name
    }
    assert said == reused
    for run in seen.trials:
        r = next(r for r in own if r.trial.id == run.tags["sparkexp.trial"])
        assert run.tags["sparkexp.generation"] == str(r.trial.generation)
        assert run.tags.get("sparkexp.parent") == r.trial.parent
    assert seen.search.params["popsize"] == "4"


def with_file(x):
    Path(experiment.artifact_dir(), "model.txt").write_text(str(x))
    return x


@pytest.mark.parametrize("kept", ["best", "all", "none"])
def test_artifacts(tracked, tmp_path, kept):
    launch(
        tracked, tmp_path / "run", with_file, {"x": [1.0, 2.0]}, metric=None, mlflow=None,
        trackers=[MLflow(tracked.name, artifacts=kept, tags={"team": "vision"})],
    )  # fmt: skip
    seen = tracked.look()
    assert seen.search.tags["team"] == "vision"

    def files(run, folder):
        return [file.path for file in seen.client.list_artifacts(run.id, folder)]

    assert files(seen.search, "best") == (["best/model.txt"] if kept != "none" else [])
    for run in seen.trials:
        there = ["artifacts/model.txt"] if kept == "all" else []
        assert files(run, "artifacts") == there
    if kept == "best":
        path = seen.client.download_artifacts(seen.search.id, "best/model.txt", str(tmp_path))
        assert Path(path).read_text() == "2.0"


def test_a_resumed_search_goes_on_in_the_same_runs(tracked, tmp_path):
    grid = {"x": [0.1, 0.2, 0.3, 0.4], "kind": ["good"]}
    launch(tracked, tmp_path / "run", grid=grid, max_trials=2)
    before = tracked.look()
    experiment.resume(None, train, tmp_path / "run", max_trials=None, **HOW)
    seen = tracked.look()
    assert seen.search.id == before.search.id and seen.search.status == "FINISHED"
    assert [run.id for run in seen.trials[:2]] == [run.id for run in before.trials]
    assert len(seen.runs) == 5 and {run.status for run in seen.runs.values()} == {"FINISHED"}
    assert [len(seen.curve(run, "loss")) for run in seen.trials] == [10] * 4
    assert seen.curve(seen.search, "best") == [(1, 0.1), (2, 0.2), (3, 0.3), (4, 0.4)]


def test_a_search_is_sent_later(tracked, tmp_path, capsys):
    launch(tracked, tmp_path / "run", mlflow=None)
    assert main(["mlflow", str(tmp_path / "run")]) == 1
    assert "was not followed in MLflow" in capsys.readouterr().err
    for _ in range(2):
        assert main(["mlflow", str(tmp_path / "run"), "--experiment", tracked.name]) == 0
        assert capsys.readouterr().out == "All 4 trials are in MLflow.\n"
        seen = tracked.look()
        assert len(seen.runs) == 5
        assert [run.status for run in seen.trials] == ["FINISHED", "FAILED"] * 2
        # The curves of a search that no tracker of reports has followed are TensorBoard's alone.
        assert [len(seen.curve(run, "loss")) for run in seen.trials] == [0] * 4
        assert seen.search.status == "FINISHED"


def test_a_deleted_trial_stays_deleted(tracked, tmp_path, caplog):
    def delete_oneself(x):
        mlflow.MlflowClient().delete_run(os.environ["MLFLOW_RUN_ID"])
        return x

    with caplog.at_level(logging.WARNING, "sparkexp"):
        launch(tracked, tmp_path / "run", delete_oneself, {"x": [1.0, 2.0]}, metric=None)
    assert tracked.look().trials == []
    (said,) = [r.getMessage() for r in caplog.records]
    assert "refused something" in said


def test_a_deleted_experiment_is_refused(tracked, tmp_path):
    client = mlflow.MlflowClient()
    client.delete_experiment(client.create_experiment(tracked.name))
    with pytest.raises(InvalidArgumentError, match="must not be deleted"):
        launch(tracked, tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ({"uri": "http://me:secret@host:5000"}, "must hold no password"),
        ({"env": "TOKEN"}, "env must be a list"),
        ({"env": ["NO_SUCH_TOKEN"]}, "has no 'NO_SUCH_TOKEN'"),
        ({"artifacts": "some"}, "artifacts must be"),
    ],
)
def test_wrong_arguments(tracked, tmp_path, words, said):
    with pytest.raises(InvalidArgumentError, match=said) as caught:
        launch(tracked, tmp_path / "run", trackers=[MLflow(tracked.name, **words)])
    assert "secret" not in str(caught.value)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("name", ["", 3, None])
def test_what_is_no_name_of_an_experiment(name):
    with pytest.raises(InvalidArgumentError, match="name of an experiment"):
        MLflow(name)


def test_a_name_that_mlflow_refuses_for_its_length(tmp_path):
    from mlflow.utils.validation import MAX_EXPERIMENT_NAME_LENGTH

    assert MAX_NAME_LENGTH == MAX_EXPERIMENT_NAME_LENGTH
    MLflow("m" * MAX_NAME_LENGTH)
    with pytest.raises(InvalidArgumentError, match="at most 500 characters in MLflow, got .* 600"):
        experiment.launch(
            None, lambda x: 1 / 0, {"x": [1]}, mlflow="m" * 600, engine="inline", progress=False,
            logdir=tmp_path / "run",
        )  # fmt: skip
    assert not (tmp_path / "run").exists()


def test_files_on_this_machine_are_nothing_for_other_hosts(tmp_path):
    with pytest.raises(EnvironmentUnfitError, match="run on other hosts"):
        MLflow("mnist", uri=f"sqlite:///{tmp_path}/mlflow.db").check(one_host=False)


def test_without_mlflow_all_else_works(tmp_path):
    code = """
import sys
sys.modules['mlflow'] = None
from sparkexp import experiment
from sparkexp.errors import EnvironmentUnfitError
how = dict(engine='inline', progress=False)
print(len(experiment.launch(None, lambda x: x, {'x': [1, 2]}, logdir='a', **how)))
try:
    experiment.launch(None, lambda x: x, {'x': [1, 2]}, logdir='b', mlflow='mnist', **how)
except EnvironmentUnfitError as error:
    print(error)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, timeout=120
    )
    first, second = done.stdout.splitlines()
    assert first == "2" and "pip install 'sparkexp[mlflow]'" in second, done.stderr
    assert not (tmp_path / "b").exists()


def test_a_server_that_never_comes_costs_warnings_and_all_is_sent_later(
    tracked, tmp_path, caplog, monkeypatch
):
    monkeypatch.setattr("sparkexp.driver.trackers.CLOSE_TIMEOUT_S", 3.0)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{server_port()}")
    began = time.monotonic()
    with caplog.at_level(logging.WARNING, "sparkexp"):
        result = launch(tracked, tmp_path / "run")
    assert time.monotonic() - began < 10 and len(result) == 4
    said = [r.getMessage() for r in caplog.records]
    assert len(said) == 2, said
    assert "can't be reached" in said[0] and "`sparkexp mlflow LOGDIR` sends it" in said[1]
    book = json.loads((tmp_path / "run" / "mlflow.json").read_text())
    assert (book["experiment"], book["parent"], book["outcome"]) == (tracked.name, "", "complete")
    # The server is another one now.
    words = ["--experiment", tracked.name, "--uri", tracked.url]
    assert main(["mlflow", str(tmp_path / "run"), *words]) == 0
    seen = tracked.look()
    assert len(seen.trials) == 4 and seen.search.status == "FINISHED"
    assert [len(seen.curve(run, "loss")) for run in seen.trials] == [10] * 4
