"""Faults on a standalone cluster: lost executors and workers, copies, executors that come late."""

from __future__ import annotations

import json
import os
import signal
import textwrap
from pathlib import Path

import pytest

from tests.engine.worker.living import alive, living
from tests.spark.cluster import StandaloneCluster
from tests.spark.driving import run_driver, start_driver
from tests.spark.watching import (
    MARK,
    MEET,
    SEARCH,
    ancestors,
    log_of,
    marked,
    records,
    wait_until,
)

pytestmark = [pytest.mark.spark, pytest.mark.cluster]


@pytest.mark.parametrize(
    "victim", [pytest.param("child", marks=pytest.mark.slow), "python worker", "executor"]
)
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
    if victim == "child":
        os.kill(pid, signal.SIGKILL)
    else:
        above = list(ancestors(pid))
        executor = next(p for p in above if p in cluster.executors())
        # Below the executor are pyspark's daemon and the worker, which forks the trial.
        worker = above[above.index(executor) - 2]
        os.kill(worker if victim == "python worker" else executor, signal.SIGKILL)
    assert driver.wait(240) == 0, log_of(tmp_path)
    wait_until(lambda: not alive(pid), 60)

    told = json.loads((tmp_path / "answer.json").read_text())
    assert [value for k, (value, *_) in enumerate(told) if k != 2] == [0, 1, 3, 4, 5, 6, 7]
    value, error, attempt, directory = told[2]
    if victim == "child":  # the trial's own fault, as far as anybody can tell: not run again
        assert value is None and "SIGKILL" in error and attempt == 0
    else:
        assert value == 2 and attempt == 1 and directory.endswith("trial-00002/attempt-1")


def test_a_trial_that_always_takes_its_executor_along_is_given_up(
    cluster: StandaloneCluster, tmp_path: Path
) -> None:
    told = run_driver(
        tmp_path,
        """
        def train(k):
            import signal
            if k == 1:
                import time
                def parent(pid):
                    stat = open(f"/proc/{pid}/stat").read()
                    return int(stat[stat.rindex(")") + 1:].split()[1])
                above = [os.getpid()]
                while "java" not in os.readlink(f"/proc/{above[-1]}/exe"):
                    above.append(parent(above[-1]))
                os.kill(above[-3], signal.SIGKILL)  # below the executor and pyspark's daemon
                time.sleep(60)
            return k
        result = experiment.launch(spark, train, {"k": [0, 1, 2]}, logdir=logdir, max_retries=1)
        answer([[r.value, r.error] for r in result.trials])
        """,
        cluster.conf(),
    )
    assert [value for value, _ in told] == [0, None, 2]
    assert "2 times" in told[1][1] and "max_retries=1" in told[1][1]


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


# Trials that write where they run; the first attempt at trial 2 waits to be killed.
WATCHED = """
def train(k):
    import time
    from pathlib import Path
    here = Path(logdir + f".{k}")
    first = not here.exists()
    here.write_text(str(os.getpid()))
    if k == 2 and first:
        time.sleep(600)
    time.sleep(0.5)
    return k
result = experiment.launch(spark, train, {"k": list(range(10))}, logdir=logdir)
answer({
    "values": [r.value for r in result.trials],
    "errors": result.failures(),
    "attempts": [r.attempt for r in result.trials],
})
"""


