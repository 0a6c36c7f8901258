"""The worker's side of a trial's process: asks the guardian for it, and returns its outcome."""

from __future__ import annotations

import gc
import os
import pickle
import signal
import socket
import sys
import time
from pathlib import Path

from sparkexp.engine.base import TrialTask
from sparkexp.engine.worker.guardian import TAKEN, Report, Request, fork, serve
from sparkexp.engine.worker.outcome import Outcome, failure

__all__ = ["Guardian", "run_isolated"]


def run_isolated(task: TrialTask, directory: str, output: Path) -> Outcome:
    """Run a trial in a process of its own and return its outcome.

    Parameters
    ----------
    task : TrialTask
        The trial; its `isolation` is 'fork' or 'spawn', its train function is pickled.
    directory : str
        The attempt's directory.
    output : Path
        The file that takes stdout and stderr.
    """
    return _guardian.run(task, directory, output)


class Guardian:
    """The worker's end of the process that makes the trials' processes.

    The process is started for the first trial, and again if it has ended.
    """

    def __init__(self) -> None:
        self._owner = 0  # the worker's process; a fork of it needs a guardian of its own
        self._pid = 0

    def run(self, task: TrialTask, directory: str, output: Path) -> Outcome:
        """Run a trial; see `run_isolated`."""
        started = time.time()
        request = Request(task, directory, output, dict(os.environ), list(sys.path))
        data = pickle.dumps(request, pickle.HIGHEST_PROTOCOL)
        try:
            if self._owner != os.getpid():
                self._open()
            if not self._ask(data):
                # An earlier trial or the user may have killed it. The trial has not started yet.
                self.close()
                self._open()
                self._ask(data)
            line = self._answers.readline()
        except ConnectionError:
            line = b""
        except BaseException:
            self.close()  # an interrupt while waiting ends the trial
            raise
        if not line.endswith(b"\n"):
            self.close()
            return failure("The process that supervised the trial was killed.", started)
        return _make_outcome(Report.from_line(line), task.timeout_s, started)

    def close(self) -> None:
        """End the guardian and the trial that it runs, and wait until both have ended."""
        if self._owner != os.getpid():
            return
        self._owner = 0
        self._answers.close()
        self._socket.close()
        os.waitpid(self._pid, 0)

    def _open(self) -> None:
        # Spark's worker collects garbage after each task, while the slot waits. That would take
        # 30 ms with the objects of pandas and Arrow, which this exempts.
        gc.freeze()
        # The socket closes when this process ends: so the guardian notices.
        self._socket, there = socket.socketpair()
        self._pid = fork()
        if self._pid == 0:
            self._socket.close()
            serve(there)
        there.close()
        self._answers = self._socket.makefile("rb")
        self._owner = os.getpid()

    def _ask(self, data: bytes) -> bool:
        """Hand over a request and return whether the guardian took it."""
        try:
            self._socket.sendall(data)
            return self._answers.readline() == TAKEN
        except ConnectionError:
            return False


_guardian = Guardian()


def _make_outcome(report: Report, timeout_s: float | None, started: float) -> Outcome:
    if report.timed_out:
        return failure(f"timed out after {timeout_s:g} s", started)
    if report.outcome:
        return Outcome.from_bytes(report.outcome)
    if os.WIFSIGNALED(report.status):
        number = os.WTERMSIG(report.status)
        hint = (
            " The kernel's out-of-memory killer does that, among others."
            if number == signal.SIGKILL
            else ""
        )
        return failure(
            f"The trial's process was killed by signal {number}{_format_signal(number)}.{hint}",
            started,
        )
    return failure(
        f"The trial's process exited with status {os.waitstatus_to_exitcode(report.status)} "
        "before the train function returned.",
        started,
    )


def _format_signal(number: int) -> str:
    try:
        return f" ({signal.Signals(number).name})"
    except ValueError:  # most real-time signals have none
        return ""
