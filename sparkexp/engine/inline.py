"""Trials one after another in this process: for debugging, tests and benchmarks."""

from __future__ import annotations

import functools
import time
from collections import deque
from dataclasses import replace

from sparkexp.engine.base import Engine, TrialTask
from sparkexp.engine.task import run_attempt
from sparkexp.trial import State, Trial, TrialResult

__all__ = ["InlineEngine"]


class InlineEngine(Engine):
    """Runs each trial in the process that waits for it, so that a debugger can step in.

    State that the train function leaves behind (module variables, TensorFlow's) is seen by the
    next trial, and what kills the trial's process kills this one.

    Parameters
    ----------
    template : TrialTask
        The task whose trial is replaced by the submitted ones; it holds the function itself.
    data : object, optional
        The first argument for the train function.
    """

    def __init__(self, template: TrialTask, data: object = None) -> None:
        assert callable(template.train)
        train = template.train if data is None else functools.partial(template.train, data)
        self._template = replace(template, train=train, isolation="none")
        self._queue: deque[tuple[Trial, float]] = deque()
        self._cancelled = False

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
        if self._cancelled:
            return [TrialResult(trial, State.CANCELLED, submitted=submitted)]
        return [replace(run_attempt(replace(self._template, trial=trial)), submitted=submitted)]

    def cancel(self) -> None:
        self._cancelled = True

    def close(self) -> None:
        self.cancel()
        self._queue.clear()