@pytest.mark.parametrize(
    "executors", [pytest.param("executors exit", marks=pytest.mark.slow), "executors are killed"]
)
def test_a_lost_worker_costs_no_trial(
    cluster: StandaloneCluster, tmp_path: Path, mark: dict[str, str], executors: str
) -> None:
    driver = start_driver(tmp_path, WATCHED, cluster.conf(), mark)
    pid_file = tmp_path / "run.2"
    pid = int(wait_until(lambda: pid_file.exists() and pid_file.read_text()))
    worker = next(w for w in cluster.workers if w.pid in ancestors(pid))
    at = cluster.workers.index(worker)
    try:
        cluster.kill_worker(worker, with_executors=executors == "executors are killed")
        wait_until(lambda: not alive(pid), 60)
        assert driver.wait(180) == 0, log_of(tmp_path)
    finally:
        driver.kill()
        driver.wait()
        # At the address of the one that is gone, and at its place in the list.
        started = cluster.start_worker(f"worker-{tmp_path.name}", f"127.0.0.{at + 1}")
        cluster.workers.remove(started)
        cluster.workers.insert(at, started)
        cluster.wait_for_workers(2)
    told = json.loads((tmp_path / "answer.json").read_text())
    assert told["values"] == list(range(10)) and told["errors"] == {}
    assert told["attempts"][2] == 1
    pids = [pid, *(int(path.read_text()) for path in tmp_path.glob("run.*"))]
    wait_until(lambda: not living(pids) and not marked(mark[MARK]), 60)


@pytest.mark.slow
@pytest.mark.parametrize("max_retries", [2, 0])
def test_of_a_trial_and_its_copy_one_counts(
    cluster: StandaloneCluster, tmp_path: Path, mark: dict[str, str], max_retries: int
) -> None:
    told = run_driver(
        tmp_path,
        f"""
        def train(k):
            import time
            from pathlib import Path
            here = experiment.logdir()
            Path(here, "pid").write_text(str(os.getpid()))
            if k == 1 and "attempt" not in here:
                time.sleep(600)
            return k
        result = experiment.launch(spark, train, {{"k": [0, 1, 2]}}, logdir=logdir,
                                   max_retries={max_retries})
        answer([[r.value, r.error, r.attempt, r.logdir] for r in result.trials])
        """,
        {
            **cluster.conf(),
            "spark.speculation": "true",
            "spark.speculation.interval": "100ms",
            # Without this a job of one task is never copied: it has no others to compare with.
            "spark.speculation.task.duration.threshold": "3s",
        },
        mark,
    )
    assert [value for value, *_ in told] == [0, 1, 2], told
    _, _, attempt, directory = told[1]
    assert attempt == 1 and directory.endswith("trial-00001/attempt-1")
    # Both attempts really ran, each in a directory of its own. (So may copies of slow others.)
    both = [path.parent.name for path in (tmp_path / "run").rglob("trial-00001/**/pid")]
    assert sorted(both) == ["attempt-1", "trial-00001"]
    pids = [int(path.read_text()) for path in (tmp_path / "run").rglob("pid")]
    wait_until(lambda: not living(pids) and not marked(mark[MARK]), 60)
    assert len(records(tmp_path)) == 3


@pytest.mark.slow
def test_slots_follow_executors_that_come_and_go(
    cluster: StandaloneCluster, tmp_path: Path
) -> None:
    told = run_driver(
        tmp_path,
        MEET
        + textwrap.dedent("""
        import time
        tracker = spark.sparkContext._jsc.sc().statusTracker()
        def n_executors():
            return len(tracker.getExecutorInfos()) - 1  # the driver is in the list
        def train(k):
            meet(4)
            return k
        def spans(result):
            return [[r.value, r.started, r.ended] for r in result.trials]
        before = n_executors()
        first = experiment.launch(spark, train, {"k": list(range(12))}, logdir=logdir + "/a")
        deadline = time.time() + 60
        while n_executors() and time.time() < deadline:
            time.sleep(0.2)
        between = n_executors()
        again = experiment.launch(spark, train, {"k": list(range(12))}, logdir=logdir + "/b")
        answer({"executors": [before, between], "spans": [spans(first), spans(again)]})
        """),
        {
            **cluster.conf(),
            "spark.dynamicAllocation.enabled": "true",
            "spark.dynamicAllocation.shuffleTracking.enabled": "true",
            "spark.dynamicAllocation.minExecutors": "0",
            "spark.dynamicAllocation.maxExecutors": "2",
            "spark.dynamicAllocation.executorIdleTimeout": "3s",
        },
    )
    assert told["executors"] == [0, 0]
    for spans in told["spans"]:
        assert [value for value, *_ in spans] == list(range(12))
        assert max(sum(a <= start < b for _, a, b in spans) for _, start, _ in spans) == 4
