"""Finds and ends the processes below another one, by ``/proc``."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

__all__ = ["find_descendants", "is_stopped", "kill", "kill_descendants"]

# For resource trackers, which remove semaphores and shared memory when nobody has them any more.
TIDYING_S = 2.0
# So do those of multiprocessing and of loky begin: python -c 'from … import main; …'.
TRACKER = b"resource_tracker import main"


def kill_descendants(child: int) -> None:
    """Kill all processes that a trial started, and wait until none is left.

    Resource trackers come last, and have time to remove what the others left.

    Parameters
    ----------
    child : int
        The trial's process.
    """
    if sys.platform != "linux":
        _kill_group(child)
        return
    tidied: float | None = None
    while True:
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            return  # this process adopts orphans, so without a child none is left
        pids = find_descendants(os.getpid())
        others = [pid for pid in pids if not _is_tracker(pid)]
        if not others and tidied is None:
            tidied = time.monotonic() + TIDYING_S
        for pid in others if tidied is None or time.monotonic() < tidied else pids:
            kill(pid)
        time.sleep(0.002)


def kill(pid: int) -> None:
    """Kill a process, if it is still there."""
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


def _is_tracker(pid: int) -> bool:
    try:
        return TRACKER in Path("/proc", str(pid), "cmdline").read_bytes()
    except OSError:
        return False


def _kill_group(child: int) -> None:
    """Kill the child's process group: without a subreaper, other processes are not known."""
    try:
        os.killpg(child, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        pass
    try:
        os.waitpid(child, 0)
    except ChildProcessError:
        pass


def find_descendants(root: int) -> list[int]:
    """Return the processes that run below one; zombies don't count."""
    children: dict[int, list[int]] = {}
    running = set()
    for name in os.listdir("/proc"):
        if name.isdecimal():
            try:
                state, parent = _read_stat(int(name))
            except OSError:
                continue  # it has just ended
            children.setdefault(parent, []).append(int(name))
            if state not in "ZX":
                running.add(int(name))
    found: list[int] = []
    queue = [root]
    while queue:
        below = children.get(queue.pop(), [])
        found += below
        queue += below
    return [pid for pid in found if pid in running]


def is_stopped(pid: int) -> bool:
    """Tell whether a process was stopped by a signal."""
    try:
        return _read_stat(pid)[0] == "T"
    except OSError:
        return False


def _read_stat(pid: int) -> tuple[str, int]:
    """Return a process's state, a letter, and its parent."""
    stat = Path("/proc", str(pid), "stat").read_text("utf-8", "replace")
    # The name in parentheses may hold anything.
    state, parent = stat[stat.rindex(")") + 1 :].split()[:2]
    return state, int(parent)
