"""Whether processes live: what `run_isolated` must leave behind is nothing."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable
from pathlib import Path


def alive(pid: int) -> bool:
    """Tell whether a process runs; one that waits for its burial doesn't."""
    try:
        stat = Path("/proc", str(pid), "stat").read_bytes()
    except OSError:
        return False
    return stat[stat.rindex(b")") + 2 :].split()[0] not in (b"Z", b"X")


def living(pids: Iterable[int]) -> list[int]:
    return [pid for pid in pids if alive(pid)]


def children(pid: int | None = None) -> set[int]:
    """The direct children of a process, of this one by default; dead ones too."""
    found = set()
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            data = stat.read_bytes()
        except OSError:
            continue
        if int(data[data.rindex(b")") + 2 :].split()[1]) == (pid or os.getpid()):
            found.add(int(stat.parent.name))
    return found


def wait_until(condition: Callable[[], object], timeout_s: float = 20.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, f"not within {timeout_s:g} s"
        time.sleep(0.01)
