"""What happens on a shared cluster: each fault is real, and nothing that ended is lost."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from sparkexp import experiment
from tests.spark.cluster import StandaloneCluster
from tests.spark.driving import run_driver, start_driver

pytestmark = [pytest.mark.spark]

LOCAL = {
    "spark.master": "local[2]",
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
}

# A search over whole numbers whose trials take a moment, and leave a mark when they start.
SEARCH = """
from sparkexp.errors import SearchInterrupted, SessionLostError
from pathlib import Path
import time
marks = Path(logdir).parent / "marks"
marks.mkdir(exist_ok=True)

def train(x, y):
    (marks / f"{time.time()}-{os.getpid()}").write_text(json.dumps([x, y]))
    time.sleep(SECONDS)
    return -(x - 0.3) ** 2 - y

def search(**options):
    return experiment.evolutionary_search(
        spark, train, {"x": [1.0, 0.0], "y": [0, 3]}, popsize=4, generations=3, seed=5,
        logdir=logdir, **options)
"""


@pytest.fixture
def mark() -> Iterator[dict[str, str]]:
    """An environment variable that every process of a test inherits, to find them by."""
    value = uuid.uuid4().hex
    yield {"SPARKEXP_TEST_MARK": value}
    for pid in marked(value):
        os.kill(pid, signal.SIGKILL)


def marked(value: str) -> list[int]:
    found = []
    needle = f"SPARKEXP_TEST_MARK={value}".encode()
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal() and int(entry.name) != os.getpid():
            try:
                if needle in (entry / "environ").read_bytes().split(b"\0"):
                    found.append(int(entry.name))
            except OSError:
                continue
    return found


def command_line(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    except OSError:
        return ""


def wait_until(condition: Callable[[], Any], timeout_s: float = 90.0) -> Any:
    deadline = time.monotonic() + timeout_s
    while not (value := condition()):
        assert time.monotonic() < deadline, "what was waited for did not happen"
        time.sleep(0.05)
    return value


def records(folder: Path) -> list[dict[str, Any]]:
    paths = sorted((folder / "run" / "records").glob("trial-*.json"))
    return [json.loads(path.read_text()) for path in paths]


def log_of(folder: Path) -> str:
    return (folder / "driver.log").read_text()[-4000:]


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
    wait_until(
        lambda: len(records(tmp_path)) == 4 and len(list((tmp_path / "marks").iterdir())) == 6
    )
    os.kill(driver.pid, signal.SIGINT)
    asked = time.monotonic()
    assert driver.wait(30) == 0, log_of(tmp_path)
    wait_until(lambda: not marked(mark["SPARKEXP_TEST_MARK"]), asked + 10 - time.monotonic())

    text, table, states = json.loads((tmp_path / "answer.json").read_text())
    assert "resume" in text and "interrupted" in table
    assert states == ["SUCCEEDED"] * 4 + ["CANCELLED"] * 2
    assert [r["state"] for r in records(tmp_path)] == states


def test_a_second_ctrl_c_leaves_at_once(tmp_path: Path, mark: dict[str, str]) -> None:
    script = SEARCH.replace("SECONDS", "60") + "search()"
    driver = start_driver(tmp_path, script, LOCAL, mark)
    wait_until(lambda: len(list((tmp_path / "marks").glob("*"))) == 2)
    os.kill(driver.pid, signal.SIGINT)
    time.sleep(0.1)
    os.kill(driver.pid, signal.SIGINT)
    assert driver.wait(10) != 0
    wait_until(lambda: not marked(mark["SPARKEXP_TEST_MARK"]), 10)


@pytest.mark.parametrize("n_ended", [0, 2, 6, 13])
def test_a_killed_driver_is_resumed(tmp_path: Path, mark: dict[str, str], n_ended: int) -> None:
    script = SEARCH.replace("SECONDS", "0.3") + "search()"
    driver = start_driver(tmp_path, script, LOCAL, mark)
    wait_until(lambda: len(records(tmp_path)) >= n_ended and list((tmp_path / "marks").glob("*")))
    driver.kill()
    driver.wait()
    wait_until(lambda: not marked(mark["SPARKEXP_TEST_MARK"]), 15)
    ended = {r["trial"]["number"]: r for r in records(tmp_path)}
    n_marks = len(list((tmp_path / "marks").glob("*")))

    resume = SEARCH.replace("SECONDS", "0") + (
        "result = experiment.resume(spark, train, logdir)\n"
        "answer([[r.trial.number, dict(r.trial.params), r.value] for r in result.trials])"
    )
    resumed = run_driver(tmp_path, resume, LOCAL)
    # Whole: the same search without a Spark session and without an interruption.
    whole = experiment.evolutionary_search(
        None, lambda x, y: -((x - 0.3) ** 2) - y, {"x": [1.0, 0.0], "y": [0, 3]},
        popsize=4, generations=3, seed=5, engine="inline", progress=False,
        logdir=tmp_path / "whole",
    )  # fmt: skip
    assert resumed == [[r.trial.number, dict(r.trial.params), r.value] for r in whole.trials]
    after = {r["trial"]["number"]: r for r in records(tmp_path)}
    assert all(after[number] == record for number, record in ended.items())
    # What ended was not run again: the marks are those of the other trials.
    n_new = len(list((tmp_path / "marks").glob("*"))) - n_marks
    assert n_new == len([r for r in whole.trials if r.reused_from is None]) - len(
        [r for r in ended.values() if r["reused_from"] is None]
    )


def test_two_drivers_never_share_a_run(tmp_path: Path, mark: dict[str, str]) -> None:
    script = SEARCH.replace("SECONDS", "60") + "search()"
    with start_driver(tmp_path, script, LOCAL, mark) as driver:
        wait_until(lambda: list((tmp_path / "marks").glob("*")))
        with pytest.raises(OSError, match="one driver at a time"):
            experiment.resume(None, lambda x, y: 0.0, tmp_path / "run", engine="inline")
        driver.kill()


def test_nothing_outlives_its_trial(spark: Any, tmp_path: Path, mark: dict[str, str]) -> None:
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
            spark, train, [{"k": k}], logdir=tmp_path / f"run-{k}", trial_timeout=6, progress=False
        )
        assert (folder / f"started-{k}").exists()
        assert marked(value) == []
        assert (result.failures() == {}) == (k == 0)
    assert "timed out after 6 s" in result.failures()["trials/trial-00000"]


def test_a_hang_in_c_code_ends_with_its_time(spark: Any, tmp_path: Path) -> None:
    def train(x: int) -> int:
        if x == 0:
            import ctypes

            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            ctypes.PyDLL(None).sleep(300)  # holds the interpreter's lock meanwhile
        return x

    started = time.monotonic()
    result = experiment.launch(
        spark, train, {"x": [0, 1, 2]}, logdir=tmp_path / "run", trial_timeout=3, progress=False
    )
    assert time.monotonic() - started < 40
    assert result.failures() == {"trials/trial-00000": "timed out after 3 s"}
    assert result.best.value == 2


def test_the_whole_search_has_a_time(spark: Any, tmp_path: Path) -> None:
    def train(x: int) -> int:
        time.sleep(0.1 if x < 2 else 300)
        return x

    result = experiment.launch(
        spark, train, {"x": [0, 1, 2, 3, 4]}, logdir=tmp_path / "r", timeout=10, progress=False
    )
    assert result.stopped == "the time of 10 s is up"
    assert [str(r.state) for r in result.trials] == ["SUCCEEDED"] * 2 + ["CANCELLED"] * 2
    resumed = experiment.resume(spark, lambda x: x, tmp_path / "r", progress=False)
    assert [r.value for r in resumed.trials] == [0, 1, 2, 3, 4]


def test_enough_is_enough(spark: Any, tmp_path: Path) -> None:
    def failing(x: int) -> int:
        raise ValueError("always")

    result = experiment.launch(
        spark, failing, {"x": list(range(20))}, logdir=tmp_path / "a", max_failures=3,
        progress=False,
    )  # fmt: skip
    assert "max_failures=3" in str(result.stopped)
    assert 4 <= len(result.failures()) <= 5
    result = experiment.launch(
        spark, lambda x: x, {"x": list(range(20))}, logdir=tmp_path / "b", target=5,
        progress=False,
    )  # fmt: skip
    assert "target" in str(result.stopped) and result.best.value >= 5
    assert len(result.trials) < 10


def test_results_that_do_not_fit(spark: Any, tmp_path: Path) -> None:
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
        spark, train, {"kind": kinds}, logdir=tmp_path / "run", progress=False
    )
    errors = result.failures()
    assert "_thread.lock" in errors["trials/trial-00000"]
    assert "numpy.ndarray of shape (25000000,)" in errors["trials/trial-00001"]
    assert errors["trials/trial-00002"].endswith("MemoryError")
    assert result.best.params == {"kind": "fine"}


def test_what_a_failed_trial_printed_is_in_its_failure(spark: Any, tmp_path: Path) -> None:
    def train() -> float:
        import logging

        for k in range(80):
            print("line", k)
        logging.getLogger("mine").warning("a warning")
        os.system("echo from a subprocess")
        raise RuntimeError("the end")

    result = experiment.launch(spark, train, logdir=tmp_path / "run", progress=False)
    text = result.failures()["trials/trial-00000"]
    assert "RuntimeError: the end" in text
    assert "line 79" in text and "a warning" in text and "from a subprocess" in text
    assert "line 20\n" not in text
    log = Path(result.trials[0].logdir, "output.log").read_text()
    assert "line 0\n" in log


@pytest.mark.parametrize("fault", ["moved away", "full"])
def test_a_log_directory_that_fails_meanwhile(
    spark: Any, tmp_path: Path, fault: str, caplog: pytest.LogCaptureFixture
) -> None:
    root = tmp_path / "place"
    root.mkdir()
    if fault == "full":
        mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=300k", "none", str(root)])
        if mounted.returncode:
            pytest.skip("needs the right to mount a small file system")

    def train(x: int) -> int:
        if x == 3 and fault == "moved away":
            os.rename(root, tmp_path / "elsewhere")
            root.write_text("a file is in the way")
        if x == 3 and fault == "full":
            filler = os.open(root / "filler", os.O_CREAT | os.O_WRONLY)
            try:
                while True:
                    os.write(filler, b"x" * 1024)
            except OSError:
                os.close(filler)
        return x

    try:
        result = experiment.launch(
            spark, train, {"x": list(range(8))}, logdir=root / "run", parallelism=1,
            progress=False,
        )  # fmt: skip
    finally:
        if fault == "full":
            subprocess.run(["umount", "-l", str(root)], check=True)
    assert [r.value for r in result.trials] == list(range(8)), result.failures()
    assert "can't be written" in caplog.text


@pytest.mark.cluster
@pytest.mark.parametrize("victim", ["child", "python worker", "executor"])
def test_a_kill_costs_no_other_trial(
    cluster: StandaloneCluster, tmp_path: Path, victim: str
) -> None:
    script = """
    def train(k):
        import time
        from pathlib import Path
        first = not Path(logdir + f".{k}").exists()
        Path(logdir + f".{k}").write_text(str(os.getpid()))
        if k == 2 and first:
            time.sleep(600)
        time.sleep(0.5)
        return k
    result = experiment.launch(spark, train, {"k": list(range(8))}, logdir=logdir)
    answer([[r.value, r.error, r.attempt, r.logdir] for r in result.trials])
    """
    driver = start_driver(tmp_path, script, cluster.conf())
    pid_file = tmp_path / "run.2"
    pid = int(wait_until(lambda: pid_file.exists() and pid_file.read_text()))
    time.sleep(1.0)
    if victim == "child":
        os.kill(pid, signal.SIGKILL)
    else:
        worker = parent(parent(pid))  # the child's guardian, and the worker that forked it
        executor = next(p for p in ancestors(worker) if p in cluster.executors())
        os.kill(worker if victim == "python worker" else executor, signal.SIGKILL)
    assert driver.wait(120) == 0, log_of(tmp_path)
    wait_until(lambda: not Path(f"/proc/{pid}").exists(), 10)

    told = json.loads((tmp_path / "answer.json").read_text())
    assert [value for k, (value, *_) in enumerate(told) if k != 2] == [0, 1, 3, 4, 5, 6, 7]
    value, error, attempt, directory = told[2]
    if victim == "child":  # the trial's own fault, as far as anybody can tell: not run again
        assert value is None and "SIGKILL" in error and attempt == 0
    else:
        assert value == 2 and attempt == 1 and directory.endswith("trial-00002/attempt-1")


def parent(pid: int) -> int:
    stat = Path(f"/proc/{pid}/stat").read_text()
    return int(stat[stat.rindex(")") + 1 :].split()[1])


def ancestors(pid: int) -> Iterator[int]:
    while pid > 1:
        pid = parent(pid)
        yield pid


@pytest.mark.cluster
def test_a_trial_that_always_takes_its_executor_along_is_given_up(
    cluster: StandaloneCluster, tmp_path: Path
) -> None:
    told = run_driver(
        tmp_path,
        """
        def train(k):
            import signal
            if k == 1:
                worker = os.getppid()  # the guardian; its parent is Spark's worker
                stat = open(f"/proc/{worker}/stat").read()
                os.kill(int(stat[stat.rindex(")") + 1:].split()[1]), signal.SIGKILL)
                import time
                time.sleep(60)
            return k
        result = experiment.launch(spark, train, {"k": [0, 1, 2]}, logdir=logdir, max_retries=1)
        answer([[r.value, r.error] for r in result.trials])
        """,
        cluster.conf(),
    )
    assert [value for value, _ in told] == [0, None, 2]
    assert "2 times" in told[1][1] and "max_retries=1" in told[1][1]


@pytest.mark.cluster
def test_the_end_of_the_session_is_the_end_of_the_search(
    cluster: StandaloneCluster, tmp_path: Path
) -> None:
    script = SEARCH.replace("SECONDS", "0.5") + (
        "import threading\n"
        "def stop():\n"
        "    while not len(list(marks.glob('*'))) > 5:\n"
        "        time.sleep(0.1)\n"
        "    spark.stop()\n"
        "threading.Thread(target=stop).start()\n"
        "try:\n    search(parallelism=2)\n"
        "except SessionLostError as error:\n"
        "    answer([str(error), len([r for r in error.result.trials if r.succeeded])])\n"
    )
    text, n_succeeded = run_driver(tmp_path, script, cluster.conf())
    assert "resume" in text and n_succeeded >= 2
