"""Searches by spark-submit on a cluster, with log directories on local disk, HDFS and S3."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sparkexp import experiment
from sparkexp.errors import StorageError
from sparkexp.runs import open_run
from sparkexp.runs.mirror import Mirror
from sparkexp.storage.filesystems import is_remote
from sparkexp.storage.remote_files import RemoteFiles
from sparkexp.tracking import start_tensorboard
from tests.spark.cluster import SPARK_HOME
from tests.tracking.tensorboard.http_api import Api
from tests.tracking.tensorboard.reading import scalars, session_groups

pytestmark = [
    pytest.mark.storage, pytest.mark.cluster, pytest.mark.slow, pytest.mark.timeout(600),
]  # fmt: skip

PREAMBLE = """
import sys, time
from pyspark.sql import SparkSession
from sparkexp import experiment

spark = SparkSession.builder.getOrCreate()
place = sys.argv[1]
"""
TWO_CALLS = """
def train(learning_rate, dropout, num_layers=1):
    import sparkexp
    assert ".zip" in sparkexp.__file__, sparkexp.__file__  # shipped, whatever is installed
    for step in range(3):
        experiment.report(step, loss=1 / (1 + step) + dropout)
    print("trained", num_layers)
    return 1 - abs(dropout - 0.3) - 100 * abs(learning_rate - 0.001) - 0.01 * num_layers

result = experiment.launch(spark, train, {'learning_rate': [0.001, 0.005, 0.01],
    'dropout': [0.5, 0.6]}, logdir=place + "/grid")
result = experiment.evolutionary_search(spark, train,
    {'learning_rate': [0.005, 0.00005], 'dropout': [0.01, 0.99], 'num_layers': [1, 3]},
    direction='max', popsize=10, generations=3, crossover=0.7, mutation=0.5, seed=7,
    logdir=place + "/evolution")
"""
OUTAGE = """
def train(x):
    for step in range(10):
        experiment.report(step, loss=x + step)
        time.sleep(0.1)
    return float(x)

result = experiment.launch(spark, train, {"x": list(range(%d))}, logdir=place)
"""


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SPARKEXP_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture(params=["disk", "hdfs", "s3"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A new place on each storage."""
    if request.param == "disk":
        return str(tmp_path / "runs")
    return f"{request.getfixturevalue(request.param).url}/{uuid.uuid4().hex}"


def submit(folder: Path, script: str, conf: dict[str, str], *words: str) -> subprocess.Popen[Any]:
    """Start a script by spark-submit, from a directory with nothing else in it."""
    folder.mkdir(exist_ok=True)
    path = folder / "search.py"
    path.write_text(PREAMBLE + script)
    confs = [word for key, value in conf.items() for word in ("--conf", f"{key}={value}")]
    return started(folder, [str(SPARK_HOME / "bin/spark-submit"), *confs, str(path), *words])


def started(folder: Path, command: list[str]) -> subprocess.Popen[Any]:
    environment = {**os.environ, "SPARK_HOME": str(SPARK_HOME), "PYSPARK_PYTHON": sys.executable}
    with (folder / "log").open("a") as log:
        return subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=folder,
            env=environment, start_new_session=True,
        )  # fmt: skip


def ended(process: subprocess.Popen[Any], folder: Path, timeout_s: float = 300) -> tuple[int, str]:
    try:
        status = process.wait(timeout_s)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    return status, (folder / "log").read_text()


def shown(place: str, folder: Path) -> Path:
    """Return what TensorBoard reads of a place: a copy, where it is a URL."""
    if not is_remote(place):
        return Path(place)
    mirror = Mirror(place, folder)
    while mirror.update():
        pass
    return folder


def rows(logdir: Path) -> list[tuple[Any, ...]]:
    return [
        (row["name"], row["hparams"], row["status"], row["metrics"]["objective"])
        for row in session_groups(logdir)
    ]


def wait_for(found: Callable[[], Any], timeout_s: float = 240) -> None:
    deadline = time.monotonic() + timeout_s
    while not found():
        assert time.monotonic() < deadline, "it did not come to that"
        time.sleep(1.0)


EXPECTED: dict[str, Any] = {}
TRIAL = "trials/trial-00000"


def test_the_two_calls_show_the_same_trials_from_everywhere(cluster, place, tmp_path):
    process = submit(tmp_path / "driver", TWO_CALLS, cluster.conf(), place)
    status, log = ended(process, tmp_path / "driver")
    assert status == 0, log[-4000:]
    found = {}
    for name, n_trials in (("grid", 6), ("evolution", 40)):
        logdir = shown(f"{place}/{name}", tmp_path / "copy" / name)
        curves = {run: tags["loss"] for run, tags in scalars(logdir).items() if "loss" in tags}
        found[name] = sorted(map(repr, rows(logdir))), curves
        result = experiment.load(f"{place}/{name}")
        assert len(result) == n_trials and not result.failures()
        n_run = sum(trial.reused_from is None for trial in result.trials)
        assert len(found[name][0]) == len(curves) == n_run
        assert all(len(points) == 3 for points in curves.values())
        assert not any(trial.warnings for trial in result.trials)
    assert found == EXPECTED.setdefault("found", found)


