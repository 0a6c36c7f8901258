"""MLflow with trials in processes of Spark: their own calls, secrets, kills, outages, volume."""

from __future__ import annotations

import json
import re
import time
from collections import Counter
from pathlib import Path

import pytest

from sparkexp.tracking import MLflow
from tests.spark.driving import run_driver, start_driver
from tests.spark.watching import LOCAL, MARK, log_of, marked, records, wait_until
from tests.tracking.mlflow.server import MLflowServer

pytestmark = [pytest.mark.spark]

RETRYING = {**LOCAL, "spark.master": "local[2,3]"}  # what is lost is run again


def variables(url: str) -> dict[str, str]:
    return {"MLFLOW_TRACKING_URI": url, "PYTHONPATH": str(Path(__file__).parents[3])}


# What people do in a train function, all of it in one.
BUSY = """
import threading
from tests.spark.watching import ancestors

def train(x):
    import time
    import mlflow
    import numpy
    from sklearn.linear_model import LogisticRegression

    attempt = 1 if "attempt-" in experiment.logdir() else 0
    mlflow.log_param("own", f"{x} {attempt}")  # on the second attempt another one
    if x == 3 and not attempt:
        mlflow.log_metric("lost", 1.0)
        above = [os.getpid(), *ancestors(os.getpid())]
        java = next(k for k, pid in enumerate(above) if "java" in os.readlink(f"/proc/{pid}/exe"))
        os.kill(above[java - 2], 9)
        time.sleep(300)

    def in_a_thread():
        mlflow.start_run(run_name="thread")
        mlflow.log_metric("m", 1.0)

    thread = threading.Thread(target=in_a_thread)
    thread.start()
    thread.join()
    mlflow.config.enable_async_logging(True)
    for step in range(300):
        mlflow.log_metric("many", step, step=step)
    mlflow.config.enable_async_logging(False)
    for step in range(10):
        experiment.report(step, acc=x * step)
    mlflow.end_run()
    mlflow.sklearn.autolog(log_models=False, silent=True)
    data = numpy.arange(20.0).reshape(-1, 1)
    for _ in range(2):
        LogisticRegression().fit(data, [0, 1] * 10)
    secret = os.environ["MLFLOW_TRACKING_TOKEN"]
    return {"value": x, "secret": float(len(secret))}

os.environ["MLFLOW_TRACKING_TOKEN"] = "-".join(["my", "secret", "4711"])
from sparkexp.tracking import MLflow
tracker = MLflow("busy", env=["MLFLOW_TRACKING_TOKEN"])
seen = []
def look():
    from urllib.request import urlopen
    ui = spark.sparkContext.uiWebUrl
    app = spark.sparkContext.applicationId
    for page in ("/environment/", "/jobs/", f"/api/v1/applications/{app}/environment"):
        seen.append(urlopen(ui + page).read().decode())
    for entry in os.listdir("/proc"):
        try:
            with open(f"/proc/{entry}/environ", "rb") as file:
                seen.append(file.read().decode("utf-8", "replace"))
        except OSError:
            pass
    threading.Timer(3, look).start() if len(seen) < 3000 else None
timer = threading.Timer(6, look)
timer.daemon = True
timer.start()
result = experiment.launch(spark, train, {"x": [1, 2, 3, 4]}, metric="value", logdir=logdir,
                           trackers=["tensorboard", tracker])
while not seen:
    time.sleep(0.1)
answer([[r.value, r.attempt, r.error, r.metrics, r.imported, r.warnings]
        for r in result.trials] + [len(seen), "my-secret-4711" in "".join(seen)])
os._exit(0)
"""


