"""The same over Spark Connect: one code path, another session."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest

from tests.spark.driving import run_driver, start_driver
from tests.spark.watching import LOCAL, MARK, SEARCH, log_of, marked, marks, records, wait_until

# Spark gives the server of a local session the same port each time.
pytestmark = [pytest.mark.spark, pytest.mark.together("port 15002")]

CONNECT = {"spark.remote": "local[2]"}


def test_a_search_over_connect(tmp_path: Path) -> None:
    told = run_driver(
        tmp_path,
        """
        import signal, time
        def train(x, y):
            experiment.report(0, x=x)
            if x == 1:
                raise ValueError("on purpose")
            if x == 2:
                os.kill(os.getpid(), signal.SIGSEGV)
            if x == 3:
                time.sleep(300)
            return x * y
        result = experiment.launch(spark, train, {"x": list(range(6)), "y": [2]}, logdir=logdir,
                                   trial_timeout=10)
        answer({
            "session": type(spark).__module__,
            "values": [r.value for r in result.trials],
            "errors": list(result.failures().values()),
            "table": str(result),
        })
        """,
        CONNECT,
    )
    assert told["session"].startswith("pyspark.sql.connect")
    assert told["values"] == [0, None, None, None, 8, 10]
    raised, crashed, hung = told["errors"]
    assert "ValueError: on purpose" in raised
    assert "SIGSEGV" in crashed
    assert hung == "timed out after 10 s"


def test_modules_and_data_over_connect(tmp_path: Path) -> None:
    (tmp_path / "helper.py").write_text("def double(x):\n    return 2 * x\n")
    told = run_driver(
        tmp_path,
        """
        import numpy
        import helper
        def train(data, x):
            return helper.double(x) + float(data["a"].sum())
        result = experiment.launch(spark, train, {"x": [1, 2]}, logdir=logdir,
                                   data={"a": numpy.ones(1000)})
        answer([r.value or r.error for r in result.trials])
        """,
        CONNECT,
    )
    assert told == [1002.0, 1004.0]
    assert not (tmp_path / "run" / "data.pickle").exists()


@pytest.mark.slow
def test_ctrl_c_over_connect(tmp_path: Path, mark: dict[str, str]) -> None:
    script = SEARCH.replace("SECONDS", "0 if len(list(marks.glob('*'))) <= 4 else 300") + (
        "try:\n    search()\n"
        "except SearchInterrupted as error:\n"
        "    answer([str(r.state) for r in error.result.trials])\n"
    )
    driver = start_driver(tmp_path, script, CONNECT, mark)
    wait_until(lambda: len(records(tmp_path)) == 4 and len(marks(tmp_path)) == 6)
    os.kill(driver.pid, signal.SIGINT)
    assert driver.wait(90) == 0, log_of(tmp_path)
    wait_until(lambda: not marked(mark[MARK]), 60)
    states = json.loads((tmp_path / "answer.json").read_text())
    assert states == ["SUCCEEDED"] * 4 + ["CANCELLED"] * 3


@pytest.mark.slow
def test_a_search_begun_over_connect_is_resumed_without(
    tmp_path: Path, mark: dict[str, str]
) -> None:
    script = SEARCH.replace("SECONDS", "0.2") + "search()"
    driver = start_driver(tmp_path, script, CONNECT, mark)
    wait_until(lambda: len(records(tmp_path)) >= 5)
    driver.kill()
    driver.wait()
    wait_until(lambda: not marked(mark[MARK]), 60)
    ended = records(tmp_path)
    resumed = run_driver(
        tmp_path,
        SEARCH.replace("SECONDS", "0")
        + "answer(len(experiment.resume(spark, train, logdir).trials))",
        LOCAL,
    )
    assert resumed == 16
    after = records(tmp_path)
    assert all(record in after for record in ended)  # they need not be the first by number


@pytest.mark.slow
def test_a_hopeless_trial_is_pruned_over_connect(tmp_path: Path) -> None:
    told = run_driver(
        tmp_path,
        """
        import time
        def train(x):
            for step in range(4 if x > 0.5 else 600):
                experiment.report(step, accuracy=x)
                time.sleep(0.1)
            return x
        listed = [{"x": x} for x in (0.6, 0.65, 0.7, 0.75, 0.8, 0.1, 0.9)]
        began = time.monotonic()
        result = experiment.launch(spark, train, listed, prune="median", logdir=logdir)
        answer({
            "session": type(spark).__module__,
            "states": [str(r.state) for r in result.trials],
            "value": result.trials[5].value,
            "seconds": result.trials[5].seconds,
        })
        """,
        CONNECT,
    )
    assert told["session"].startswith("pyspark.sql.connect")
    assert told["states"] == ["SUCCEEDED"] * 5 + ["PRUNED", "SUCCEEDED"]
    assert told["value"] == 0.1
    assert told["seconds"] < 60  # what it would take to its end


def test_a_stopped_session_over_connect_is_named(tmp_path: Path) -> None:
    told = run_driver(
        tmp_path,
        """
        from sparkexp.errors import EnvironmentUnfitError
        spark.stop()
        try:
            experiment.launch(spark, lambda x: x, {"x": [1]}, logdir=logdir)
        except EnvironmentUnfitError as error:
            answer([str(error), os.path.exists(logdir)])
        """,
        CONNECT,
    )
    assert "stopped" in told[0] and told[1] is False
