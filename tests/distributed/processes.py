"""Workers of a gang for tests: fresh Python processes, without Spark."""

from __future__ import annotations

import json
import os
import pickle
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from sparkexp.engine.place import Place
from tests.ports import server_port

ROOT = Path(__file__).parents[2]
_PLACE, _OUT = "SPARKEXP_TEST_PLACE", "SPARKEXP_TEST_OUT"
# For a machine on which much else runs.
LIMIT_S = 300


@dataclass(frozen=True)
class Ended:
    """A process that ended: what `answer` was given, what it printed, its status."""

    value: Any
    output: str
    status: int


class Running:
    """The processes of a gang."""

    def __init__(self, module: str, size: int, directory: Path, argv: Sequence[str] = ()) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._directory = directory
        addresses = tuple(f"127.0.0.1:{server_port()}" for _ in range(size)) if size > 1 else ()
        self.processes = []
        for rank in range(size):
            # In each process's memory, so that no gang goes on where another has ended.
            shared = "memory://the-gang"
            place = Place(rank, size, addresses, 0, shared, "127.0.0.1", str(directory))
            with (directory / f"{rank}.log").open("w") as log:
                self.processes.append(
                    subprocess.Popen(
                        [sys.executable, "-m", module, *argv],
                        cwd=ROOT,
                        env={
                            **os.environ,
                            _PLACE: json.dumps(asdict(place)),
                            _OUT: str(directory / f"{rank}.pickle"),
                            "OMP_NUM_THREADS": "1",
                            "TF_NUM_INTRAOP_THREADS": "1",
                            "TF_NUM_INTEROP_THREADS": "1",
                            "TF_CPP_MIN_LOG_LEVEL": "2",
                            "CUDA_VISIBLE_DEVICES": "",
                        },
                        stdout=log,
                        stderr=subprocess.STDOUT,
                        start_new_session=True,
                    )
                )

    def wait(self, limit_s: float = LIMIT_S) -> list[Ended]:
        """Return how they ended, by rank; after the time limit, end them all."""
        end = time.monotonic() + limit_s
        try:
            for process in self.processes:
                process.wait(max(end - time.monotonic(), 0.1))
        except subprocess.TimeoutExpired:
            logs = [self._log(rank)[-2000:] for rank in range(len(self.processes))]
            raise AssertionError("\n".join(["they did not end:", *logs])) from None
        finally:
            for process in self.processes:
                if process.poll() is None:
                    os.killpg(process.pid, signal.SIGKILL)
                    process.wait()
        return [self._ended(rank) for rank in range(len(self.processes))]

    def _ended(self, rank: int) -> Ended:
        file = self._directory / f"{rank}.pickle"
        value = pickle.loads(file.read_bytes()) if file.exists() else None
        return Ended(value, self._log(rank), self.processes[rank].returncode)

    def _log(self, rank: int) -> str:
        return (self._directory / f"{rank}.log").read_text(errors="replace")


def run(module: str, size: int, directory: Path, *argv: str) -> list[Any]:
    """Return the answers of a gang's processes, by rank; all must end well."""
    ended = Running(module, size, directory, argv).wait()
    for rank, process in enumerate(ended):
        assert process.status == 0, f"worker {rank} of {size}:\n{process.output[-6000:]}"
    return [process.value for process in ended]


def own_place() -> Place:
    """Return the place of this process; for the module that it runs."""
    values = json.loads(os.environ[_PLACE])
    return Place(**{**values, "addresses": tuple(values["addresses"])})


def give(value: Any) -> None:
    """Give a value to the test."""
    file = Path(os.environ[_OUT])
    file.with_suffix(".part").write_bytes(pickle.dumps(value))
    file.with_suffix(".part").rename(file)


def answer(value: Any) -> None:
    """Give a value to the test, and end as a trial's process does."""
    give(value)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)
