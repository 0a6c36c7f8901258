"""Runs a trial in its own process, from the start of the process to its exit."""

from __future__ import annotations

import ctypes
import faulthandler
import functools
import io
import os
import pickle
import signal
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn

from sparkexp.context.checkpoints import Checkpoints
from sparkexp.context.current import activate
from sparkexp.context.curve import CurveFile
from sparkexp.context.reporter import Reporter
from sparkexp.engine.base import Train, TrialTask
from sparkexp.engine.transfer.data import read_data
from sparkexp.engine.transfer.main_module import load_train
from sparkexp.engine.transfer.unpacking import forget_earlier_modules
from sparkexp.engine.worker.ending import flush, run_exit_handlers
from sparkexp.engine.worker.late_settings import LateSettings
from sparkexp.engine.worker.outcome import EXITED, Outcome, call_train, failure
from sparkexp.engine.worker.outcome_file import OutcomeFile
from sparkexp.errors import StorageError
from sparkexp.runs import RunPaths
from sparkexp.storage.regular_files import check_regular
from sparkexp.tracking import AttemptTrackers
from sparkexp.trial import Fault, State

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer as Buffer

__all__ = ["PR_SET_PDEATHSIG", "die_with_parent", "run_here", "run_in_child"]

PR_SET_PDEATHSIG = 1


def run_here(task: TrialTask, directory: str) -> Outcome:
    """Run the train function in this process, as the current trial, and return its outcome.

    Parameters
    ----------
    task : TrialTask
        The trial.
    directory : str
        The attempt's directory.
    """
    try:
        train = task.train if callable(task.train) else load_train(task.train)
        trackers = _load_trackers(task)
        if task.data is not None:
            train = functools.partial(train, read_data(Path(task.data), task.data_digest))
        if task.wrapper is not None:
            train = task.wrapper(train, task.place)
        if task.place.rank:
            train = _drop_value(train)
    except Exception as error:
        return failure(_describe_load_error(error), fault=Fault.LOADING)
    reporter = Reporter(
        trackers, _open_curve(task, directory), task.on_report, lambda: task.is_root_own
    )
    with (
        _set_environment(task.tracking_environment),
        activate(
            directory,
            reporter,
            task.trial.checkpoint,
            in_place=lambda: task.is_root_own,
            keeps_checkpoints=task.trial.rung is not None,
        ) as current,
    ):
        outcome = call_train(
            train,
            task.trial.arguments,
            task.objectives,
            task.needs_value,
            reporter.last,
            task.constraints,
        )
        outcome = replace(
            outcome,
            continued=current.checkpoints.continued,
            stops_search=current.stop_reason,
        )
        if outcome.state is State.SUCCEEDED:
            outcome = _commit_checkpoints(outcome, current.checkpoints)
    warnings: tuple[str, ...] = ()
    if reporter.trouble:
        warnings += (f"Some of what it reported could not be written: {reporter.trouble}",)
    if current.artifacts.trouble:
        warnings += (f"Its artifacts could not be kept: {current.artifacts.trouble}",)
    warnings += (*current.warnings, *trackers.take_warnings())
    return replace(outcome, warnings=(*outcome.warnings, *warnings))


def _drop_value(train: Train) -> Train:
    """Return a function that returns nothing: of a gang, the chief's value counts."""

    @functools.wraps(train)
    def call(*args: Any, **kwargs: Any) -> None:
        train(*args, **kwargs)

    return call


def _load_trackers(task: TrialTask) -> AttemptTrackers:
    if isinstance(task.attempt, AttemptTrackers):
        return task.attempt
    loaded: AttemptTrackers = pickle.loads(task.attempt) if task.attempt else AttemptTrackers()
    return loaded