def test_a_storage_goes_away_and_comes_back(cluster, storage_server, tmp_path):
    place = f"{storage_server.url}/{uuid.uuid4().hex}"
    process = submit(tmp_path / "driver", OUTAGE % 80, cluster.conf(), place)
    try:
        wait_for(lambda: n_records(place) >= 4)
        storage_server.stop()
        time.sleep(30)
    finally:
        storage_server.start()
    status, log = ended(process, tmp_path / "driver")
    assert status == 0, log[-4000:]
    assert "can be written again" in log
    result = experiment.load(place)
    assert [trial.value for trial in result.trials] == [float(x) for x in range(80)]
    assert not any(trial.kept for trial in result.trials)
    logdir = shown(place, tmp_path / "copy")
    assert len(rows(logdir)) == 80
    curves = scalars(logdir)
    assert all(len(curves[trial.trial.id]["loss"]) == 10 for trial in result.trials)


def test_a_storage_goes_away_for_good(cluster, storage_server, tmp_path, cache):
    place = f"{storage_server.url}/{uuid.uuid4().hex}"
    process = submit(tmp_path / "driver", OUTAGE % 12, cluster.conf(), place)
    try:
        wait_for(lambda: n_records(place) >= 2)
        storage_server.stop()
        status, log = ended(process, tmp_path / "driver", 400)
    finally:
        storage_server.start()
    assert status != 0
    error = log[log.rindex("sparkexp.errors.StorageError") :]
    assert repr(place) in error and "Nothing is lost" in error
    (scratch,) = {path.parent for path in cache.rglob("experiment.json")}
    assert repr(str(scratch)) in error
    result = experiment.load(scratch)
    assert [trial.value for trial in result.trials] == [float(x) for x in range(12)]
    kept = [trial.kept for trial in result.trials if trial.kept]
    assert kept and kept[0] in error
    for trial in result.trials:
        if trial.kept:
            copy = Path(trial.kept.partition(":")[2])
            assert (copy / trial.trial.id).is_dir() or present(f"{place}/{trial.trial.id}")
            shutil.rmtree(copy.parent, ignore_errors=True)


def test_a_killed_driver_is_followed_by_resume(place, tmp_path, monkeypatch):
    code = tmp_path / "code"
    code.mkdir()
    (code / "train.py").write_text(
        "import time\n\ndef train(x):\n    time.sleep(1)\n    return float(x)\n"
    )
    (code / "space.json").write_text(json.dumps({"x": list(range(30))}))
    program = [sys.executable, "-m", "sparkexp.cli"]
    driver = started(
        code,
        [*program, "run", "train.py:train", "--space", "space.json", "--search", "grid",
         "--master", "local[2]", "--logdir", place],
    )  # fmt: skip
    try:
        wait_for(lambda: n_records(place) >= 5)
    finally:
        os.kill(driver.pid, signal.SIGKILL)
        driver.wait()
    before = {t.trial.number: t for t in experiment.load(place).trials}
    assert 5 <= len(before) < 30
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    process = started(elsewhere, [*program, "resume", place, "--master", "local[2]"])
    status, log = ended(process, elsewhere)
    assert status == 0, log[-4000:]
    result = experiment.load(place)
    assert [trial.value for trial in result.trials] == [float(x) for x in range(30)]
    assert all(result.trials[number] == trial for number, trial in before.items())


@pytest.mark.parametrize(("storage", "path"), [("s3", "x/run"), ("hdfs", "/forbidden/run")])
def test_a_forbidden_place_is_named_before_the_first_trial(storage, path, request):
    place = f"{request.getfixturevalue(storage).url}{path}"  # of S3 a bucket that isn't there
    called = []

    def train(x):
        called.append(x)

    with pytest.raises(StorageError, match=f"must be writable, and '{place}' is not: .*Name a"):
        experiment.launch(None, train, {"x": [1]}, logdir=place, engine="inline", progress=False)
    assert not called


LIVE = """
def train(x):
    print("reports", flush=True)
    experiment.report(0, loss=float(x))
    time.sleep(300)

experiment.launch(spark, train, {"x": [1]}, logdir=place)
"""


def test_a_running_trial_is_seen(cluster, storage_server, tmp_path):
    place = f"{storage_server.url}/{uuid.uuid4().hex}"
    process = submit(tmp_path / "driver", LIVE, cluster.conf(), place)
    files = RemoteFiles(place)
    try:
        wait_for(lambda: files.names("trials"))
        with start_tensorboard(place) as board:
            api = Api(board.url)
            began = time.monotonic()
            wait_for(lambda: "loss" in api.get("plugin/scalars/tags").get(TRIAL, {}), 60)
            # From before its first file was there until it is in the browser.
            assert time.monotonic() - began < 15
            assert api.scalars(TRIAL, "loss") == [(0, 1.0)]
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def n_records(place: str) -> int:
    try:
        return len(open_run(place).results())
    except OSError:  # not there yet
        return 0


def present(place: str) -> bool:
    return bool(RemoteFiles(place).names(""))
