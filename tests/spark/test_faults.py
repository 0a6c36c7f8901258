"""What happens on a shared cluster: each fault is real, and nothing that ended is lost."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from sparkexp import experiment
from sparkexp.errors import StorageError
from tests.spark.driving import run_driver, start_driver
from tests.spark.watching import (
    LOCAL,
    MARK,
    SEARCH,
    ancestors,
    log_of,
    marked,
    marks,
    records,
    wait_until,
)

pytestmark = [pytest.mark.spark]


def test_ctrl_c_ends_the_trials_and_gives_the_result_so_far(
    tmp_path: Path, mark: dict[str, str]
) -> None:
    # The first generation takes no time, the second one for ever.
    script = SEARCH.replace("SECONDS", "0 if len(list(marks.glob('*'))) <= 4 else 300") + (
        "try:\n    search()\n"
        "except SearchInterrupted as error:\n"
        "    states = [str(r.state) for r in error.result.trials]\n"
        "    answer([str(error), str(error.result), states])\n"
    )
    driver = start_driver(tmp_path, script, LOCAL, mark)
    wait_until(lambda: len(records(tmp_path)) == 4 and len(marks(tmp_path)) == 6)
    os.kill(driver.pid, signal.SIGINT)
    assert driver.wait(90) == 0, log_of(tmp_path)
    wait_until(lambda: not marked(mark[MARK]), 10)  # as promised

    text, table, states = json.loads((tmp_path / "answer.json").read_text())
    assert "resume" in text and "interrupted" in table
    # Two that ran, and the one that waited for a slot.
    assert states == ["SUCCEEDED"] * 4 + ["CANCELLED"] * 3
    assert [r["state"] for r in records(tmp_path)] == states


def test_a_second_ctrl_c_leaves_at_once(tmp_path: Path, mark: dict[str, str]) -> None:
    script = SEARCH.replace("SECONDS", "900") + "search()"
    driver = start_driver(tmp_path, script, LOCAL, mark)
    wait_until(lambda: len(marks(tmp_path)) == 2)

    def interrupted_again() -> bool:
        # Two signals that arrive before a slow driver looks are one, hence more of them.
        if driver.poll() is None:
            os.kill(driver.pid, signal.SIGINT)
            time.sleep(0.1)
        return driver.poll() is not None

    wait_until(interrupted_again, 60)
    assert driver.returncode != 0
    wait_until(lambda: not marked(mark[MARK]), 10)


SLOW = pytest.mark.slow
# What ends a trial is the same on both; they differ in how the driver hears of it.
classic_first = pytest.mark.parametrize(
    "any_spark", ["classic", pytest.param("connect", marks=SLOW)], indirect=True
)


@pytest.mark.parametrize(
    "n_ended",
    [pytest.param(0, marks=SLOW), pytest.param(2, marks=SLOW), 6, pytest.param(13, marks=SLOW)],
)
def test_a_killed_driver_is_resumed(tmp_path: Path, mark: dict[str, str], n_ended: int) -> None:
    script = SEARCH.replace("SECONDS", "0.3") + "search()"
    driver = start_driver(tmp_path, script, LOCAL, mark)
    wait_until(lambda: len(records(tmp_path)) >= n_ended and marks(tmp_path))
    driver.kill()
    driver.wait()
    wait_until(lambda: not marked(mark[MARK]), 60)
    ended = {r["trial"]["number"]: r for r in records(tmp_path)}
    n_marks = len(marks(tmp_path))

    resume = SEARCH.replace("SECONDS", "0") + (
        "result = experiment.resume(spark, train, logdir)\n"
        "answer([[r.trial.number, dict(r.trial.params), r.value] for r in result.trials])"
    )
    resumed = run_driver(tmp_path, resume, LOCAL)
    # Whole: the same search without a Spark session and without an interruption.
    whole = experiment.evolutionary_search(
        None, lambda x, y: -((x - 0.3) ** 2) - y, {"x": [1.0, 0.0], "y": [0, 3]},
        popsize=4, generations=3, variant="classic", seed=5, engine="inline",
        progress=False, logdir=tmp_path / "whole",
    )  # fmt: skip
    assert resumed == [[r.trial.number, dict(r.trial.params), r.value] for r in whole.trials]
    after = {r["trial"]["number"]: r for r in records(tmp_path)}
    assert all(after[number] == record for number, record in ended.items())
    # What ended was not run again: the marks are those of the other trials.
    n_new = len(marks(tmp_path)) - n_marks
    assert n_new == len([r for r in whole.trials if r.reused_from is None]) - len(
        [r for r in ended.values() if r["reused_from"] is None]
    )


def test_two_drivers_never_share_a_run(tmp_path: Path, mark: dict[str, str]) -> None:
    script = SEARCH.replace("SECONDS", "900") + "search()"
    driver = start_driver(tmp_path, script, LOCAL, mark)
    try:
        wait_until(lambda: marks(tmp_path))
        with pytest.raises(OSError, match="one driver at a time"):
            experiment.resume(None, lambda x, y: 0.0, tmp_path / "run", engine="inline")
    finally:
        driver.kill()
        driver.wait()


@classic_first
def test_nothing_outlives_its_trial(any_spark: Any, tmp_path: Path, mark: dict[str, str]) -> None:
    (name, value), folder = next(iter(mark.items())), tmp_path

    def train(k: int) -> int:
        # A daemon in a session of its own, a subprocess, and a sleeper that ignores SIGTERM.
        environment = {**os.environ, name: value}
        for command in ("sleep 300", "setsid sleep 300", "trap '' TERM; sleep 300"):
            subprocess.Popen(["sh", "-c", command], env=environment)
        if os.fork() == 0:
            os.setsid()
            if os.fork() == 0:
                os.execvpe("sleep", ["sleep", "300"], environment)
            os._exit(0)
        wait_until(lambda: len(marked(value)) >= 4)
        (folder / f"started-{k}").touch()
        if k == 1:
            raise RuntimeError("on purpose")
        if k == 2:
            os.kill(os.getpid(), signal.SIGSEGV)
        if k == 3:
            time.sleep(300)
        return k

    for k in range(4):
        result = experiment.launch(
            any_spark, train, [{"k": k}], logdir=tmp_path / f"run-{k}", progress=False,
            trial_timeout=10 if k == 3 else None,
        )  # fmt: skip
        assert (folder / f"started-{k}").exists()
        assert marked(value) == []
        assert (result.failures() == {}) == (k == 0)
    assert "timed out after 10 s" in result.failures()["trials/trial-00000"]


@classic_first
def test_a_hang_in_c_code_ends_with_its_time(any_spark: Any, tmp_path: Path) -> None:
    def train(x: int) -> int:
        if x == 0:
            import ctypes

            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            ctypes.PyDLL(None).sleep(300)  # holds the interpreter's lock meanwhile
        return x

    started = time.monotonic()
    result = experiment.launch(
        any_spark,
        train,
        {"x": [0, 1, 2]},
        logdir=tmp_path / "run",
        trial_timeout=8,
        progress=False,
    )
    assert time.monotonic() - started < 200  # the hang is one of 300 s
    assert result.failures() == {"trials/trial-00000": "timed out after 8 s"}
    assert result.best.value == 2


@classic_first
def test_the_whole_search_has_a_time(any_spark: Any, tmp_path: Path) -> None:
    def train(x: int) -> int:
        time.sleep(0.1 if x < 2 else 300)
        return x

    result = experiment.launch(
        any_spark, train, {"x": [0, 1, 2, 3, 4]}, logdir=tmp_path / "r", timeout=15, progress=False
    )
    assert result.stopped == "the time of 15 s is up"
    assert [str(r.state) for r in result.trials] == ["SUCCEEDED"] * 2 + ["CANCELLED"] * 3
    resumed = experiment.resume(any_spark, lambda x: x, tmp_path / "r", progress=False)
    assert [r.value for r in resumed.trials] == [0, 1, 2, 3, 4]


def test_enough_is_enough(any_spark: Any, tmp_path: Path) -> None:
    def failing(x: int) -> int:
        raise ValueError("always")

    result = experiment.launch(
        any_spark, failing, {"x": list(range(20))}, logdir=tmp_path / "a", max_failures=3,
        progress=False,
    )  # fmt: skip
    assert "max_failures=3" in str(result.stopped)
    assert 4 <= len(result.failures()) <= 8  # those in flight, too
    result = experiment.launch(
        any_spark, lambda x: x, {"x": list(range(20))}, logdir=tmp_path / "b", target=5,
        progress=False,
    )  # fmt: skip
    assert "target" in str(result.stopped) and result.best.value >= 5
    assert len(result.trials) < 10


def test_results_that_do_not_fit(any_spark: Any, tmp_path: Path) -> None:
    def train(kind: str) -> Any:
        if kind == "lock":
            import threading

            return threading.Lock()
        if kind == "large":
            import numpy

            return numpy.zeros(25_000_000)  # 200 MB
        if kind == "memory":
            raise MemoryError
        return 1.0

    kinds = ["lock", "large", "memory", "fine"]
    result = experiment.launch(
        any_spark, train, {"kind": kinds}, logdir=tmp_path / "run", progress=False
    )
    errors = result.failures()
    assert "_thread.lock" in errors["trials/trial-00000"]
    assert "numpy.ndarray of shape (25000000,)" in errors["trials/trial-00001"]
    assert errors["trials/trial-00002"].endswith("MemoryError")
    assert result.best.params == {"kind": "fine"}


def test_what_a_failed_trial_printed_is_in_its_failure(any_spark: Any, tmp_path: Path) -> None:
    def train() -> float:
        import logging

        for k in range(80):
            print("line", k)
        logging.getLogger("mine").warning("a warning")
        os.system("echo from a subprocess")
        raise RuntimeError("the end")

    result = experiment.launch(any_spark, train, logdir=tmp_path / "run", progress=False)
    text = result.failures()["trials/trial-00000"]
    assert "RuntimeError: the end" in text
    assert "line 79" in text and "a warning" in text and "from a subprocess" in text
    assert "line 20\n" not in text
    log = Path(result.trials[0].logdir, "output.log").read_text()
    assert "line 0\n" in log


@pytest.mark.parametrize("fault", ["moved away", "full", "read-only"])
def test_a_log_directory_that_fails_meanwhile(
    any_spark: Any, tmp_path: Path, fault: str, caplog: pytest.LogCaptureFixture
) -> None:
    root = tmp_path / "place"
    root.mkdir()
    if fault == "read-only":
        if subprocess.run(["chattr", "+i", str(root)]).returncode:
            pytest.skip("needs the right to forbid writing, and a file system that knows how")
        subprocess.run(["chattr", "-i", str(root)], check=True)
    if fault == "full":
        mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=300k", "none", str(root)])
        if mounted.returncode:
            pytest.skip("needs the right to mount a small file system")

    def train(x: int) -> int:
        if x == 3 and fault == "moved away":
            os.rename(root, tmp_path / "elsewhere")
            root.write_text("a file is in the way")
        if x == 3 and fault == "read-only":
            subprocess.run(["chattr", "-R", "+i", str(root)], check=True)  # holds for root, too
        if x == 3 and fault == "full":
            filler = os.open(root / "filler", os.O_CREAT | os.O_WRONLY)
            try:
                while True:
                    os.write(filler, b"x" * 512)
            except OSError:
                os.close(filler)
        for step in range(3):
            experiment.report(step, value=float(x))
            print("a line\n" * 2000)
        print("an error", file=sys.stderr, flush=True)
        sys.stdout.buffer.write(b"bytes")
        sys.stdout.flush()
        Path(experiment.artifact_dir()), Path(experiment.checkpoint_dir())
        return x

    try:
        with pytest.raises(StorageError, match="until all of the search is in it") as caught:
            experiment.launch(
                any_spark, train, {"x": list(range(8))}, logdir=root / "run", parallelism=1,
                progress=False, prune="median",
            )  # fmt: skip
    finally:
        if fault == "read-only":
            subprocess.run(["chattr", "-R", "-i", str(root)], check=True)
        if fault == "full":
            subprocess.run(["umount", "-l", str(root)], check=True)
    result = caught.value.result
    assert [r.value for r in result.trials] == list(range(8)), result.failures()
    assert caplog.text.count("can't be written to") == 1
    if fault == "full":
        for part in ("output could not be written", "reported could not be written"):
            assert [sum(part in w for w in r.warnings) for r in result.trials[4:]] == [1] * 4


def test_a_log_directory_that_is_removed_and_one_of_another_run(
    any_spark: Any, tmp_path: Path
) -> None:
    root = tmp_path / "run"

    def train(data: list[int], x: int) -> int:
        if x in (2, 5):
            shutil.rmtree(root)
        if x == 5:

            def other(data: list[int], y: int) -> int:
                return -y

            there = {"y": [1, 2, 3, 4, 5, 6, 7, 8]}
            experiment.launch(
                None, other, there, data=[0], logdir=root, engine="inline", progress=False
            )
        return data[x]

    result = experiment.launch(
        any_spark, train, {"x": list(range(8))}, data=[10 * k for k in range(8)], logdir=root,
        parallelism=1, progress=False,
    )  # fmt: skip
    assert [r.value for r in result.trials] == [10 * k for k in range(8)], result.failures()
    assert [r.value for r in experiment.load(root).trials] == [-k for k in range(1, 9)]
    assert result.logdir != str(root) and experiment.load(result.logdir).trials == result.trials
    assert not list(tmp_path.rglob("data*.pickle"))


def test_a_lost_worker_of_a_local_session_is_explained(any_spark: Any, tmp_path: Path) -> None:
    def train(x: int) -> int:
        above = [os.getpid(), *ancestors(os.getpid())]
        java = next(k for k, pid in enumerate(above) if "java" in os.readlink(f"/proc/{pid}/exe"))
        if x == 1:
            os.kill(
                above[java - 2], signal.SIGKILL
            )  # below it are pyspark's daemon and the worker
            time.sleep(300)
        return x

    result = experiment.launch(
        any_spark, train, {"x": [0, 1, 2]}, logdir=tmp_path / "run", max_retries=1, progress=False
    )
    assert [r.value for r in result.trials] == [0, None, 2]
    (text,) = result.failures().values()
    assert "2 attempts (max_retries=1): its worker process was lost. Check the memory" in text


def test_a_time_limit_may_be_a_month(any_spark: Any, tmp_path: Path) -> None:
    # In milliseconds that is more than poll(2) takes.
    result = experiment.launch(
        any_spark, lambda x: x, {"x": [1]}, logdir=tmp_path / "run", trial_timeout=30 * 86_400.0,
        progress=False,
    )  # fmt: skip
    assert result.best.value == 1, result.failures()