@contextmanager
def _set_environment(variables: Mapping[str, str]) -> Iterator[None]:
    """Set environment variables in the ``with`` block."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _open_curve(task: TrialTask, directory: str) -> CurveFile | None:
    if not task.reads_reports:
        return None
    path = RunPaths(Path(task.logdir)).curve(task.trial.number)
    whole = RunPaths.reports(Path(directory)) if task.keeps_reports else None
    if task.on_report is not None:  # the driver reads the file after every report
        return CurveFile(path, seconds=0, whole=whole)
    return CurveFile(path, whole=whole)


def _commit_checkpoints(outcome: Outcome, checkpoints: Checkpoints) -> Outcome:
    """Keep the checkpoints for later trials; if that fails, add a warning to the outcome."""
    try:
        checkpoints.commit()
    except OSError as error:
        warning = f"The checkpoints could not be kept, so later trials start anew: {error}"
        return replace(outcome, warnings=(*outcome.warnings, warning))
    return outcome


def run_in_child(task: TrialTask, directory: str, output: Path, file: OutcomeFile) -> NoReturn:
    """Run the trial in this process, which was made for it, and leave the process."""
    code, started, own = 1, time.time(), os.getpid()
    try:
        die_with_parent()
        os.setsid()
        _restore_signals()
        warning = _redirect_output(output)
        faulthandler.enable(file=2)  # a crash writes its Python traceback to the output, too
        # First: earlier searches may have shipped modules of the same names to this worker.
        sys.path[:0] = task.modules
        forget_earlier_modules()
        _reseed()
        settings = LateSettings.before_trial()
        try:
            outcome = settings.check(run_here(task, directory))
        except KeyboardInterrupt:
            outcome = failure(EXITED.format(128 + signal.SIGINT), started)
        flush()
        if warning := warning or _lost_output():
            outcome = replace(outcome, warnings=(*outcome.warnings, warning))
        if os.getpid() == own:  # no copy, as modules make that fork while they are imported
            file.write(outcome.to_bytes())
            run_exit_handlers()
        code = 0
    finally:
        # Not sys.exit: Python would go on to destroy what the process was forked with.
        flush()
        os._exit(code)


def die_with_parent() -> None:
    """Ask Linux to kill this process when the one that made it ends; elsewhere do nothing."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def _describe_load_error(error: Exception) -> str:
    if isinstance(error, StorageError):
        return str(error)
    if isinstance(error, FileNotFoundError):
        return (
            f"The data for the trials lies in {error.filename}, and executors on this host don't "
            "see it. The log directory must be on storage that all hosts mount at the same place."
        )
    if isinstance(error, ModuleNotFoundError):
        return (
            f"The train function needs the module {error.name!r}, which the executor's Python "
            f"({sys.executable}) does not find. Install it on the executors, or pass its file "
            "in py_files=[...]."
        )
    return (
        "The train function could not be loaded on the executor: "
        f"{type(error).__name__}: {error}. Executors need the same Python version and packages "
        "as the driver."
    )


def _restore_signals() -> None:
    """Restore the signal handlers of a new process."""
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)


class _OutputFile(io.FileIO):
    """A descriptor for text streams that drops what can't be written, as on a full disk."""

    #: Why something was dropped, in any of them.
    error: ClassVar[OSError | None] = None

    def write(self, data: Buffer, /) -> int:
        try:
            return super().write(data)
        except BrokenPipeError:  # the train function has put a pipe there, and wants to know
            raise
        except OSError as error:
            _OutputFile.error = error
            return memoryview(data).nbytes


def _lost_output() -> str | None:
    error = _OutputFile.error
    if error is None:
        return None
    return f"Some of the trial's output could not be written: {error.strerror or error}"


def _open_output(number: int) -> io.TextIOWrapper:
    buffer = io.BufferedWriter(_OutputFile(number, "w", closefd=False))
    return io.TextIOWrapper(buffer, encoding="utf-8", errors="replace", line_buffering=True)


def _redirect_output(output: Path) -> str | None:
    """Send stdout and stderr, also of C code, to the trial's log; return a warning or None."""
    warning = None
    try:
        # A pipe in the place of the file would not be waited for, but not be read, either.
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NONBLOCK | os.O_NOFOLLOW
        fd = os.open(output, flags, 0o644)
        check_regular(os.fstat(fd))
    except OSError as error:
        reason = error.strerror or error
        warning = f"The trial's output could not be written to {output}: {reason}"
        fd = os.open(os.devnull, os.O_WRONLY)
    os.dup2(fd, 1)
    os.dup2(fd, 2)
    os.close(fd)
    # New objects: the worker may have put its own in the place of sys.stdout.
    sys.stdout, sys.stderr = _open_output(1), _open_output(2)
    return warning


def _reseed() -> None:
    """Give numpy's global generator fresh entropy: forks of one worker would share its state."""
    # Only if it is loaded: otherwise it seeds itself later, and loading it takes 10 ms.
    if "numpy.random" in sys.modules:
        sys.modules["numpy.random"].seed()