@pytest.mark.slow
def test_what_trials_do_by_themselves(mlflow_server, tmp_path):
    from tests.tracking.mlflow.server import Experiment

    events = tmp_path / "events"
    events.mkdir()
    conf = {
        **RETRYING,
        "spark.ui.enabled": "true",
        "spark.eventLog.enabled": "true",
        "spark.eventLog.dir": f"file://{events}",
        "spark.eventLog.compress": "false",  # else nothing would be found in it
    }
    script = "import time\n" + BUSY
    *found, n_seen, is_shown = run_driver(tmp_path, script, conf, variables(mlflow_server.url))
    assert [value for value, *_ in found] == [1, 2, 3, 4], found
    assert [attempt for _, attempt, *_ in found] == [0, 0, 1, 0]
    for _, _, error, metrics, imported, warnings in found:
        assert error is None and metrics["secret"] == 14 and warnings == []
        # Autolog loads all of scikit-learn, which other trials need not.
        assert max(Counter(name.partition(".")[0] for name in imported).values()) <= 50
        assert not any(".tests" in name for name in imported)
    # The token is in no file, on no page and in no process's environment as others see it.
    assert n_seen > 3 and not is_shown
    for path in [*tmp_path.rglob("*"), *events.rglob("*")]:
        if path.is_file() and path.name != "driver.py":  # the script itself
            assert b"my-secret-4711" not in path.read_bytes(), path
    assert any(
        b"sparkexp.order" in path.read_bytes() for path in events.rglob("*") if path.is_file()
    )

    seen = Experiment(mlflow_server.url, "busy")
    assert len(seen.roots) == 1
    assert {run.status for run in seen.runs.values()} == {"FINISHED"}
    assert [run.name for run in seen.trials] == [f"trial-0000{k}" for k in range(4)]
    for run, x in zip(seen.trials, (1, 2, 3, 4), strict=True):
        below = run.children
        if x == 3:  # what the second attempt did itself is below the trial
            assert run.params["own"] == "3 0"
            own = next(child for child in below if child.params.get("own") == "3 1")
        else:
            own = run
            assert run.params["own"] == f"{x} 0"
        assert len(seen.curve(own, "many")) == 300
        assert seen.curve(run, "acc") == [(step, x * step) for step in range(10)]
        # A thread's run, and those of two fits.
        fits = [child for child in below if "C" in child.params]
        assert [child.name for child in below].count("thread") == 1 and len(fits) == 2
        assert len(below) == (4 if x == 3 else 3)


AUTOLOG = """
def train(rate, units):
    import mlflow
    import numpy
    import keras
    mlflow.tensorflow.autolog(log_models=False, log_datasets=False, silent=True)
    data = numpy.random.default_rng(0).random((64, 4))
    model = keras.Sequential([keras.layers.Dense(units), keras.layers.Dense(1)])
    model.compile(keras.optimizers.SGD(rate), "mse")
    history = model.fit(data, data[:, :1], epochs=4, verbose=0)
    with mlflow.start_run(run_name="second"):
        mlflow.log_metric("m", 1.0)
    if units == 8 and rate > 0.04:
        raise RuntimeError("too wide")
    return -history.history["loss"][-1]
"""


@pytest.mark.slow
def test_forty_trials_with_autolog(mlflow_server, tmp_path):
    from tests.tracking.mlflow.server import Experiment

    script = AUTOLOG + (
        "grid = {'rate': [0.002 * k for k in range(1, 21)], 'units': [4, 8]}\n"
        "grid['rate'][-1] = 0.05\n"
        "result = experiment.launch(spark, train, grid, logdir=logdir, mlflow='autolog')\n"
        "answer([str(r.state) for r in result.trials])\n"
    )
    states = run_driver(tmp_path, script, LOCAL, variables(mlflow_server.url), timeout_s=500)
    assert Counter(states) == {"SUCCEEDED": 39, "FAILED": 1}
    seen = Experiment(mlflow_server.url, "autolog")
    assert len(seen.roots) == 1 and len(seen.trials) == 40
    for run, record, state in zip(seen.trials, records(tmp_path), states, strict=True):
        assert run.status == ("FINISHED" if state == "SUCCEEDED" else "FAILED")
        assert [step for step, _ in seen.curve(run, "loss")] == [0, 1, 2, 3]
        arguments = {name: str(value) for name, value in record["trial"]["params"].items()}
        assert arguments.items() <= run.params.items() and "epochs" in run.params
        assert [child.name for child in run.children] == ["second"]
        assert {child.status for child in run.children} == {"FINISHED"}


