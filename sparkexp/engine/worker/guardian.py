"""The guardian: a process that starts the trials' processes, watches them, and cleans up.

::

    worker ──fork──► guardian ──fork──► child: train(**params)        once more for every trial
                        │
                        ├ has the heavy modules loaded, so that its children have them at once
                        ├ enforces the time limit
                        ├ learns how the child ended (outcome, exit status, signal)
                        ├ notices when the worker dies
                        └ kills every process that the trial left behind, then reports

A worker has one guardian for all its life. The guardian is a process of its own, so that it can
end the trial's processes even when the worker is killed: Spark cancels a task by killing its
worker. On Linux it adopts orphans below it (a subreaper), so that even daemons of the trial become
its children. It runs no code of the user and does not unpickle the train function.
"""

from __future__ import annotations

import ctypes
import gc
import importlib
import os
import pickle
import select
import signal
import socket
import stat
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO, NoReturn

from sparkexp.engine.base import TrialTask
from sparkexp.engine.worker.child import PR_SET_PDEATHSIG, run_in_child
from sparkexp.engine.worker.ending import drop_exit_handlers
from sparkexp.engine.worker.outcome_file import OutcomeFile, make_outcome_file
from sparkexp.engine.worker.processes import find_descendants, kill_descendants
from sparkexp.engine.worker.shared_memory import find_held, list_names, remove_unused
from sparkexp.engine.worker.threads import set_loaded_threads, set_thread_variables

__all__ = ["ENDING_S", "TAKEN", "Report", "Request", "fork", "serve"]

PR_SET_CHILD_SUBREAPER = 36
CHUNK = 1 << 16
MAX_POLL_S = 86_400.0  # poll takes at most 25 days, in milliseconds
# What the guardian answers when it starts a trial.
TAKEN = b"taken\n"
# For a process whose train function has returned: its threads and its exit handlers.
ENDING_S = 5.0


@dataclass(frozen=True)
class Request:
    """A trial to run, and the environment of the worker's process at that moment."""

    task: TrialTask
    directory: str
    output: Path
    environ: dict[str, str]
    path: list[str]


@dataclass(frozen=True)
class Report:
    """How a trial's process ended: by itself with a status, or killed because it was late."""

    outcome: bytes  # JSON in one line
    status: int = 0
    was_late: bool = False

    def to_line(self) -> bytes:
        return b"%d %d %b\n" % (self.status, self.was_late, self.outcome)

    @classmethod
    def from_line(cls, line: bytes) -> Report:
        status, was_late, outcome = line.removesuffix(b"\n").split(b" ", 2)
        return cls(outcome, int(status), was_late == b"1")


def fork() -> int:
    """Fork this process, as `os.fork` does."""
    with warnings.catch_warnings():
        # Spark's worker has an idle thread of Arrow, which the fork may lose.
        warnings.simplefilter("ignore", DeprecationWarning)
        return os.fork()


def serve(worker: socket.socket, threads: int | None = None) -> NoReturn:
    """Run the trials that the worker requests, until the worker ends; then exit.

    Parameters
    ----------
    worker : socket.socket
        Brings pickled requests; takes `TAKEN` and a report's line for each.
    threads : int, optional
        The threads of all these trials, as a task has them.
    """
    code = 1
    try:
        os.setsid()  # a signal to the worker's process group must not take the guardian along
        if sys.platform == "linux":
            prctl = ctypes.CDLL(None, use_errno=True).prctl
            prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
            # Were it stopped when the worker dies, nobody else would wake it.
            prctl(PR_SET_PDEATHSIG, signal.SIGCONT, 0, 0, 0)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        _close_other_sockets(worker.fileno())
        drop_exit_handlers()
        wake_in = _wake_on_child_exit()
        if threads is not None:
            set_thread_variables(threads, os.environ)
            set_loaded_threads()
        requests = worker.makefile("rb")
        while (request := _read_request(requests)) is not None:
            report = _run(request, worker, wake_in)
            if report is None:
                break
            worker.sendall(report.to_line())
        code = 0
    except (BrokenPipeError, ConnectionResetError):
        code = 0  # the worker ended
    finally:
        os._exit(code)


def _read_request(requests: BinaryIO) -> Request | None:
    try:
        request: Request = pickle.load(requests)
    except (EOFError, pickle.UnpicklingError):  # the worker ended, perhaps amid a request
        return None
    return request


