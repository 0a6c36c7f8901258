"""What a parameter server knows of its workers: who lives, what was applied, who has left."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

__all__ = ["Refused", "Sender", "WorkerRegister"]


class Refused(Exception):
    """A message that a server doesn't accept.

    Attributes
    ----------
    kind : str
        What the worker is to do about it: ``'replaced'`` (end), ``'unknown_model'`` (register
        it), ``'argument'`` (tell the user).
    """

    def __init__(self, kind: str, text: str) -> None:
        super().__init__(text)
        self.kind = kind


@dataclass(frozen=True)
class Sender:
    """Who sends a message.

    Parameters
    ----------
    rank : int
        The worker's rank.
    attempt : int
        How often this worker was started before.
    process : str
        Tells its process from all others.
    """

    rank: int
    attempt: int
    process: str


@dataclass
class _Worker:
    attempt: int = -1
    process: str = ""
    sequence: int = 0
    pushes: int = 0
    dropped: int = 0
    lost: int = 0
    staleness_sum: int = 0
    staleness_max: int = 0
    has_left: bool = False
    # Logs of finished epochs, by the number of the call of fit.
    epochs: dict[str, list[dict[str, float]]] = field(default_factory=dict)


class WorkerRegister:
    """Keeps account of the workers of one gang.

    A worker lives as long as it sends something at least every `lost_s` seconds. Training is over
    for the server once worker 0 has said goodbye (what its train function returns is the gang's
    result, so it is waited for, or for its replacement) and each of the others has said goodbye
    or has not been heard of for `lost_s` seconds; one that never came counts from the start.
    If nobody was heard of for `idle_s`, the server is abandoned.

    Parameters
    ----------
    workers : int
        How many there are.
    lost_s : float
        After how many silent seconds a worker counts as gone.
    idle_s : float
        After how many seconds without any worker the server gives up.
    clock : Callable
        Returns seconds.

    Examples
    --------
    >>> register = WorkerRegister(2, lost_s=60, idle_s=600)
    >>> sender = Sender(0, 0, 'a')
    >>> register.arrive(sender)
    >>> [register.accept(sender, sequence) for sequence in (1, 1, 2)]
    [True, False, True]
    """

    def __init__(
        self,
        workers: int,
        lost_s: float,
        idle_s: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._workers = [_Worker() for _ in range(workers)]
        self._lost_s = lost_s
        self._idle_s = idle_s
        self._clock = clock
        self._heard = [clock()] * workers

    def arrive(self, sender: Sender) -> None:
        """Take a worker in, instead of earlier processes of its rank.

        Raises
        ------
        Refused
            If a later attempt at this worker has come before.
        """
        worker = self._workers[sender.rank]
        if sender.attempt < worker.attempt:
            raise self._replaced(sender)
        if sender.process != worker.process:
            worker.attempt, worker.process = sender.attempt, sender.process
            worker.sequence = 0
        worker.has_left = False
        self._heard[sender.rank] = self._clock()

    def hear(self, sender: Sender) -> None:
        """Note that a worker lives.

        Raises
        ------
        Refused
            If another process has taken its place.
        """
        if sender.process != self._workers[sender.rank].process:
            raise self._replaced(sender)
        self._heard[sender.rank] = self._clock()

    def _replaced(self, sender: Sender) -> Refused:
        attempt = self._workers[sender.rank].attempt
        return Refused(
            "replaced",
            f"Worker {sender.rank} was started again (attempt {attempt}) since it was taken for "
            f"lost, so this process of attempt {sender.attempt} ends.",
        )

    def accept(self, sender: Sender, sequence: int) -> bool:
        """Return whether a push is to be applied: not if it was before, and only its answer lost.

        Parameters
        ----------
        sender : Sender
            The worker, which numbers its pushes from 1.
        sequence : int
            The push's number.
        """
        worker = self._workers[sender.rank]
        if sequence <= worker.sequence:
            return False
        # After a restart from a checkpoint, numbers are missing: those updates are lost.
        worker.lost += sequence - worker.sequence - 1
        worker.sequence = sequence
        return True

    def count(self, sender: Sender, staleness: int, is_dropped: bool) -> None:
        """Count a push that came."""
        worker = self._workers[sender.rank]
        if is_dropped:
            worker.dropped += 1
            return
        worker.pushes += 1
        worker.staleness_sum += staleness
        worker.staleness_max = max(worker.staleness_max, staleness)

    def finish_epoch(self, sender: Sender, fit: str, logs: list[dict[str, float]]) -> None:
        """Keep the logs of all epochs that a call of fit has finished."""
        self._workers[sender.rank].epochs[fit] = logs

    def read_epochs(self, rank: int, fit: str) -> list[dict[str, float]]:
        """Return the logs of the epochs that earlier attempts at a worker have finished."""
        return self._workers[rank].epochs.get(fit, [])

    def leave(self, sender: Sender) -> None:
        """Note a worker's goodbye."""
        self._workers[sender.rank].has_left = True

    def expect_chief(self) -> None:
        """Wait for worker 0 again: its result was lost after the goodbye."""
        self._workers[0].has_left = False

    @property
    def is_over(self) -> bool:
        """Whether no more pushes are to be expected."""
        if not self._workers[0].has_left:
            return False
        return all(worker.has_left or self._is_gone(n) for n, worker in enumerate(self._workers))

    @property
    def is_abandoned(self) -> bool:
        """Whether no worker was heard of for long, and worker 0 has not said goodbye."""
        silent_s = self._clock() - max(self._heard)
        return not self.is_over and silent_s > self._idle_s

    def _is_gone(self, rank: int) -> bool:
        return self._clock() - self._heard[rank] > self._lost_s

    @property
    def lost(self) -> int:
        """How many updates were lost with earlier starts of the server."""
        return sum(worker.lost for worker in self._workers)

    def describe(self) -> str:
        """Return a line about each worker."""
        return "; ".join(
            f"worker {rank}: {worker.pushes} updates, {worker.dropped} dropped, staleness "
            f"{worker.staleness_sum / max(1, worker.pushes):.2f} on average and "
            f"{worker.staleness_max} at most"
            + ("" if worker.has_left else ", gone without a goodbye")
            for rank, worker in enumerate(self._workers)
        )

    def to_json(self) -> list[dict[str, Any]]:
        """Return all that a restarted server must know."""
        return [asdict(worker) for worker in self._workers]

    def load(self, state: list[Mapping[str, Any]]) -> None:
        """Go on from what `to_json` returned; silence counts from now."""
        self._workers = [_Worker(**worker) for worker in state]
        self._heard = [self._clock()] * len(self._workers)
