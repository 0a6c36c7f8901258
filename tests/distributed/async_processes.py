"""Members of asynchronous gangs as processes: forked, as the engine forks trials."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

LIMIT_S = 240.0
ENVIRONMENT = {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": "", "TF_CPP_MIN_LOG_LEVEL": "2"}


@dataclass
class Member:
    """A started process."""

    pid: int
    folder: Path

    @property
    def output(self) -> str:
        return (self.folder / "output").read_text(errors="replace")

    def kill(self) -> None:
        os.kill(self.pid, signal.SIGKILL)

    def wait(self, limit_s: float = LIMIT_S) -> Any:
        """Return what its function returned, or the exit status of a process that died."""
        wait_for(lambda: (self.folder / "exit").exists(), limit_s, lambda: self.output)
        result = self.folder / "result"
        if result.exists():
            return json.loads(result.read_text())
        return int((self.folder / "exit").read_text())


def wait_for(holds: Callable[[], bool], limit_s: float, describe: Callable[[], str]) -> None:
    end = time.monotonic() + limit_s
    while not holds():
        assert time.monotonic() < end, f"not within {limit_s} s:\n{describe()}"
        time.sleep(0.05)


class Nursery:
    """A process with TensorFlow loaded, from which members are forked."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._members: list[Member] = []
        with (folder / "nursery").open("w") as errors:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.distributed.async_processes"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                env={**os.environ, **ENVIRONMENT},
                text=True,
            )

    def start(self, function: str, **arguments: Any) -> Member:
        """Call a function of `async_training` in a new process."""
        folder = self._folder / f"member-{len(self._members)}"
        folder.mkdir()
        order = {"function": function, "arguments": arguments, "folder": str(folder)}
        assert self._process.stdin is not None and self._process.stdout is not None
        print(json.dumps(order), file=self._process.stdin, flush=True)
        told = self._process.stdout.readline()
        assert told, (self._folder / "nursery").read_text()
        member = Member(int(told), folder)
        self._members.append(member)
        return member

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        for member in self._members:
            if not (member.folder / "exit").exists():
                member.kill()
        self._process.kill()
        self._process.communicate()


def _serve_orders() -> None:
    from tests.distributed import async_training

    folders: dict[int, Path] = {}
    while True:
        ready, _, _ = select.select([sys.stdin], [], [], 0.05)
        if ready:
            order = json.loads(os.read(0, 1 << 16))
            folder = Path(order["folder"])
            pid = os.fork()
            if pid == 0:
                _live(getattr(async_training, order["function"]), order["arguments"], folder)
            folders[pid] = folder
            print(pid, flush=True)
        for pid in list(folders):
            ended, status = os.waitpid(pid, os.WNOHANG)
            if ended:
                folder = folders.pop(pid)
                (folder / "exit").write_text(str(os.waitstatus_to_exitcode(status)))


def _live(function: Callable[..., Any], arguments: dict[str, Any], folder: Path) -> None:
    try:
        output = os.open(folder / "output", os.O_WRONLY | os.O_CREAT)
        os.dup2(output, 1)
        os.dup2(output, 2)
        result = function(**arguments)
        (folder / "result").write_text(json.dumps(result))
    except BaseException:
        traceback.print_exc()
        sys.stderr.flush()
        os._exit(1)
    os._exit(0)


if __name__ == "__main__":
    _serve_orders()
