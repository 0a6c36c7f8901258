"""The worker's side of a trial's process: asks the guardian for it, and returns its outcome."""

from __future__ import annotations

import gc
import os
import pickle
import select
import signal
import socket
import sys
import time
from dataclasses import replace
from pathlib import Path

from sparkexp.engine.base import TrialTask
from sparkexp.engine.worker.guardian import ENDING_S, TAKEN, Report, Request, fork, serve
from sparkexp.engine.worker.outcome import EXITED, Outcome, failure
from sparkexp.engine.worker.processes import find_descendants, is_stopped, kill
from sparkexp.trial import Loss

__all__ = ["Guardian", "end_trial", "run_isolated"]

CHUNK = 1 << 20
# How often a guardian is looked at that doesn't answer.
LOOK_S = 2.0
# What a guardian may take to end a trial that is over its time limit.
GRACE_S = 30.0


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


def end_trial() -> None:
    """Kill the trial that runs in a process of its own now; `run_isolated` returns its outcome."""
    _guardian.end_trial()


class Guardian:
    """The worker's end of the process that makes the trials' processes.

    The process is started for the first trial, and again if it has ended or has loaded libraries
    that the trial must load itself, or with other threads.
    """

    def __init__(self) -> None:
        self._owner = 0  # the worker's process; a fork of it needs a guardian of its own
        self._pid = 0
        self._threads: int | None = None
        # What it has not loaded for sure.
        self._unloaded: set[str] = set()

    def run(self, task: TrialTask, directory: str, output: Path) -> Outcome:
        """Run a trial; see `run_isolated`."""
        started = time.time()
        request = Request(task, directory, output, dict(os.environ), list(sys.path))
        data = pickle.dumps(request, pickle.HIGHEST_PROTOCOL)
        try:
            if self._owner != os.getpid() or not self._suits(task):
                self._reopen(task)
            if not self._ask(data):
                # An earlier trial or the user may have killed it. The trial has not started yet.
                self._reopen(task)
                self._ask(data)
            line = self._receive_report(task.timeout_s)
        except ConnectionError:
            line = b""
        except TimeoutError:
            self.close(patience_s=0.0)
            line = Report(b"", was_late=True).to_line()
        except BaseException:
            self.close()  # an interrupt while waiting ends the trial
            raise
        if not line.endswith(b"\n"):
            self.close()
            error = "The process that supervised the trial was killed."
            return failure(error, started, loss=Loss.KILLED)
        return _make_outcome(Report.from_line(line), task.timeout_s, started)

    def close(self, patience_s: float = GRACE_S) -> None:
        """End the guardian and the trial that it runs, and wait until both have ended.

        Parameters
        ----------
        patience_s : float
            After these seconds all of them are killed.
        """
        if self._owner != os.getpid():
            return
        self._owner = 0
        self._socket.close()
        deadline = time.monotonic() + patience_s
        while os.waitpid(self._pid, os.WNOHANG) == (0, 0):
            if time.monotonic() >= deadline:
                # The guardian last: orphans are handed to it as long as it lives.
                for pid in find_descendants(self._pid) or [self._pid]:
                    kill(pid)
            self._wake()
            time.sleep(0.002)

    def end_trial(self) -> None:
        """Kill the trial that runs now, with what it started; any thread may call it."""
        if self._owner == os.getpid():
            for pid in find_descendants(self._pid):
                kill(pid)

    def _suits(self, task: TrialTask) -> bool:
        """Return whether the guardian has loaded nothing that the trial needs otherwise."""
        if task.isolation != "fork":
            return True
        suits = self._threads == task.threads and self._unloaded.issuperset(task.late_modules)
        # The rest is loaded now if the trial asks for it.
        self._unloaded &= set(task.late_modules)
        return suits

    def _reopen(self, task: TrialTask) -> None:
        self.close()
        self._threads, self._unloaded = task.threads, set(task.late_modules)
        self._open()

    def _open(self) -> None:
        # Spark's worker collects garbage after each task, while the slot waits. That would take
        # 30 ms with the objects of pandas and Arrow, which this exempts.
        gc.freeze()
        # The socket closes when this process ends: so the guardian notices.
        self._socket, there = socket.socketpair()
        self._pid = fork()
        if self._pid == 0:
            self._socket.close()
            serve(there, self._threads)
        there.close()
        self._socket.setblocking(False)
        self._owner = os.getpid()

    def _ask(self, data: bytes) -> bool:
        """Hand over a request and return whether the guardian took it."""
        left = memoryview(data)
        try:
            while left:
                self._wait(select.POLLOUT)
                left = left[self._socket.send(left) :]
            return self._receive(len(TAKEN)) == TAKEN
        except ConnectionError:
            return False

    def _receive_report(self, timeout_s: float | None) -> bytes:
        """Return the report's line; raise TimeoutError where the guardian lets a trial run on."""
        deadline = None if timeout_s is None else time.monotonic() + timeout_s + GRACE_S
        chunks = [b""]
        while not chunks[-1].endswith(b"\n"):
            chunks.append(self._receive(CHUNK, deadline))
            if not chunks[-1]:
                break
        return b"".join(chunks)

    def _receive(self, size: int, deadline: float | None = None) -> bytes:
        self._wait(select.POLLIN, deadline)
        return self._socket.recv(size)

    def _wait(self, event: int, deadline: float | None = None) -> None:
        """Wait until the socket is ready; wake the guardian where somebody stopped it."""
        poll = select.poll()
        poll.register(self._socket, event)
        while not poll.poll(LOOK_S * 1000):
            self._wake()
            if deadline is not None and time.monotonic() >= deadline:
                raise TimeoutError

    def _wake(self) -> None:
        if is_stopped(self._pid):
            os.kill(self._pid, signal.SIGCONT)


_guardian = Guardian()


def _make_outcome(report: Report, timeout_s: float | None, started: float) -> Outcome:
    if report.outcome:
        outcome = Outcome.from_bytes(report.outcome)
        if not report.was_late:
            return outcome
        warning = (
            f"The trial's process was killed {ENDING_S:g} s after its train function had ended: "
            "threads or exit handlers were still running."
        )
        return replace(outcome, warnings=(*outcome.warnings, warning))
    if report.was_late:
        return failure(f"timed out after {timeout_s:g} s", started)
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
            loss=Loss.KILLED,
        )
    return failure(EXITED.format(os.waitstatus_to_exitcode(report.status)), started)


def _format_signal(number: int) -> str:
    try:
        return f" ({signal.Signals(number).name})"
    except ValueError:  # most real-time signals have none
        return ""
