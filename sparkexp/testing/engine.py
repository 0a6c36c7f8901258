"""The contract of `Engine`, as tests."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from sparkexp import experiment
from sparkexp.engine import Engine, TrialTask
from sparkexp.errors import InvalidArgumentError
from sparkexp.trial import State, Trial, TrialResult

__all__ = ["EngineContract", "Start", "collect"]

Start = Callable[..., Engine]
# A trial that takes no time itself has to come back within this time.
MAX_WAIT_S = 120


def collect(engine: Engine, n_trials: int) -> dict[int, TrialResult]:
    """Wait for n trials to end, and return their results by number."""
    results: list[TrialResult] = []
    deadline = time.monotonic() + MAX_WAIT_S
    while len(results) < n_trials and time.monotonic() < deadline:
        results += engine.wait(timeout_s=10)
    assert len({r.trial.number for r in results}) == len(results) == n_trials
    return {r.trial.number: r for r in results}


class EngineContract(ABC):
    """Tests for every engine: derive a test class, and implement `make_engine`."""

    @abstractmethod
    def make_engine(self) -> Engine:
        """Return a new engine that is not prepared yet."""

    @pytest.fixture
    def start(self, tmp_path: Path) -> Iterator[Start]:
        """Return a function that prepares an engine for a train function; close it at the end."""
        engines: list[Engine] = []

        def start(train: Callable[..., Any], data: object = None, **fields: Any) -> Engine:
            engines.append(self.make_engine())
            task = TrialTask(Trial(0, {}), train, str(tmp_path / "run"), **fields)
            engines[-1].prepare(task, data)
            return engines[-1]

        yield start
        for engine in engines:
            engine.close()

    def test_every_trial_comes_back_once(self, start: Start) -> None:
        engine = start(lambda x: 2 * x)
        for k in range(5):  # more than there are slots
            engine.submit(Trial(k, {"x": k}))
        results = collect(engine, 5)

        assert [results[k].value for k in range(5)] == [0, 2, 4, 6, 8]
        assert all(r.state is State.SUCCEEDED for r in results.values())
        assert all(0 < r.submitted <= r.started <= r.ended for r in results.values())
        assert engine.wait(timeout_s=0.1) == []

    def test_wait_gives_up_after_its_time(self, start: Start) -> None:
        engine = start(lambda: 1.0)
        started = time.monotonic()
        assert engine.wait(timeout_s=0.2) == []
        assert time.monotonic() - started < 5

    def test_failures_are_results(self, start: Start) -> None:
        def train(x: int) -> Any:
            if x == 0:
                raise ValueError("no luck")
            return float("nan") if x == 1 else "text" if x == 2 else None

        engine = start(train)
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

    def test_results_tell_where_and_what(self, start: Start) -> None:
        engine = start(lambda x: {"accuracy": x, "loss": 1.0})
        engine.submit(Trial(0, {"x": 1.5}, generation=3))
        result = collect(engine, 1)[0]

        assert result.host and result.attempt == 0
        assert result.metrics == {"accuracy": 1.5, "loss": 1.0}
        assert result.logdir.endswith("gen-003/trial-00000")
        assert Path(result.logdir).is_dir()

    def test_data_is_the_first_argument(self, start: Start) -> None:
        engine = start(lambda data, x: data["base"] + x, {"base": 40})
        engine.submit(Trial(0, {"x": 2}))
        assert collect(engine, 1)[0].value == 42

    def test_it_says_how_many_and_where(self, start: Start) -> None:
        engine = start(lambda: 1.0)
        assert engine.slots >= 1 and engine.ahead >= 0
        assert engine.where and isinstance(engine.where, str)
        assert all(isinstance(note, str) for note in engine.notes)

    def test_one_trial_is_stopped_and_the_others_run_on(
        self, start: Start, tmp_path: Path
    ) -> None:
        has_started = tmp_path / "has_started"

        def train(x: int) -> float:
            for step in range(1000 if x == 0 else 1):
                experiment.report(step, accuracy=0.1)
                has_started.touch()
                time.sleep(0.05)
            return 1.0

        engine = start(train)
        hopeless, good, queued = (Trial(k, {"x": x}) for k, x in enumerate((0, 1, 0)))
        for trial in (hopeless, good):
            engine.submit(trial)
        # An engine that runs trials in `wait` is told on a report, other engines between waits.
        engine.on_report = lambda: engine.stop(hopeless)
        results: list[TrialResult] = []
        deadline, stopped = time.monotonic() + MAX_WAIT_S, False
        while len(results) < 2 and time.monotonic() < deadline:
            results += engine.wait(timeout_s=0.1)
            if not stopped and has_started.exists():
                stopped = True
                if all(r.trial != hopeless for r in results):
                    engine.stop(hopeless)
        states = {r.trial.number: r.state for r in results}
        assert states == {0: State.CANCELLED, 1: State.SUCCEEDED}

        engine.submit(queued)
        engine.stop(queued)  # whether or not it has started
        engine.submit(Trial(3, {"x": 1}))
        ended = collect(engine, 2)
        assert [ended[k].state for k in (2, 3)] == [State.CANCELLED, State.SUCCEEDED]

    def test_cancel_ends_what_there_is(self, start: Start) -> None:
        def train() -> float:
            time.sleep(MAX_WAIT_S)
            return 1.0

        engine = start(train)
        for k in range(3):
            engine.submit(Trial(k, {}))
        engine.cancel()
        engine.cancel()
        results = collect(engine, 3)
        assert {r.state for r in results.values()} == {State.CANCELLED}
        engine.close()

    def test_it_serves_one_search(self, start: Start, tmp_path: Path) -> None:
        engine = start(lambda: 1.0)
        with pytest.raises(InvalidArgumentError, match="was used before"):
            engine.prepare(TrialTask(Trial(0, {}), lambda: 1.0, str(tmp_path / "other")))

    def test_close_without_prepare_and_twice(self) -> None:
        engine = self.make_engine()
        engine.close()
        engine.close()
