"""What the fault tests look at: processes, records, logs."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

# The variable that every process of a test inherits, to find them by.
MARK = "SPARKEXP_TEST_MARK"

LOCAL = {
    "spark.master": "local[2]",
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
}

# A search over whole numbers whose trials take a moment, and leave a mark when they start.
SEARCH = """
from sparkexp.errors import SearchInterrupted, SessionLostError
from pathlib import Path
import time
marks = Path(logdir).parent / "marks"
marks.mkdir(exist_ok=True)

def train(x, y):
    (marks / f"{time.time()}-{os.getpid()}").write_text(json.dumps([x, y]))
    time.sleep(SECONDS)
    return -(x - 0.3) ** 2 - y

def search(**options):
    return experiment.evolutionary_search(
        spark, train, {"x": [1.0, 0.0], "y": [0, 3]}, popsize=4, generations=3, seed=5,
        variant="classic", logdir=logdir, **options)
"""

# For train functions: waits until as many trials are at it at the same time.
MEET = """
def meet(n_trials):
    import time
    from pathlib import Path
    place = Path(experiment.logdir()).parent / "met"
    place.mkdir(exist_ok=True)
    (place / Path(experiment.logdir()).name).touch()
    deadline = time.monotonic() + 90  # a test that waits longer fails by what it sees
    while len(list(place.iterdir())) < n_trials and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(0.5)
"""


def marked(value: str, name: str = MARK) -> list[int]:
    """Return the other processes whose environment has a variable of this value."""
    found = []
    needle = f"{name}={value}".encode()
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal() and int(entry.name) != os.getpid():
            try:
                if needle in (entry / "environ").read_bytes().split(b"\0"):
                    found.append(int(entry.name))
            except OSError:
                continue
    return found


def end(pids: Iterable[int]) -> None:
    """Kill processes, of which any may have ended by itself since it was found."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def parent(pid: int) -> int:
    """Return the parent of a process; 0 where it has ended."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return 0
    return int(stat[stat.rindex(")") + 1 :].split()[1])


def ancestors(pid: int) -> Iterator[int]:
    while pid > 1 and (pid := parent(pid)):
        yield pid


def command_line(pid: int) -> str:
    """Return a process's command line; nothing where it has ended."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    except OSError:
        return ""


def wait_until(condition: Callable[[], Any], timeout_s: float = 120.0) -> Any:
    """Wait for a condition and return what it returned; the time is an upper bound only."""
    deadline = time.monotonic() + timeout_s
    while not (value := condition()):
        assert time.monotonic() < deadline, "what was waited for did not happen"
        time.sleep(0.05)
    return value


def records(folder: Path) -> list[dict[str, Any]]:
    """Return the records below a driver's folder, in the order of the trials' numbers."""
    paths = sorted((folder / "run" / "records").glob("trial-*.json"))
    return [json.loads(path.read_text()) for path in paths]


def marks(folder: Path) -> list[Path]:
    """Return what the trials of SEARCH left when they started, in the order of time."""
    return sorted((folder / "marks").glob("*"), key=lambda path: float(path.name.split("-")[0]))


def log_of(folder: Path) -> str:
    return (folder / "driver.log").read_text()[-4000:]
