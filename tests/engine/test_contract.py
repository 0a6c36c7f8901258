"""The contract of `Engine`, for every engine."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from sparkexp.analysis.description import SearchDescription
from sparkexp.engine import Engine, InlineEngine, Resources, SparkEngine, TrialTask
from sparkexp.testing import EngineContract
from sparkexp.testing.engine import Start, collect
from sparkexp.tracking.tensorboard import TrialSession
from sparkexp.trial import State, Trial

from .forking import ForkEngine

SESSIONS = [pytest.param(name, marks=pytest.mark.spark) for name in ("spark", "connect")]


TRACKERS = (TrialSession(SearchDescription("a run")),)


class TestContract(EngineContract):
    """The contract, for every engine of the package."""

    @pytest.fixture(autouse=True, params=["inline", *SESSIONS])
    def session(self, request: pytest.FixtureRequest) -> None:
        name = request.param
        self.spark = None if name == "inline" else request.getfixturevalue(name)

    def make_engine(self) -> Engine:
        return InlineEngine() if self.spark is None else SparkEngine(self.spark)

    def test_a_trial_has_an_event_file(self, start: Start) -> None:
        engine = start(lambda: 1.0, trackers=TRACKERS)
        engine.submit(Trial(0, {}))
        directory = Path(collect(engine, 1)[0].logdir)
        assert any(directory.glob("events.out.tfevents.*"))


class TestOwnContract(EngineContract):
    """The contract, for an engine as users write one."""

    def make_engine(self) -> Engine:
        return ForkEngine()


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