def _run(request: Request, worker: socket.socket, wake_in: int) -> Report | None:
    """Run a trial and return how it ended; None if the worker died meanwhile."""
    task = request.task
    _adopt_environment(request)
    if task.isolation == "fork":
        with _stderr_to(request.output):
            _preload(task)
        if any(module in sys.modules for module in task.late_modules):
            # Loaded by Spark's worker, or by what was loaded here.
            request = replace(request, task=replace(task, isolation="spawn"))
    worker.sendall(TAKEN)
    before = list_names()
    file = make_outcome_file()
    child = fork()
    if child == 0:
        for fd in (worker.detach(), wake_in):
            os.close(fd)
        _become_trial(request, file)
    report, held = None, set[str]()
    try:
        report = _watch(child, file, worker.fileno(), wake_in, task.timeout_s)
    finally:
        if report is None or report.was_late or not report.outcome:
            held = find_held(before, [child, *find_descendants(os.getpid())])
        kill_descendants(child)
        remove_unused(held)
        file.close()
    return report


def _adopt_environment(request: Request) -> None:
    """Take over the worker's environment and search path: Spark changes them for each task."""
    task = request.task
    environ = {**task.environment, **request.environ}
    set_thread_variables(task.threads, environ)
    for name in os.environ.keys() - environ.keys():
        del os.environ[name]
    for name, value in environ.items():
        if os.environ.get(name) != value:
            os.environ[name] = value
    sys.path[:] = request.path


@contextmanager
def _stderr_to(output: Path) -> Iterator[None]:
    """Send what libraries say at their import, from C++ too, to the output of the first trial.

    The process's own stderr is the user's terminal, on a local session.
    """
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        target = os.open(output, flags, 0o644)
    except OSError:
        target = os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)
    before = os.dup(2)
    os.dup2(target, 2)
    try:
        yield
    finally:
        sys.stderr.flush()
        os.dup2(before, 2)
        for fd in (before, target):
            os.close(fd)


def _preload(task: TrialTask) -> None:
    """Import the heavy modules here, so that the trials' processes have them at once."""
    # Every trial's process loads the train function with cloudpickle.
    missing = [m for m in ("cloudpickle", *task.preload) if m not in sys.modules]
    if not missing:
        return
    n_loaded = len(sys.modules)
    for module in missing:
        try:
            importlib.import_module(module)
        except Exception:
            continue  # the trial imports it itself, or shows the error as its own
    if task.threads is not None and len(sys.modules) > n_loaded:
        set_loaded_threads()
    # Objects that the collector does not touch stay on pages that all children share.
    gc.collect()
    gc.freeze()


def _become_trial(request: Request, file: OutcomeFile) -> NoReturn:
    """Run the trial in this process, or in a new interpreter in its place."""
    task, directory, output = request.task, request.directory, request.output
    if task.isolation == "spawn":
        from sparkexp.engine.worker import spawned

        payload = tempfile.TemporaryFile()  # without a name, so no file is left
        pickle.dump(sys.path, payload)
        pickle.dump((task, directory, str(output)), payload)
        payload.seek(0)
        for fd in (payload.fileno(), file.fd):
            os.set_inheritable(fd, True)
        os.execv(sys.executable, spawned.command(payload.fileno(), file.fd))
    run_in_child(task, directory, output, file)


def _close_other_sockets(own: int) -> None:
    """Drop the worker's connections: Spark must see them end when the worker dies."""
    try:
        fds = [int(name) for name in os.listdir("/dev/fd")]
    except OSError:
        return
    for fd in fds:
        try:
            if fd != own and stat.S_ISSOCK(os.fstat(fd).st_mode):
                os.close(fd)
        except OSError:
            pass  # the descriptor of the directory listing, closed by now


def _wake_on_child_exit() -> int:
    """Return a descriptor that becomes readable when a child ends."""
    wake_in, wake_out = os.pipe()
    os.set_blocking(wake_in, False)
    os.set_blocking(wake_out, False)
    signal.set_wakeup_fd(wake_out, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda number, frame: None)
    return wake_in


def _watch(
    child: int, file: OutcomeFile, alive_in: int, wake_in: int, timeout_s: float | None
) -> Report | None:
    """Wait until the child ends and return its report; None if the worker died meanwhile."""
    deadline = None if timeout_s is None else time.monotonic() + timeout_s
    poll = select.poll()
    for fd in (alive_in, wake_in):
        poll.register(fd, select.POLLIN)
    has_returned = False
    while True:
        left = None if deadline is None else max(0.0, deadline - time.monotonic())
        events = dict(poll.poll(None if left is None else min(left, MAX_POLL_S) * 1000 + 1))
        if alive_in in events:
            return None
        if wake_in in events:
            os.read(wake_in, CHUNK)
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return Report(file.read(), status)
        if not has_returned and file.is_complete():
            has_returned = True
            deadline = time.monotonic() + ENDING_S
        if deadline is not None and time.monotonic() >= deadline:
            return Report(file.read(), was_late=True)
