"""Runs trials one after another in this process: for debugging, tests and benchmarks."""

from __future__ import annotations

import functools
import time
from collections import deque
from dataclasses import replace

from sparkexp.engine.base import Engine, TrialTask
from sparkexp.engine.transfer.courier import courier
from sparkexp.engine.worker.outcome import TrialStopped
from sparkexp.engine.worker.task import run_attempt
from sparkexp.trial import State, Trial, TrialResult

__all__ = ["InlineEngine"]


class InlineEngine(Engine):
    """Runs each trial in the process that waits for it, so that a debugger can step in.

    The next trial sees the state that a train function leaves behind (module variables, or
    TensorFlow's). A crash of the trial is a crash of this process.
    """

    one_environment = True
    _task: TrialTask

    def __init__(self) -> None:
        self._queue: deque[tuple[Trial, float]] = deque()
        self._cancelled = False
        self._stopped: set[int] = set()

    def _prepare(self, task: TrialTask, data: object) -> None:
        self._task = replace(task.with_data(data), isolation="none")

    @property
    def slots(self) -> int:
        return 1

    @property
    def where(self) -> str:
        return "this process, one after another"

    def submit(self, trial: Trial) -> None:
        self._queue.append((trial, time.time()))

    def wait(self, timeout_s: float | None = None) -> list[TrialResult]:
        if not self._queue:
            return []
        trial, submitted = self._queue.popleft()
        if self._cancelled or trial.number in self._stopped:
            return [TrialResult(trial, State.CANCELLED, submitted=submitted)]
        on_report = functools.partial(self._stop_on_report, trial)
        task = replace(self._task, trial=trial, on_report=on_report)
        try:
            result = run_attempt(task)
        except BaseException:  # Ctrl-C: keep the trial, so that it can be cancelled
            self._queue.appendleft((trial, submitted))
            raise
        return [replace(result, submitted=submitted)]

    def stop(self, trial: Trial) -> None:
        self._stopped.add(trial.number)

    def _stop_on_report(self, trial: Trial) -> None:
        """Pass the report on, and end the running trial if it was stopped."""
        if self.on_report is not None:
            self.on_report()
        if trial.number in self._stopped:
            raise TrialStopped

    def cancel(self) -> None:
        self._cancelled = True

    def close(self) -> None:
        self.cancel()
        self._queue.clear()
        courier.close()
