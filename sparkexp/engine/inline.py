"""Trials one after another in this process: for debugging, tests and benchmarks."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import replace

from sparkexp.engine.base import Engine, TrialTask
from sparkexp.engine.task import run_attempt
from sparkexp.trial import Trial, TrialResult

__all__ = ["InlineEngine"]


class InlineEngine(Engine):
    """Runs each trial in the process that waits for it, so that a debugger can step in.

    State that the train function leaves behind (module variables, TensorFlow's) is seen by the
    next trial, and what kills the trial's process kills this one.

    Parameters
    ----------
    template : TrialTask
        The task whose trial is replaced by the submitted ones.
    """

    def __init__(self, template: TrialTask) -> None:
        self._template = replace(template, isolation="none")
        self._queue: deque[tuple[Trial, float]] = deque()

    @property
    def slots(self) -> int:
        return 1

    def submit(self, trial: Trial) -> None:
        self._queue.append((trial, time.time()))

    def wait(self, timeout_s: float | None = None) -> list[TrialResult]:
        if not self._queue:
            return []
        trial, submitted = self._queue.popleft()
        return [replace(run_attempt(replace(self._template, trial=trial)), submitted=submitted)]

    def close(self) -> None:
        self._queue.clear()