REPORTING = """
import time

def train(x):
    import mlflow
    for step in range(4):
        mlflow.log_metric("own", step, step=step)
    for step in range(10):
        experiment.report(step, acc=x * step)
        time.sleep(SECONDS / 10)
    return x

def search(**options):
    return experiment.launch(spark, train, {"x": list(range(N))}, logdir=logdir, **options)
"""


def reporting(seconds: float, n: int) -> str:
    return REPORTING.replace("SECONDS", str(seconds)).replace("N)", f"{n})")


def check_whole(server: MLflowServer, name: str, n: int, own: int = 4) -> None:
    """All trials are there once, with all of their points, and nothing runs any more."""
    from tests.tracking.mlflow.server import Experiment

    seen = Experiment(server.url, name)
    assert {run.status for run in seen.runs.values()} == {"FINISHED"}
    assert [run.name for run in seen.trials] == [f"trial-{k:05d}" for k in range(n)]
    assert len(seen.runs) == n + 1
    for k, run in enumerate(seen.trials):
        assert run.params == {"x": str(k)} and run.metrics["objective"] == k
        assert seen.curve(run, "acc") == [(step, k * step) for step in range(10)]
        assert len(seen.curve(run, "own")) == own
    assert seen.search.metrics["best"] == n - 1


@pytest.mark.slow
def test_a_killed_driver_is_resumed(mlflow_server, tmp_path, mark):
    from tests.tracking.mlflow.server import Experiment

    n = 40
    script = reporting(1, n) + "search(mlflow='killed')"
    environment = {**variables(mlflow_server.url), **mark}
    driver = start_driver(tmp_path, script, LOCAL, environment)
    wait_until(lambda: len(records(tmp_path)) >= n // 3)
    time.sleep(0.5)  # in the midst of trials
    driver.kill()
    driver.wait()
    wait_until(lambda: not marked(mark[MARK]), 60)
    before = Experiment(mlflow_server.url, "killed")
    assert before.search.status == "RUNNING"

    resume = reporting(0.1, n) + "answer(len(experiment.resume(spark, train, logdir)))"
    assert run_driver(tmp_path, resume, LOCAL, environment) == n
    check_whole(mlflow_server, "killed", n)
    assert Experiment(mlflow_server.url, "killed").search.id == before.search.id


# Says how long the loop was held up, and how long the search took.
TIMED = """
from sparkexp.driver.trackers import Trackers
waited = []
announce = Trackers.announce
def timed(self, trial):
    began = time.monotonic()
    try:
        return announce(self, trial)
    finally:
        waited.append(time.monotonic() - began)
Trackers.announce = timed
closing = []
close = Trackers.close
def timed_close(self, outcome):
    began = time.monotonic()
    close(self, outcome)
    closing.append(time.monotonic() - began)
Trackers.close = timed_close
began = time.monotonic()
result = search(mlflow='EXPERIMENT')
whole = time.monotonic() - began
found = {"waits": sorted(waited)[-5:], "search": whole - closing[0], "close": closing[0],
         "waited": sum(waited), "states": [str(r.state) for r in result.trials]}
if ALONE:
    logdir += "-alone"
    began = time.monotonic()
    search()
    found["alone"] = time.monotonic() - began
answer(found)
"""
QUIET = re.compile(r" {4}import mlflow\n(?:.*\n){2}")


def outage(server: MLflowServer, folder: Path, n: int, at: int, seconds: float, how: str) -> dict:
    """Run a search of trials of a second; after `at` of them the server is away for a time."""
    # The trials make no calls of their own, which would wait for the server.
    script = "import time\n" + QUIET.sub("", reporting(1, n)) + TIMED.replace("EXPERIMENT", how)
    script = script.replace("ALONE", str(how == "killed"))
    driver = start_driver(folder, script, LOCAL, variables(server.url))
    if at:
        wait_until(lambda: len(records(folder)) >= at)
        server.freeze() if how == "hole" else server.stop()
        time.sleep(seconds)
        server.thaw() if how == "hole" else server.start()
    else:
        wait_until(lambda: len(records(folder)) >= 20)
        server.start()
    assert driver.wait(300) == 0, log_of(folder)
    found = json.loads((folder / "answer.json").read_text())
    assert set(found.pop("states")) == {"SUCCEEDED"}
    print(how, found)
    return found


@pytest.mark.slow
@pytest.mark.parametrize(
    ("how", "at", "seconds"), [("killed", 10, 30), ("late", 0, 0), ("hole", 10, 30)]
)
def test_a_server_that_is_away_holds_nothing_up(own_server, tmp_path, how, at, seconds):
    n = 60
    if at:
        own_server.start()
    found = outage(own_server, tmp_path, n, at, seconds, how)
    # Blocked once by the outage; all else is what an answer takes.
    assert found["waits"][-1] < 2.2 and found["close"] < 62
    assert sum(wait > 1.7 for wait in found["waits"]) <= 1
    # What it adds at most; beside other work on the machine whole times differ by more.
    assert found["waited"] < 0.1 * found["search"]
    check_whole(own_server, how, n, own=0)


@pytest.mark.slow
def test_a_server_that_never_comes(own_server, tmp_path, capsys):
    from sparkexp.cli import main

    script = "import time\n" + QUIET.sub("", reporting(0.2, 20)) + TIMED.replace("ALONE", "False")
    driver = start_driver(tmp_path, script.replace("EXPERIMENT", "never"), LOCAL,
                          variables(own_server.url))  # fmt: skip
    assert driver.wait(300) == 0, log_of(tmp_path)
    found = json.loads((tmp_path / "answer.json").read_text())
    print(found["waits"], found["close"])
    assert found["waits"][-1] < 1 and 50 < found["close"] < 62
    assert "`sparkexp mlflow LOGDIR` sends it" in log_of(tmp_path)
    own_server.start()
    assert main(["mlflow", str(tmp_path / "run")]) == 0
    check_whole(own_server, "never", 20, own=0)


@pytest.mark.slow
def test_a_thousand_trials(own_server, tmp_path, monkeypatch):
    from sparkexp import experiment

    monkeypatch.setenv("MLFLOW_TRACKING_URI", own_server.start().url)

    def train(x):
        for step in range(10):
            experiment.report(step, acc=x * step)
        return x

    n = 1000
    closing = []
    close = MLflow.close

    def timed_close(tracker, patience_s):
        began = time.monotonic()
        left = close(tracker, patience_s)
        closing.append((left, time.monotonic() - began))
        return left

    monkeypatch.setattr(MLflow, "close", timed_close)
    experiment.launch(
        None, train, {"x": list(range(n))}, mlflow="many", logdir=tmp_path / "run",
        engine="inline", progress=False,
    )  # fmt: skip
    n_calls = own_server.count_calls()
    print(n_calls / n, "calls a trial, closed in", closing)
    assert n_calls <= 5 * n
    assert closing[0][0] == 0 and closing[0][1] < 10
    check_whole(own_server, "many", n, own=0)


@pytest.mark.slow
def test_it_costs_no_time(mlflow_server, tmp_path):
    script = "import time\n" + QUIET.sub("", reporting(1, 60)) + (
        "for k, name in enumerate([None, 'time', None, 'time']):\n"
        "    logdir = os.environ['TEST_LOGDIR'] + str(k)\n"
        "    began = time.monotonic()\n"
        "    search(mlflow=name)\n"
        "    took.append(time.monotonic() - began)\n"
        "answer(took)\n"
    )  # fmt: skip
    script = script.replace("for k,", "took = []\nfor k,")
    took = run_driver(tmp_path, script, LOCAL, variables(mlflow_server.url), timeout_s=500)
    print(took)
    assert min(took[1::2]) < 1.05 * min(took[::2])
