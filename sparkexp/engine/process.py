"""A process per trial, and nothing left of it afterwards.

::

    worker ──fork──► guardian ──fork──► child: train(**params)
                        │
                        ├ enforces the time limit
                        ├ learns how the child ended (outcome, exit status, signal)
                        ├ notices when the worker dies
                        └ kills every process that the trial left behind, then reports

The guardian is a process and not the worker itself, so that the trial's processes are ended also
when the worker is killed: Spark cancels a task by killing its worker. On Linux it is the reaper
of orphans below it, which makes even daemons of the trial its children.
"""

from __future__ import annotations

import ctypes
import json
import os
import pickle
import select
import signal
import sys
import tempfile
import time
import warnings
from dataclasses import dataclass
from pathlib import Path

from sparkexp.engine.base import TrialTask
from sparkexp.engine.child import run_in_child
from sparkexp.engine.outcome import Outcome, failure

__all__ = ["run_isolated"]

PR_SET_CHILD_SUBREAPER = 36
CHUNK = 1 << 16
MAX_POLL_S = 86_400.0  # the milliseconds of 25 days are more than poll takes


@dataclass(frozen=True)
class _Report:
    """What the guardian tells the worker."""

    outcome: bytes
    status: int
    timed_out: bool


def run_isolated(task: TrialTask, directory: str, output: Path) -> Outcome:
    """Run a trial in a process of its own and return what became of it.

    Parameters
    ----------
    task : TrialTask
        The trial; its `isolation` is 'fork' or 'spawn'.
    directory : str
        The attempt's directory.
    output : Path
        The file that takes stdout and stderr.
    """
    started = time.time()
    report_in, report_out = os.pipe()
    # Nothing is ever written to the life line: it ends when this process does.
    alive_in, alive_out = os.pipe()
    guardian = _fork()
    if guardian == 0:
        os.close(report_in)
        os.close(alive_out)
        _guard(task, directory, output, report_out, alive_in)
    os.close(report_out)
    os.close(alive_in)
    try:
        with os.fdopen(report_in, "rb") as pipe:
            line = pipe.readline()
    finally:
        os.close(alive_out)  # an interrupt while waiting ends the trial
        os.waitpid(guardian, 0)
    if not line.endswith(b"\n"):
        return failure("The process that supervised the trial was killed.", started)
    record = json.loads(line)
    return _outcome(
        _Report(record["outcome"].encode("latin-1"), record["status"], record["timed_out"]),
        task.timeout_s,
        started,
    )


def _outcome(report: _Report, timeout_s: float | None, started: float) -> Outcome:
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
            f"The trial's process was killed by signal {number}{_signal_name(number)}.{hint}",
            started,
        )
    return failure(
        f"The trial's process exited with status {os.waitstatus_to_exitcode(report.status)} "
        "before the train function returned.",
        started,
    )


def _signal_name(number: int) -> str:
    try:
        return f" ({signal.Signals(number).name})"
    except ValueError:  # most real-time signals have none
        return ""


def _fork() -> int:
    with warnings.catch_warnings():
        # Spark's worker has an idle thread of Arrow's, which a fork is allowed to lose.
        warnings.simplefilter("ignore", DeprecationWarning)
        return os.fork()


def _guard(task: TrialTask, directory: str, output: Path, report_out: int, alive_in: int) -> None:
    """Fork the child, watch over it, report, and leave the process."""
    code = 1
    try:
        os.setsid()  # a signal to the worker's process group must not take the guardian along
        if sys.platform == "linux":
            ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        _close_sockets()
        wake_in = _wake_on_child_exit()
        result_in, result_out = os.pipe()
        child = _fork()
        if child == 0:
            for fd in (report_out, alive_in, result_in, wake_in):
                os.close(fd)
            _become_trial(task, directory, output, result_out)
        os.close(result_out)
        report = _watch(child, result_in, alive_in, wake_in, task.timeout_s)
        _kill_descendants(child)
        if report is not None:
            line = {
                "outcome": report.outcome.decode("latin-1"),
                "status": report.status,
                "timed_out": report.timed_out,
            }
            with os.fdopen(report_out, "wb") as pipe:
                pipe.write(json.dumps(line).encode() + b"\n")
        code = 0
    finally:
        os._exit(code)


