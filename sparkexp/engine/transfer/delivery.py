"""The work of the courier's process; see `courier`."""

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

from sparkexp.engine.transfer.private_folder import private_folder
from sparkexp.runs.upload import Upload, UploadThread
from sparkexp.storage.remote_files import RemoteFiles, path_below

__all__ = ["Delivery", "serve"]

# How long the beginning or the end of a trial waits for a storage that can't be reached.
TIMEOUT_S = 60.0
# The same once the last call has failed.
SHORT_TIMEOUT_S = 2.0
RETRY_S = 1.0

_T = TypeVar("_T")


def serve(requests: BinaryIO, answers: BinaryIO) -> None:
    """Answer the worker's requests until it ends; then send what is left."""
    # Answers go to stdout: what a library prints must go elsewhere.
    os.dup2(2, 1)
    delivery = Delivery()
    for line in requests:
        request = json.loads(line)
        action = request.pop("do")
        if action == "begin":
            delivery.begin(**request)
            continue
        answer = delivery.attempt(action, request)
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
        self._unreachable = False

    def attempt(self, action: str, request: dict[str, Any]) -> dict[str, Any]:
        """Return the answer to a request; an error is an answer, too."""
        actions: dict[str, Callable[..., dict[str, Any]]] = {
            "end": self.end, "data": self.data, "tree": self.tree,
        }  # fmt: skip
        try:
            return actions[action](**request)
        except Exception as error:  # clients have their own classes
            return {"error": f"{type(error).__name__}: {error}"}

    def begin(self, root: str, location: str) -> None:
        """Start sending the changes in a directory; `end` stops it."""
        self._uploads[root] = Upload(Path(root), location, files=self._connections.get(location))
        self._threads[root] = UploadThread(self._uploads[root])

    def end(self, root: str, location: str, last: str = "") -> dict[str, Any]:
        """Send everything that is left in a directory, then remove the directory and its parent.

        Parameters
        ----------
        root, location : str
            The arguments of `begin`.
        last : str
            The file that is sent after all others.
        """
        if root not in self._threads:
            self.begin(root, location)
        self._uploads[root].last = last
        error = self._finish(root)
        if error is not None:
            return {"error": f"{type(error).__name__}: {error}"}
        # The storage can be written again: send what earlier trials had to leave.
        for other in [name for name in self._uploads if name not in self._threads]:
            self._threads[other] = UploadThread(self._uploads[other])
            if self._finish(other) is not None:
                break
        return {}

    def _finish(self, root: str) -> Exception | None:
        thread = self._threads.pop(root)
        error = thread.finish(SHORT_TIMEOUT_S if self._unreachable else TIMEOUT_S)
        self._unreachable = error is not None
        if error is None:
            upload = self._uploads.pop(root)
            if upload.files is not None:
                # Kept, since connecting takes longer than sending a trial's files.
                self._connections[upload.location] = upload.files
            shutil.rmtree(Path(root).parent, ignore_errors=True)
        return error

    def data(self, location: str) -> dict[str, Any]:
        """Fetch a file once for all trials on this host; the answer has its ``path``."""
        digest = hashlib.sha256(location.encode()).hexdigest()[:16]
        target = private_folder() / f"data-{digest}.pickle"
        if location not in self._shared:
            self._shared[location] = self._retry(lambda: _shared_copy(location, target))
        return {"path": str(target)}

    def tree(self, location: str, list_name: str, target: str) -> dict[str, Any]:
        """Fetch the checkpoints of a trial; the answer says whether all of them were ``found``.

        Parameters
        ----------
        location : str
            The URL of the trial's directory.
        list_name : str
            The file in it that lists the files to fetch.
        target : str
            The local directory.
        """
        files = self._retry(lambda: RemoteFiles(location))
        names = self._retry(lambda: files.read(list_name))
        if names is None:
            return {"found": False}
        paths = {name: path_below(Path(target), name) for name in json.loads(names)}

        def fetch() -> bool:
            return all([files.fetch(name, path) for name, path in paths.items()])

        return {"found": self._retry(fetch)}

    def close(self) -> None:
        """Send what is left, also of trials that were interrupted."""
        for root, upload in list(self._uploads.items()):
            self._threads.setdefault(root, UploadThread(upload))
            self._finish(root)
        for lock in self._shared.values():
            _drop_shared_copy(lock)

    def _retry(self, action: Callable[[], _T]) -> _T:
        deadline = time.monotonic() + (SHORT_TIMEOUT_S if self._unreachable else TIMEOUT_S)
        while True:
            try:
                return action()
            except Exception:  # clients have their own classes
                if time.monotonic() > deadline:
                    raise
                time.sleep(RETRY_S)


def _shared_copy(location: str, target: Path) -> IO[str]:
    """Fetch a file unless another process on this host did; return a lock on the copy.

    A process that uses the copy has a shared lock. One that fetches or removes it needs the
    exclusive lock.
    """
    path = target.with_suffix(".lock")
    while True:
        lock = path.open("a")
        try:
            _lock(lock, fcntl.LOCK_SH)
            if _is_kept(target, path, lock):
                return lock
            _lock(lock, fcntl.LOCK_EX)
            if not target.exists():
                folder, _, name = location.rpartition("/")
                if not RemoteFiles(folder).fetch(name, target):
                    raise FileNotFoundError(f"there is no file {location}")
            _lock(lock, fcntl.LOCK_SH)
            if _is_kept(target, path, lock):
                return lock
        except BaseException:
            lock.close()
            raise
        lock.close()


def _lock(file: IO[str], how: int) -> None:
    try:
        fcntl.flock(file, how)
    except OSError:
        pass  # a file system without locks: then each process fetches a copy, whole ones


def _is_kept(target: Path, path: Path, lock: IO[str]) -> bool:
    """Return whether the copy exists and this is its lock; its last user may have removed both."""
    try:
        return target.exists() and os.path.samestat(path.stat(), os.stat(lock.fileno()))
    except FileNotFoundError:
        return False


def _drop_shared_copy(lock: IO[str]) -> None:
    """Remove a copy and its lock, unless another process on this host uses it."""
    with lock, suppress(OSError):
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        path = Path(lock.name)
        path.with_suffix(".pickle").unlink(missing_ok=True)
        path.unlink(missing_ok=True)
