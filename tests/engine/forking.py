"""An engine as a user writes one, that is none of the package's: a forked process per trial."""

from __future__ import annotations

import gc
import multiprocessing
import time
from collections import deque
from dataclasses import replace
from multiprocessing import connection
from typing import Any

from sparkexp.engine import Engine, TrialTask, run_attempt
from sparkexp.trial import State, Trial, TrialResult

FORK = multiprocessing.get_context("fork")


class ForkEngine(Engine):
    """Runs so many trials at a time, each in a process that is forked from this one."""

    def __init__(self, n_slots: int = 2) -> None:
        self._n_slots = n_slots
        self._queue: deque[tuple[Trial, float]] = deque()
        self._running: dict[Any, tuple[Trial, float, Any]] = {}
        self._stopped: set[int] = set()
        self._cancelled = False

    def _prepare(self, task: TrialTask, data: object) -> None:
        self._task = replace(task.with_data(data), isolation="none")

    @property
    def slots(self) -> int:
        return self._n_slots

    @property
    def where(self) -> str:
        return "processes of this machine"

    def submit(self, trial: Trial) -> None:
        self._queue.append((trial, time.time()))
        self._fill()

    def _fill(self) -> None:
        while self._queue and len(self._running) < self._n_slots and not self._cancelled:
            trial, submitted = self._queue.popleft()
            receiving, sending = FORK.Pipe(duplex=False)
            process = FORK.Process(target=self._child, args=(trial, sending))
            process.start()
            sending.close()
            self._running[receiving] = (trial, submitted, process)

    def _child(self, trial: Trial, sending: Any) -> None:
        # Other tests may have used TensorFlow in the parent; its threads are not here, and
        # collecting what they left would crash.
        gc.freeze()
        sending.send(run_attempt(replace(self._task, trial=trial)))

    def wait(self, timeout_s: float | None = None) -> list[TrialResult]:
        self._fill()
        unwanted = [q for q in self._queue if self._cancelled or q[0].number in self._stopped]
        if unwanted:
            for queued in unwanted:
                self._queue.remove(queued)
            return [self._ended_early(*queued) for queued in unwanted]
        return [self._result(r) for r in connection.wait(list(self._running), timeout_s)]

    def _result(self, receiving: Any) -> TrialResult:
        trial, submitted, process = self._running.pop(receiving)
        try:
            result = replace(receiving.recv(), submitted=submitted)
        except EOFError:
            result = self._ended_early(trial, submitted)
        process.join()
        receiving.close()
        return result

    def _ended_early(self, trial: Trial, submitted: float) -> TrialResult:
        return TrialResult(trial, State.CANCELLED, submitted=submitted, ended=time.time())

    def stop(self, trial: Trial) -> None:
        self._stopped.add(trial.number)
        for running, _, process in self._running.values():
            if running == trial:
                process.terminate()

    def cancel(self) -> None:
        self._cancelled = True
        for _, _, process in self._running.values():
            process.terminate()

    def close(self) -> None:
        self.cancel()
        for _, _, process in self._running.values():
            process.join()
