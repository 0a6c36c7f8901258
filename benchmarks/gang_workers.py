"""The processes of the benchmark of distributed training, as the benchmark sees them."""

from __future__ import annotations

import logging
import random
import socket
from collections.abc import Sequence
from contextlib import ExitStack
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from gang_process import Failed, Job, Prepare, Reduce, Turn, read_log, serve

from sparkexp.engine.place import Place

__all__ = ["BenchmarkError", "Worker", "ask", "start_workers"]

logger = logging.getLogger("distributed")

STARTS = 3


class BenchmarkError(Exception):
    """A process of the benchmark failed, or did not answer."""


class Worker:
    """A process that stays up.

    Parameters
    ----------
    job : Job
        What it is for.
    limit_s : float
        How long an answer may take.
    """

    def __init__(self, job: Job, limit_s: float) -> None:
        self.job = job
        self._limit_s = limit_s
        context = get_context("spawn")
        self._pipe, other = context.Pipe()
        self._process = context.Process(target=serve, args=(other, job), daemon=True)
        self._process.start()
        other.close()

    def tell(self, command: Prepare | Turn | Reduce | None) -> None:
        """Send a command."""
        self._pipe.send(command)

    def answer(self) -> Any:
        """Return what the process answers.

        Raises
        ------
        BenchmarkError
            If it fails, dies or takes too long; with the end of its output.
        """
        try:
            if not self._pipe.poll(self._limit_s):
                raise BenchmarkError(
                    f"{self.job.name} did not answer within {self._limit_s:g} s (--timeout).\n"
                    + read_log(self.job.log)
                )
            found = self._pipe.recv()
        except (EOFError, ConnectionError) as error:
            raise BenchmarkError(f"{self.job.name} died.\n{read_log(self.job.log)}") from error
        if isinstance(found, Failed):
            raise BenchmarkError(f"{self.job.name}: {found.traceback}\n{read_log(self.job.log)}")
        return found

    def close(self) -> None:
        """End the process."""
        try:
            self._pipe.send(None)
            self._process.join(5)
        except OSError:
            pass  # it is gone
        if self._process.is_alive():
            self._process.kill()
            self._process.join()
        self._pipe.close()


def ask(workers: Sequence[Worker], command: Prepare | Turn | Reduce) -> list[Any]:
    """Return the answers of several workers that do the same at the same time."""
    for worker in workers:
        worker.tell(command)
    return [worker.answer() for worker in workers]


def start_workers(
    cores: Sequence[int], folder: Path, limit_s: float, stack: ExitStack
) -> dict[str, list[Worker]]:
    """Return the processes of each phase, when all are there.

    Parameters
    ----------
    cores : sequence of int
        One for each worker.
    folder : Path
        For what they print.
    limit_s : float
        How long an answer may take.
    stack : ExitStack
        Ends them.
    """
    for left in reversed(range(STARTS)):
        with ExitStack() as attempt:
            try:
                phases = _start(cores, folder, limit_s, attempt)
            except BenchmarkError as error:
                # A port may have been taken meanwhile.
                if not left:
                    raise
                logger.warning("the workers start again: %s", error)
                continue
            stack.push(attempt.pop_all())
            return phases
    raise AssertionError("never here")


def _start(
    cores: Sequence[int], folder: Path, limit_s: float, stack: ExitStack
) -> dict[str, list[Worker]]:
    size = len(cores)
    addresses = tuple(f"127.0.0.1:{port}" for port in _free_ports(size))
    jobs = [
        Job(f"alone-{i}", core, None, str(folder / f"alone-{i}")) for i, core in enumerate(cores)
    ]
    jobs.append(Job("control", cores[0], None, str(folder / "control")))
    for rank, core in enumerate(cores):
        place = Place(rank, size, addresses, host="127.0.0.1")
        jobs.append(Job(f"gang-{rank}", core, place, str(folder / f"gang-{rank}")))
    workers = []
    for job in jobs:
        workers.append(Worker(job, limit_s))
        stack.callback(workers[-1].close)
    for worker in workers:
        worker.answer()
    return {
        "alone": workers[:1],
        "control": workers[size : size + 1],
        "independent": workers[:size],
        "synchronous": workers[size + 1 :],
    }


def _free_ports(n: int) -> list[int]:
    """Return free ports, none of those that the kernel gives to clients."""
    found: list[int] = []
    while len(found) < n:
        port = random.SystemRandom().randrange(20_000, 32_000)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        if port not in found:
            found.append(port)
    return found
