"""One driver at a time works on a run, wherever the others are."""

from __future__ import annotations

import json
import logging
import os
import socket
import time
import uuid
from typing import Any

from sparkexp.errors import RunDirectoryError
from sparkexp.storage.remote_files import RemoteFiles

__all__ = ["DriverLock", "held_by"]

logger = logging.getLogger(__name__)

HEARTBEAT_S = 5.0
# A driver that was not heard of for so long has ended. More than a client may take to see that
# its storage is back.
STALE_S = 60.0
LOOK_S = 1.0
# Of two that take over a lock at the same moment, one finds the other's name after this time.
SETTLE_S = 1.0


class DriverLock:
    """A file beside the run that its driver renews, so that others see it at work.

    Parameters
    ----------
    files : RemoteFiles
        The run's files.
    name : str
        The lock's name among them.
    """

    def __init__(self, files: RemoteFiles, name: str) -> None:
        self._files = files
        self._name = name
        self.id = uuid.uuid4().hex
        #: Says that another driver has taken the run over, once that is known.
        self.lost: RunDirectoryError | None = None
        self._renewed = 0.0

    def acquire(self) -> None:
        """Take the lock, that of a driver that has ended, too.

        Raises
        ------
        RunDirectoryError
            If another driver works on the run.
        """
        while not self._files.claim(self._name, self._content()):
            before = self._files.read(self._name)
            if before is None:
                continue  # it was released at this moment
            self._check_dead(before)
            self._files.write(self._name, self._content())
            time.sleep(SETTLE_S)
            if held_by(self._files, self._name) != self.id:
                raise self._in_use(_read(self._files.read(self._name)))
            break
        self._renewed = time.monotonic()

    def renew(self) -> None:
        """Show that this driver is at work, every few seconds.

        Raises
        ------
        RunDirectoryError
            If another one has taken over.
        """
        if time.monotonic() - self._renewed < HEARTBEAT_S:
            return
        if held_by(self._files, self._name) not in (self.id, None):
            self.lost = RunDirectoryError(
                f"A run has one driver at a time, and another one has taken over "
                f"{self._files.location!r}, as this one was not heard of for {STALE_S:g} s. Let it "
                "go on there."
            )
            raise self.lost
        self._files.write(self._name, self._content())
        self._renewed = time.monotonic()

    def release(self) -> None:
        """Give the lock back."""
        if held_by(self._files, self._name) == self.id:
            self._files.remove(self._name)

    def _content(self) -> bytes:
        holder = {"id": self.id, "host": _host(), "pid": os.getpid(), "time": time.time()}
        return json.dumps(holder).encode()

    def _check_dead(self, before: bytes) -> None:
        holder = _read(before)
        if holder.get("host") == _host() and not _runs(holder.get("pid")):
            return
        logger.warning(
            "A driver on %s has left its lock in %s. Looking for %g s whether it is at work.",
            holder.get("host"), self._files.location, STALE_S,
        )  # fmt: skip
        deadline = time.monotonic() + STALE_S
        while time.monotonic() < deadline:
            time.sleep(LOOK_S)
            now = self._files.read(self._name)
            if now is not None and now != before:
                raise self._in_use(_read(now))

    def _in_use(self, holder: dict[str, Any]) -> RunDirectoryError:
        return RunDirectoryError(
            f"A run has one driver at a time, and process {holder.get('pid')} on "
            f"{holder.get('host')} works on {self._files.location!r}. Wait until it ends, or end it."
        )


def held_by(files: RemoteFiles, name: str) -> str | None:
    """Return the id of the driver whose lock it is; None where there is none."""
    content = files.read(name)
    return None if content is None else str(_read(content).get("id"))


def _read(content: bytes | None) -> dict[str, Any]:
    try:
        holder = json.loads(content or b"{}")
    except ValueError:
        return {}
    return holder if isinstance(holder, dict) else {}


def _host() -> str:
    """Return where process ids mean the same: the host, or a container on it."""
    try:
        return f"{socket.gethostname()} ({os.readlink('/proc/self/ns/pid')})"
    except OSError:  # no Linux
        return socket.gethostname()


def _runs(pid: object) -> bool:
    try:
        os.kill(int(str(pid)), 0)
    except (ValueError, ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        pass
    return True