def _become_trial(task: TrialTask, directory: str, output: Path, result_out: int) -> None:
    """Run the trial in this process, or in a new interpreter in its place."""
    if task.isolation == "spawn":
        from sparkexp.engine import spawned

        payload = tempfile.TemporaryFile()  # without a name: nothing is left of it
        pickle.dump(sys.path, payload)
        pickle.dump((task, directory, str(output)), payload)
        payload.seek(0)
        for fd in (payload.fileno(), result_out):
            os.set_inheritable(fd, True)
        os.execv(sys.executable, spawned.command(payload.fileno(), result_out))

    def send(data: bytes) -> None:
        with os.fdopen(result_out, "wb") as pipe:
            pipe.write(data)

    run_in_child(task, directory, output, send)


def _close_sockets() -> None:
    """Drop the worker's connections: Spark must see them end when the worker dies."""
    try:
        fds = [int(name) for name in os.listdir("/dev/fd")]
    except OSError:
        return
    import stat

    for fd in fds:
        try:
            if stat.S_ISSOCK(os.fstat(fd).st_mode):
                os.close(fd)
        except OSError:
            pass  # the descriptor of the listing itself


def _wake_on_child_exit() -> int:
    """Return a descriptor that becomes readable when a child ends."""
    wake_in, wake_out = os.pipe()
    os.set_blocking(wake_in, False)
    os.set_blocking(wake_out, False)
    signal.set_wakeup_fd(wake_out, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda number, frame: None)
    return wake_in


def _watch(
    child: int, result_in: int, alive_in: int, wake_in: int, timeout_s: float | None
) -> _Report | None:
    """Wait for the child's end and return what it left; None if the worker died meanwhile."""
    deadline = None if timeout_s is None else time.monotonic() + timeout_s
    poll = select.poll()
    for fd in (result_in, alive_in, wake_in):
        poll.register(fd, select.POLLIN)
    outcome = b""
    while True:
        left = None if deadline is None else max(0.0, deadline - time.monotonic())
        if left == 0.0:
            return _Report(b"", 0, timed_out=True)
        events = dict(poll.poll(None if left is None else min(left, MAX_POLL_S) * 1000 + 1))
        if alive_in in events:
            return None
        if result_in in events:
            data = os.read(result_in, CHUNK)
            outcome += data
            if not data:  # its end; a process of the trial may hold it open after the child
                poll.unregister(result_in)
        if wake_in in events:
            os.read(wake_in, CHUNK)
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return _Report(outcome + _rest(result_in), status, timed_out=False)


def _rest(fd: int) -> bytes:
    """Return what lies in a pipe, without waiting for more."""
    os.set_blocking(fd, False)
    data = b""
    try:
        while chunk := os.read(fd, CHUNK):
            data += chunk
    except BlockingIOError:
        pass
    return data


def _kill_descendants(child: int) -> None:
    """Kill all that the trial started, until nothing is left to wait for."""
    if sys.platform != "linux":
        _kill_group(child)
        return
    while True:
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            return  # orphans are handed to this process: without a child nothing is left
        for pid in _descendants(os.getpid()):
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        time.sleep(0.002)


def _kill_group(child: int) -> None:
    """Kill the child's session leader's group: all there is without Linux's reaper."""
    try:
        os.killpg(child, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        pass
    try:
        os.waitpid(child, 0)
    except ChildProcessError:
        pass


def _descendants(root: int) -> list[int]:
    """Return the processes below one, from /proc."""
    children: dict[int, list[int]] = {}
    for name in os.listdir("/proc"):
        if name.isdecimal():
            try:
                stat = Path("/proc", name, "stat").read_bytes()
            except OSError:
                continue  # it ended while we looked
            # The name in parentheses may hold anything; the parent is the second field after it.
            parent = int(stat[stat.rindex(b")") + 1 :].split()[1])
            children.setdefault(parent, []).append(int(name))
    found: list[int] = []
    queue = [root]
    while queue:
        below = children.get(queue.pop(), [])
        found += below
        queue += below
    return found
