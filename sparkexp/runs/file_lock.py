"""A lock on a run at a path: one driver at a time works on it."""

from __future__ import annotations

import fcntl
import json
import logging
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from sparkexp.errors import RunDirectoryError
from sparkexp.runs.driver_lock import is_running, read_holder, this_host
from sparkexp.storage.regular_files import check_regular, read_regular

__all__ = ["FileLock", "InUseError", "hold_file_lock"]

logger = logging.getLogger(__name__)


class InUseError(RunDirectoryError):
    """Another driver works on the run."""


class FileLock:
    """A locked file that says who has the lock; the lock ends with the process.

    Not every file system has locks. There the content alone counts: a driver is refused while
    another one of its host lives, and one of another host is seen when it writes its own.

    Parameters
    ----------
    path : Path
        The file.
    location : str
        The run's log directory, as users see it.
    """

    def __init__(self, path: Path, location: str) -> None:
        self._path = path
        self._location = location
        self._content = b""
        self._fd = -1

    def acquire(self) -> None:
        """Take the lock.

        Raises
        ------
        RunDirectoryError
            If another driver has it, or the file can't be written.
        """
        try:
            self._fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_NONBLOCK, 0o666)
        except OSError as error:
            raise RunDirectoryError(
                "A search must be able to write to its log directory, and "
                f"{str(self._path.parent)!r} can't be written: {error.strerror or error}. Make it "
                "writable, or resume a copy of it."
            ) from error
        try:
            self._lock()
        except BaseException:
            self._close()
            raise

    def is_held(self) -> bool:
        """Return whether the file is still there, and still this driver's."""
        try:
            there = os.stat(self._path)
            if not self._content:  # it could not be written
                return os.path.samestat(there, os.fstat(self._fd))
            return read_regular(self._path) == self._content
        except OSError:
            return False

    def release(self) -> None:
        """Let other drivers have the lock."""
        if self._fd < 0:
            return
        if self.is_held():
            with suppress(OSError):
                os.ftruncate(self._fd, 0)
        self._close()

    def _lock(self) -> None:
        try:
            check_regular(os.fstat(self._fd))
        except OSError as error:
            raise RunDirectoryError(
                f"{self._path} is damaged: {error}. Remove it; the next driver makes another one."
            ) from None
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise self._in_use("another process") from None
        except OSError as error:
            self._do_without(error)
        content = json.dumps({"id": uuid.uuid4().hex, "host": this_host(), "pid": os.getpid()})
        try:
            os.ftruncate(self._fd, 0)
            os.pwrite(self._fd, content.encode(), 0)
            self._content = content.encode()
        except OSError:
            self._content = b""  # the disk is full

    def _do_without(self, error: OSError) -> None:
        holder = read_holder(read_regular(self._path))
        if holder.get("host") == this_host() and is_running(holder.get("pid")):
            raise self._in_use(f"process {holder['pid']} of this host") from None
        logger.warning(
            "The file system of %s has no locks (%s): that no other host works on this run, "
            "nobody checks.", self._location, error.strerror or error,
        )  # fmt: skip

    def _in_use(self, who: str) -> InUseError:
        return InUseError(
            f"A run has one driver at a time, and {who} works on {self._location!r}. Wait until "
            "it ends, or end it."
        )

    def _close(self) -> None:
        os.close(self._fd)
        self._fd = -1


@contextmanager
def hold_file_lock(path: Path, location: str) -> Iterator[FileLock]:
    """Lock a run by a file; see `RunDirectory.lock`."""
    lock = FileLock(path, location)
    lock.acquire()
    try:
        yield lock
    finally:
        lock.release()
