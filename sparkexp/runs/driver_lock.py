"""A lock on a remote run: one driver at a time works on it, on whichever machine."""

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

__all__ = ["DriverLock", "is_running", "read_holder", "read_holder_id", "this_host"]

logger = logging.getLogger(__name__)

HEARTBEAT_S = 5.0
# A driver that has not renewed its lock for so long is taken for dead. This is longer than a
# client may need to notice that its storage is back.
STALE_S = 60.0
LOOK_S = 1.0
# When two drivers take over a lock at the same moment, one of them reads the other's id after
# this time.
SETTLE_S = 1.0


class DriverLock:
    """A file in the run that its driver renews, so that other drivers see that it is alive.

    Parameters
    ----------
    files : RemoteFiles
        The run's files.
    name : str
        The name of the lock file.
    """

    def __init__(self, files: RemoteFiles, name: str) -> None:
        self._files = files
        self._name = name
        self.id = uuid.uuid4().hex
        #: The error to raise once another driver has taken the run over.
        self.lost: RunDirectoryError | None = None
        self._renewed = 0.0

    def acquire(self) -> None:
        """Take the lock, or take it over from a driver that has ended.

        Raises
        ------
        RunDirectoryError
            If another driver is working on the run.
        """
        while not self._files.claim(self._name, self._content()):
            before = self._files.read(self._name)
            if before is None:
                continue  # it was released at this moment
            self._check_dead(before)
            self._files.write(self._name, self._content())
            time.sleep(SETTLE_S)
            if read_holder_id(self._files, self._name) != self.id:
                raise self._in_use(read_holder(self._files.read(self._name)))
            break
        self._renewed = time.monotonic()

    def renew(self) -> bool:
        """Renew the lock, unless that was done in the last few seconds.

        Returns
        -------
        bool
            False if it was gone: then so is all that had been written beside it.

        Raises
        ------
        RunDirectoryError
            If another driver has taken it over.
        """
        if time.monotonic() - self._renewed < HEARTBEAT_S:
            return True
        holder = read_holder_id(self._files, self._name)
        if holder not in (self.id, None):
            self.lost = RunDirectoryError(
                f"A run has one driver at a time, and another one has taken over "
                f"{self._files.location!r}, since this one did not renew its lock for "
                f"{STALE_S:g} s. Let the other one go on."
            )
            raise self.lost
        self._files.write(self._name, self._content())
        self._renewed = time.monotonic()
        return holder is not None

    def release(self) -> None:
        """Remove the lock, if this driver still has it."""
        if read_holder_id(self._files, self._name) == self.id:
            self._files.remove(self._name)

    def _content(self) -> bytes:
        holder = {"id": self.id, "host": this_host(), "pid": os.getpid(), "time": time.time()}
        return json.dumps(holder).encode()

    def _check_dead(self, before: bytes) -> None:
        holder = read_holder(before)
        if holder.get("host") == this_host() and not is_running(holder.get("pid")):
            return
        logger.warning(
            "%s holds the lock of a driver on %s. Waiting up to %g s to see if it is alive.",
            self._files.location, holder.get("host"), STALE_S,
        )  # fmt: skip
        deadline = time.monotonic() + STALE_S
        while time.monotonic() < deadline:
            time.sleep(LOOK_S)
            now = self._files.read(self._name)
            if now is not None and now != before:
                raise self._in_use(read_holder(now))

    def _in_use(self, holder: dict[str, Any]) -> RunDirectoryError:
        return RunDirectoryError(
            f"A run has one driver at a time, and process {holder.get('pid')} on "
            f"{holder.get('host')} works on {self._files.location!r}. Wait until it ends, or end "
            "it."
        )


def read_holder_id(files: RemoteFiles, name: str) -> str | None:
    """Return the id of the driver whose lock it is; None where there is none."""
    content = files.read(name)
    return None if content is None else str(read_holder(content).get("id"))


def read_holder(content: bytes | None) -> dict[str, Any]:
    """Return what a lock says of the driver that has it; nothing where it isn't one of ours."""
    try:
        holder = json.loads(content or b"{}")
    except (ValueError, RecursionError):
        return {}
    return holder if isinstance(holder, dict) else {}


def this_host() -> str:
    """Return a name for the host and its PID namespace, in which process ids are unique."""
    try:
        return f"{socket.gethostname()} ({os.readlink('/proc/self/ns/pid')})"
    except OSError:  # no Linux
        return socket.gethostname()


def is_running(pid: object) -> bool:
    """Tell whether there is a process of this id on this host."""
    try:
        os.kill(int(str(pid)), 0)
    except (ValueError, ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        pass
    return True
