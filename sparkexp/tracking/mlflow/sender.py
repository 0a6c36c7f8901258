"""A thread that does one thing after another with a server, until all is done."""

from __future__ import annotations

import heapq
import itertools
import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from sparkexp.errors import SparkexpError
from sparkexp.tracking.mlflow.server import RefusedError, Server, UnreachableError

__all__ = ["Job", "Sender"]

logger = logging.getLogger(__name__)

FIRST_PAUSE_S, LAST_PAUSE_S = 0.5, 30.0
# While a search waits for its end, nobody waits longer than this for a server that is back.
LAST_PAUSE_AT_END_S = 2.0
# For how long a server that has answered counts as there.
FRESH_S = 1.0
# After so many seconds in one call the server counts as away.
STUCK_S = 2.0
SECONDS_BETWEEN_WARNINGS = 60.0


@dataclass(order=True)
class Job:
    """Something to do; `done` is set once it was done or given up."""

    rank: int
    number: int
    act: Callable[[], None] = field(compare=False)
    done: threading.Event = field(compare=False, default_factory=threading.Event)
    unwanted: bool = field(compare=False, default=False)


class Sender:
    """Does jobs in the order of their ranks. A job can be done twice without harm.

    Parameters
    ----------
    server : Server
        Is asked whether it is there before it gets anything.
    where : str
        What warnings call it.
    is_away : bool
        Whether it didn't answer just now.
    """

    def __init__(self, server: Server, where: str, is_away: bool = False) -> None:
        self._server = server
        self._where = where
        self._jobs: list[Job] = []
        self._numbers = itertools.count()
        self._changed = threading.Condition()
        self._busy: Job | None = None
        self._busy_since = 0.0
        self._answered = float("-inf")
        self._is_away = is_away
        self._is_closing = self._is_over = False
        self._pause_s = FIRST_PAUSE_S
        self._warned: dict[str, float] = {}
        # A daemon: a second Ctrl-C must not wait for a server.
        threading.Thread(target=self._serve, name="sparkexp-mlflow", daemon=True).start()

    @property
    def is_away(self) -> bool:
        """Whether the server doesn't answer now, as far as that is known."""
        stuck = self._busy is not None and time.monotonic() - self._busy_since > STUCK_S
        return self._is_away or stuck

    def add(self, rank: int, act: Callable[[], None]) -> Job:
        """Let something be done; lower ranks come first."""
        with self._changed:
            job = Job(rank, next(self._numbers), act)
            heapq.heappush(self._jobs, job)
            self._changed.notify_all()
        return job

    def close(self, patience_s: float) -> int:
        """Wait until all is done, for so many seconds at most; return how much is left."""
        until = time.monotonic() + patience_s
        with self._changed:
            self._is_closing = True
            self._changed.notify_all()
            while (n := self._count()) and (left := until - time.monotonic()) > 0:
                self._changed.wait(left)
            self._is_over = True
            self._changed.notify_all()
        return n

    def _count(self) -> int:
        return len(self._jobs) + (self._busy is not None)

    def _serve(self) -> None:
        while (job := self._take()) is not None:
            is_done = job.unwanted or self._try(job)
            with self._changed:
                self._busy = None
                if is_done:
                    job.done.set()
                else:  # behind the others of its rank: it may be this one that can't be done
                    job.number = next(self._numbers)
                    heapq.heappush(self._jobs, job)
                self._changed.notify_all()
            if not is_done:
                self._rest()

    def _take(self) -> Job | None:
        with self._changed:
            while not self._jobs and not self._is_over:
                self._changed.wait()
            if self._is_over:
                return None
            self._busy, self._busy_since = heapq.heappop(self._jobs), time.monotonic()
            return self._busy

    def _try(self, job: Job) -> bool:
        """Do a job; return False if it is to be done later."""
        fresh = not self._is_away and time.monotonic() - self._answered < FRESH_S
        if not fresh and not self._server.is_there():
            return self._note_away("it does not answer")
        try:
            job.act()
        except UnreachableError as error:
            return self._note_away(str(error))
        except RefusedError as error:
            self._warn("refused", "MLflow at %s refused something, which is left out: %s", error)
        except SparkexpError as error:
            return self._note_away(str(error))
        except Exception as error:  # a bug here, which must not end the thread
            self._warn("failed", "Something could not be sent to MLflow at %s: %r", error)
        self._answered, self._is_away, self._pause_s = time.monotonic(), False, FIRST_PAUSE_S
        return True

    def _note_away(self, reason: str) -> bool:
        self._is_away = True
        self._warn(
            "away",
            "MLflow at %s can't be reached (%s). The search goes on; what is missing there is "
            "sent when it is back.",
            reason,
        )
        return False

    def _rest(self) -> None:
        until = time.monotonic() + self._pause_s
        self._pause_s = min(2 * self._pause_s, LAST_PAUSE_S)
        with self._changed:
            while not self._is_over and (left := until - time.monotonic()) > 0:
                if self._is_closing:
                    left = min(left, LAST_PAUSE_AT_END_S)
                    until = min(until, time.monotonic() + LAST_PAUSE_AT_END_S)
                self._changed.wait(left)

    def _warn(self, kind: str, text: str, reason: object) -> None:
        now = time.monotonic()
        if now - self._warned.get(kind, float("-inf")) >= SECONDS_BETWEEN_WARNINGS:
            self._warned[kind] = now
            logger.warning(text, self._where, reason)
