"""The contract of `Engine`, for every engine."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from sparkexp import experiment
from sparkexp.engine import Engine, InlineEngine, Resources, SparkEngine, TrialTask
from sparkexp.trial import State, Trial, TrialResult

Build = Callable[[Callable[..., Any]], Engine]


SESSIONS = [pytest.param(name, marks=pytest.mark.spark) for name in ("spark", "connect")]


@pytest.fixture(params=["inline", *SESSIONS])
def build(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Build]:
    engines: list[Engine] = []

    def make(train: Callable[..., Any]) -> Engine:
        if request.param == "inline":
            engines.append(InlineEngine())
        else:
            engines.append(SparkEngine(request.getfixturevalue(request.param)))
        engines[-1].prepare(TrialTask(Trial(0, {}), train, str(tmp_path / "run")))
        return engines[-1]

    yield make
    for engine in engines:
        engine.close()


def collect(engine: Engine, n_trials: int) -> dict[int, TrialResult]:
    results: list[TrialResult] = []
    deadline = time.monotonic() + 120
    while len(results) < n_trials and time.monotonic() < deadline:
        results += engine.wait(timeout_s=10)
    assert len({r.trial.number for r in results}) == len(results) == n_trials
    return {r.trial.number: r for r in results}


def test_every_trial_comes_back_once(build: Build) -> None:
    engine = build(lambda x: 2 * x)
    for k in range(5):  # more than there are slots
        engine.submit(Trial(k, {"x": k}))
    results = collect(engine, 5)

    assert [results[k].value for k in range(5)] == [0, 2, 4, 6, 8]
    assert all(r.state is State.SUCCEEDED for r in results.values())
    assert all(0 < r.submitted <= r.started <= r.ended for r in results.values())
    assert engine.wait(timeout_s=0.1) == []


def test_wait_gives_up_after_its_time(build: Build) -> None:
    engine = build(lambda: 1.0)
    started = time.monotonic()
    assert engine.wait(timeout_s=0.2) == []
    assert time.monotonic() - started < 5


def test_failures_are_results(build: Build) -> None:
    def train(x: int) -> Any:
        if x == 0:
            raise ValueError("no luck")
        return float("nan") if x == 1 else "text" if x == 2 else None

    engine = build(train)
    for k in range(4):
        engine.submit(Trial(k, {"x": k}))
    results = collect(engine, 4)

    assert {r.state for r in results.values()} == {State.FAILED}
    assert all(r.value is None for r in results.values())
    errors = {k: str(r.error) for k, r in results.items()}
    assert errors[0].endswith("ValueError: no luck") and "in train" in errors[0]
    assert "call_train" not in errors[0]  # the traceback starts with the user's own code
    assert "nan" in errors[1]
    assert "str" in errors[2]
    assert "nothing" in errors[3]


def test_results_tell_where_and_what(build: Build) -> None:
    engine = build(lambda x: {"accuracy": x, "loss": 1.0})
    engine.submit(Trial(0, {"x": 1.5}, generation=3))
    result = collect(engine, 1)[0]

    assert result.host and result.attempt == 0
    assert result.metrics == {"accuracy": 1.5, "loss": 1.0}
    assert result.logdir.endswith("gen-003/trial-00000")
    assert any(Path(result.logdir).glob("events.out.tfevents.*"))


@pytest.mark.spark
@pytest.mark.parametrize("isolation", ["fork", "spawn"])
def test_a_crash_costs_one_trial(any_spark: Any, tmp_path: Path, isolation: Any) -> None:
    def train(x: int) -> int:
        if x == 1:
            os.kill(os.getpid(), signal.SIGSEGV)
        if x == 2:
            os._exit(7)
        return x

    template = TrialTask(Trial(0, {}), train, str(tmp_path / "run"), isolation=isolation)
    with SparkEngine(any_spark) as engine:
        engine.prepare(template)
        for k in range(4):
            engine.submit(Trial(k, {"x": k}))
        results = collect(engine, 4)
    assert [results[k].state for k in range(4)] == ["SUCCEEDED", "FAILED", "FAILED", "SUCCEEDED"]
    assert "SIGSEGV" in str(results[1].error)
    assert "status 7" in str(results[2].error)


@pytest.mark.spark
@pytest.mark.parametrize(
    ("resources", "slots", "ahead"),
    [(Resources(), 2, 1), (Resources(parallelism=1), 1, 0), (Resources(cpus=2), 1, 0)],
)
def test_a_trial_waits_in_the_queue_where_spark_holds_it_back(
    any_spark: Any, tmp_path: Path, resources: Resources, slots: int, ahead: int
) -> None:
    folder = tmp_path / "running"
    folder.mkdir()

    def train(k: int) -> int:
        own = folder / str(k)
        own.touch()
        time.sleep(0.2)
        n_running = len(list(folder.iterdir()))
        own.unlink()
        return n_running

    template = TrialTask(Trial(0, {}), train, str(tmp_path / "run"))
    with SparkEngine(any_spark, resources) as engine:
        engine.prepare(template)
        assert (engine.slots, engine.ahead) == (slots, ahead)
        for k in range(slots + ahead):
            engine.submit(Trial(k, {"k": k}))
        results = collect(engine, slots + ahead)
    assert max(result.value or 0 for result in results.values()) <= slots


@pytest.mark.spark
def test_close_ends_running_trials(any_spark: Any, tmp_path: Path) -> None:
    marker = tmp_path / "pid"

    def train() -> int:
        marker.write_text(str(os.getpid()))
        time.sleep(60)
        return 1

    engine = SparkEngine(any_spark)
    engine.prepare(TrialTask(Trial(0, {}), train, str(tmp_path / "run")))
    engine.submit(Trial(0, {}))
    deadline = time.monotonic() + 60
    while not (marker.exists() and marker.read_text()) and time.monotonic() < deadline:
        time.sleep(0.05)
    pid = int(marker.read_text())
    engine.close()
    (result,) = engine.wait(timeout_s=20)
    assert result.state is State.CANCELLED
    deadline = time.monotonic() + 10
    while Path(f"/proc/{pid}").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not Path(f"/proc/{pid}").exists()


def test_one_trial_is_stopped_and_the_others_run_on(build: Build, tmp_path: Path) -> None:
    def train(x: int) -> float:
        for step in range(1000 if x == 0 else 1):
            experiment.report(step, accuracy=0.1)
            time.sleep(0.05)
        return 1.0

    engine = build(train)
    hopeless, good, queued = (Trial(k, {"x": x}) for k, x in enumerate((0, 1, 0)))
    for trial in (hopeless, good):
        engine.submit(trial)
    engine.on_report = lambda: engine.stop(hopeless)  # an engine that runs it in this process
    if isinstance(engine, SparkEngine):
        started = time.monotonic()
        while not list(tmp_path.rglob("trial-00000/events*")) and time.monotonic() < started + 60:
            time.sleep(0.1)
        engine.stop(hopeless)
    results = collect(engine, 2)
    assert [results[k].state for k in (0, 1)] == [State.CANCELLED, State.SUCCEEDED]

    engine.submit(queued)
    engine.stop(queued)  # whether or not it has begun
    engine.submit(Trial(3, {"x": 1}))
    results = collect(engine, 2)
    assert [results[k].state for k in (2, 3)] == [State.CANCELLED, State.SUCCEEDED]
