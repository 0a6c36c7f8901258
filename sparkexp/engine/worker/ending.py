"""How processes of a trial end: as Python programs do, but for what belongs to another process."""

from __future__ import annotations

import atexit
import ctypes
import fcntl
import gc
import io
import logging
import os
import stat
import sys
import threading
import traceback
import weakref
from collections.abc import Callable
from typing import Any

__all__ = ["drop_exit_handlers", "end_copy", "flush", "run_exit_handlers"]

WRITERS = (io.TextIOWrapper, io.BufferedWriter, io.BufferedRandom)


def drop_exit_handlers() -> None:
    """Forget, in a fork, all that the process it was made from is to do and to tidy at its end.

    What the standard library registers once, when it is imported, is registered again.
    """
    atexit._clear()
    # Private, and the same from Python 3.10 to 3.14. What is not there has nothing to tidy.
    for name, registry in (
        ("logging", "_handlerList"),
        ("weakref", "finalize._registry"),
        ("multiprocessing.util", "_finalizer_registry"),
        ("multiprocessing.process", "_children"),
        ("concurrent.futures.thread", "_threads_queues"),
        ("concurrent.futures.process", "_threads_wakeups"),
    ):
        found: Any = sys.modules.get(name)
        for part in registry.split("."):
            found = getattr(found, part, None)
        if found is not None:
            found.clear()
    for name, module in list(sys.modules.items()):
        if name.endswith(".resource_tracker"):
            _leave_tracker(getattr(module, "_resource_tracker", None))
    atexit.register(logging.shutdown)
    if "multiprocessing.util" in sys.modules:
        atexit.register(sys.modules["multiprocessing.util"]._exit_function)
    # It registers this itself before its first use, which may have been in the other process.
    if weakref.finalize._registered_with_atexit:  # type: ignore[attr-defined]
        atexit.register(weakref.finalize._exitfunc)  # type: ignore[attr-defined]


def _leave_tracker(tracker: Any) -> None:
    """Let go of the other process's resource tracker: this one's things are not to wait for it."""
    if getattr(tracker, "_fd", None) is not None:
        _try(lambda: os.close(tracker._fd))
        tracker._fd = tracker._pid = None


def run_exit_handlers() -> None:
    """Do what Python does at the end of a program: wait for threads, tidy, write what is left."""
    shutdown = threading._shutdown  # type: ignore[attr-defined]
    # Twice: executors have a race there, and what raises leaves out the rest, the first time.
    for step in (shutdown, shutdown, atexit._run_exitfuncs, _flush_files):
        _try(step)


def _flush_files() -> None:
    """Write out the files that nobody closed; a program's end does that where it destroys them."""
    if not any(_is_written(int(name)) for name in os.listdir("/dev/fd")):
        return  # to look at all objects takes up to 10 ms
    # What the process was forked with is frozen, and not in here.
    for found in gc.get_objects():
        if type(found) in WRITERS and not found.closed:
            _try(found.flush)


def _is_written(fd: int) -> bool:
    try:
        mode = fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_ACCMODE
        return fd > 2 and mode != os.O_RDONLY and stat.S_ISREG(os.fstat(fd).st_mode)
    except OSError:
        return False  # that of the listing


def _try(step: Callable[[], object]) -> None:
    try:
        step()
    except BaseException:
        try:
            traceback.print_exc()
        except Exception:
            pass  # it has no stderr any more


def end_copy(original: int, raised: BaseException | None = None) -> None:
    """Leave this process if the train function has forked it, and if it came back from there.

    Parameters
    ----------
    original : int
        The process that called the train function.
    raised : BaseException, optional
        What was raised.
    """
    if os.getpid() == original:
        return
    code = 0
    if isinstance(raised, SystemExit) and (raised.code is None or isinstance(raised.code, int)):
        code = raised.code or 0
    elif raised is not None:
        code = 1
        _try(lambda: traceback.print_exception(raised))
    flush()
    os._exit(code & 0xFF)


def flush() -> None:
    """Write out what Python's and C's streams hold."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except Exception:
            pass  # the disk is full, or the train function closed it: nobody is left to tell
    # What C code printed waits in a buffer of its own, which os._exit drops.
    ctypes.CDLL(None).fflush(None)
