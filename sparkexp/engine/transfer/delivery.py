"""What the courier's process does; see `courier`."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, BinaryIO, TypeVar

from sparkexp.engine.transfer.shipping import private_folder
from sparkexp.runs.upload import Upload, UploadThread
from sparkexp.storage.remote_files import RemoteFiles, path_below

__all__ = ["Delivery", "serve"]

# How long a trial's end, or its beginning, waits for a storage that is away.
PATIENCE_S = 60.0
# The same for what comes while it is known to be away.
SHORT_PATIENCE_S = 2.0
RETRY_S = 1.0

_T = TypeVar("_T")


def serve(requests: BinaryIO, answers: BinaryIO) -> None:
    """Do what the worker asks for until it ends; then send what is left."""
    # What a library prints must not look like an answer.
    os.dup2(2, 1)
    delivery = Delivery()
    for line in requests:
        request = json.loads(line)
        what = request.pop("do")
        if what == "begin":
            delivery.begin(**request)
            continue
        answer = delivery.attempt(what, request)
        try:
            answers.write(json.dumps(answer).encode() + b"\n")
            answers.flush()
        except OSError:
            break
    delivery.close()


class Delivery:
    """Sends trials' directories, and fetches what trials need."""

    def __init__(self) -> None:
        self._uploads: dict[str, Upload] = {}
        self._threads: dict[str, UploadThread] = {}
        self._shared: dict[str, IO[str]] = {}
        self._connections: dict[str, RemoteFiles] = {}
        self._away = False

    def attempt(self, what: str, request: dict[str, Any]) -> dict[str, Any]:
        """Return the answer to a request; whatever goes wrong is an answer, too."""
        does: dict[str, Callable[..., dict[str, Any]]] = {
            "end": self.end, "data": self.data, "tree": self.tree,
        }  # fmt: skip
        try:
            return does[what](**request)
        except Exception as error:  # clients have their own classes
            return {"error": f"{type(error).__name__}: {error}"}

    def begin(self, root: str, place: str) -> None:
        """Send what changes in a directory, until `end`."""
        self._uploads[root] = Upload(Path(root), place, files=self._connections.get(place))
        self._threads[root] = UploadThread(self._uploads[root])

    def end(self, root: str, place: str, last: str = "") -> dict[str, Any]:
        """Send all that is left in a directory, then remove it and the one around it.

        Parameters
        ----------
        root, place : str
            As `begin` got them.
        last : str
            The file that is sent when all others are there.
        """
        if root not in self._threads:
            self.begin(root, place)
        self._uploads[root].last = last
        error = self._finish(root)
        if error is not None:
            return {"error": f"{type(error).__name__}: {error}"}
        # It can be written: then what had to be left before may go, too.
        for other in [name for name in self._uploads if name not in self._threads]:
            self._threads[other] = UploadThread(self._uploads[other])
            if self._finish(other) is not None:
                break
        return {}

    def _finish(self, root: str) -> Exception | None:
        thread = self._threads.pop(root)
        error = thread.finish(SHORT_PATIENCE_S if self._away else PATIENCE_S)
        self._away = error is not None
        if error is None:
            upload = self._uploads.pop(root)
            if upload.files is not None:
                # Kept: to make a client takes longer than to send a trial's files.
                self._connections[upload.location] = upload.files
            shutil.rmtree(Path(root).parent, ignore_errors=True)
        return error

    def data(self, place: str) -> dict[str, Any]:
        """Fetch a file once for all trials on this host, and return its path."""
        digest = hashlib.sha256(place.encode()).hexdigest()[:16]
        target = private_folder() / f"data-{digest}.pickle"
        if place not in self._shared:
            self._shared[place] = self._patiently(lambda: _shared_copy(place, target))
        return {"path": str(target)}

    def tree(self, place: str, listed: str, target: str) -> dict[str, Any]:
        """Fetch what a trial has left, if all of it is there, and return whether it is.

        Parameters
        ----------
        place : str
            The trial's directory.
        listed : str
            The file that names what there is.
        target : str
            The local directory.
        """

        files = self._patiently(lambda: RemoteFiles(place))
        names = self._patiently(lambda: files.read(listed))
        if names is None:
            return {"found": False}
        paths = {name: path_below(Path(target), name) for name in json.loads(names)}

        def fetch() -> bool:
            return all([files.fetch(name, path) for name, path in paths.items()])

        return {"found": self._patiently(fetch)}

    def close(self) -> None:
        """Send what is left, also of trials that did not come to their end."""
        for root, upload in list(self._uploads.items()):
            self._threads.setdefault(root, UploadThread(upload))
            self._finish(root)
        for lock in self._shared.values():
            _drop_shared_copy(lock)

    def _patiently(self, action: Callable[[], _T]) -> _T:
        deadline = time.monotonic() + (SHORT_PATIENCE_S if self._away else PATIENCE_S)
        while True:
            try:
                return action()
            except Exception:  # clients have their own classes
                if time.monotonic() > deadline:
                    raise
                time.sleep(RETRY_S)


def _shared_copy(place: str, target: Path) -> IO[str]:
    """Fetch a file unless another process of this host has; return the lock that keeps it.

    Whoever uses the copy holds the lock with others; alone only who fetches or removes it.
    """
    path = target.with_suffix(".lock")
    while True:
        lock = path.open("a")
        try:
            fcntl.flock(lock, fcntl.LOCK_SH)
            if _is_kept(target, path, lock):
                return lock
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not target.exists():
                folder, _, name = place.rpartition("/")
                if not RemoteFiles(folder).fetch(name, target):
                    raise FileNotFoundError(f"{place} is not there")
            fcntl.flock(lock, fcntl.LOCK_SH)
            if _is_kept(target, path, lock):
                return lock
        except BaseException:
            lock.close()
            raise
        lock.close()


def _is_kept(target: Path, path: Path, lock: IO[str]) -> bool:
    """Tell whether a copy is there and the lock its own: its last user may have removed both."""
    try:
        return target.exists() and os.path.samestat(path.stat(), os.stat(lock.fileno()))
    except FileNotFoundError:
        return False


def _drop_shared_copy(lock: IO[str]) -> None:
    """Remove a file that no process of this host needs any more."""
    with lock, suppress(OSError):
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        path = Path(lock.name)
        path.with_suffix(".pickle").unlink(missing_ok=True)
        path.unlink(missing_ok=True)
