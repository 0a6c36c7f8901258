"""Servers that the tests of storage start: none outlives the tests, all can be made to fail."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

START_S = 120.0
# Asks the kernel to be killed with the tests, then becomes the command.
_WITH_THE_TESTS = """\
import os, signal, sys
if sys.platform == "linux":
    import ctypes
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)
    if os.getppid() != int(sys.argv[1]):
        os._exit(1)
os.execvp(sys.argv[2], sys.argv[2:])
"""


class Server(ABC):
    """A server that ends with the block in which it is used."""

    @abstractmethod
    def close(self) -> None:
        """End it."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


def spawn(
    command: list[str], log: Path, environment: Mapping[str, str], *, stdin: int | None = None
) -> subprocess.Popen[bytes]:
    """Start a process in a group of its own that is killed at this one's end, however that ends.

    On Linux; elsewhere whoever starts it ends it.
    """
    with log.open("ab") as file:  # a server is not what coverage.py is to measure
        return subprocess.Popen(
            [sys.executable, "-S", "-c", _WITH_THE_TESTS, str(os.getpid()), *command],
            stdin=subprocess.DEVNULL if stdin is None else stdin,
            stdout=file,
            stderr=file,
            env={k: v for k, v in environment.items() if not k.startswith("COVERAGE_")},
            cwd=log.parent,
            start_new_session=True,
        )


def signal_all(processes: list[subprocess.Popen[bytes]], number: int) -> None:
    """Send a signal to those that run."""
    for process in processes:
        if process.poll() is None:
            os.killpg(process.pid, number)


def kill(processes: list[subprocess.Popen[bytes]]) -> None:
    """Kill them, as a machine that goes down does."""
    signal_all(processes, signal.SIGKILL)
    for process in processes:
        process.wait()


def wait_until(
    ready: Callable[[], bool], what: str, processes: list[subprocess.Popen[bytes]], log: Path
) -> None:
    """Wait for what a server does; its log is shown where it doesn't."""
    deadline = time.monotonic() + START_S
    while not ready():
        ended = [process.args for process in processes if process.poll() is not None]
        if ended or time.monotonic() > deadline:
            raise TimeoutError(f"{what} did not come up:\n{log.read_text()[-4000:]}")
        time.sleep(0.1)
