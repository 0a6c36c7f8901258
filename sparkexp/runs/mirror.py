"""Keeps a local copy of a remote run for TensorBoard; of a file that grew, it reads the rest."""

from __future__ import annotations

import itertools
import logging
import os
import threading
import time
from collections.abc import Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from sparkexp.runs.paths import RunPaths
from sparkexp.storage.filesystems import open_filesystem

__all__ = ["Mirror", "RemoteFile"]

_log = logging.getLogger(__name__)

ROUND_S = 3.0
LONGEST_WAIT_S = 30.0
STOP_S = 3.0
# A round ends after so long, even if there is more to copy: the next one sees new points first.
COPYING_S = 4.0
N_THREADS = 8
# If a file only grew, its copy and it have the same last bytes of the copy; so many are compared.
SEAM_BYTES = 64
# What a listing tells about a file besides its size. Times come first, since files are copied in
# this order, the latest first.
_VERSIONS = ("modification_time", "mtime", "LastModified", "created", "ETag", "etag", "md5Hash")


@dataclass(frozen=True)
class RemoteFile:
    """A remote file as a listing described it.

    Parameters
    ----------
    name : str
        Its path on the remote file system.
    size : int
        Its size in bytes.
    version : str
        A text that differs once the file is written again; empty if the listing has none.
    """

    name: str
    size: int
    version: str


class Mirror:
    """Copies event files to a local directory, round by round, in a thread of its own.

    A round lists the remote directory once and copies what has changed. Of a file that grew it
    reads only the new bytes; a file that was replaced or cut it reads from the start. The driver's
    own files come first, then the latest. After a few seconds of copying the next round begins.
    Records of trials are copied as empty files, since their names tell which trials have ended.

    Parameters
    ----------
    location : str
        A run, or a directory with several runs, on any file system.
    cache : Path
        The local directory; nobody else writes to it.
    only : collection of str
        The directories directly in `location` to copy, besides its settings; by default all.

    Examples
    --------
    >>> import tempfile
    >>> filesystem, _ = open_filesystem('memory://mirrored')
    >>> filesystem.pipe_file('/mirrored/gen-000/events.out.tfevents.1', b'a point')
    >>> cache = Path(tempfile.mkdtemp())
    >>> Mirror('memory://mirrored', cache).update()
    1
    >>> (cache / 'gen-000/events.out.tfevents.1').read_bytes()
    b'a point'
    """

    def __init__(self, location: str, cache: Path, only: Collection[str] = ()) -> None:
        self._location = location
        self._cache = cache
        self._only = frozenset(only)
        self._filesystem, self._root = open_filesystem(location)
        self._copied: dict[str, RemoteFile] = {}
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="mirror", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread after the files that it is reading, or after a few seconds."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(STOP_S)

    def exists(self) -> bool:
        """Return whether the remote directory exists."""
        return bool(self._filesystem.exists(self._root))

    def update(self) -> int:
        """Run one round; return how many local files it wrote or removed."""
        listed = dict(self._list_files())
        gone = [path for path in self._copied if path not in listed]
        for path in gone:
            del self._copied[path]
            (self._cache / path).unlink(missing_ok=True)
        changed = [path for path, seen in listed.items() if self._copied.get(path) != seen]
        changed.sort(key=lambda path: listed[path].version, reverse=True)
        changed.sort(key=self._rank)
        return len(gone) + self._copy([(path, listed[path]) for path in changed])

    def _run(self) -> None:
        wait_s = ROUND_S
        while not self._stopping.wait(wait_s):
            try:
                self.update()
            except Exception as error:  # clients have their own classes
                if wait_s == ROUND_S:
                    _log.warning("%s can't be read now, trying again: %s", self._location, error)
                wait_s = min(2 * wait_s, LONGEST_WAIT_S)
            else:
                if wait_s != ROUND_S:
                    _log.warning("%s can be read again", self._location)
                wait_s = ROUND_S

    def _list_files(self) -> Iterator[tuple[str, RemoteFile]]:
        self._filesystem.invalidate_cache()
        for name, entry in self._filesystem.find(self._root, detail=True).items():
            path = name[len(self._root) :].strip("/")
            if self._is_shown(PurePosixPath(path), name):
                yield path, RemoteFile(name, int(entry["size"] or 0), _version(entry))

    def _is_shown(self, path: PurePosixPath, name: str) -> bool:
        # A key of an object store may be any text; copies must stay below the cache.
        if not name.startswith(f"{self._root.rstrip('/')}/") or ".." in path.parts:
            return False
        run = RunPaths(Path())
        if path.name == run.experiment.name:
            return True
        if self._only and path.parts[0] not in self._only:
            return False
        shown = path.name.startswith("events.out.tfevents.") or "plugins" in path.parts[:-1]
        return shown or _is_record(path)

    def _rank(self, path: str) -> int:
        """Return the order of copying: settings 0, the driver's event files 1, others 2."""
        parts = PurePosixPath(path).parts
        run = RunPaths(Path())
        own = {run.search(True).name, run.search(False).name}
        return 0 if parts[-1] == run.experiment.name else 1 if own & set(parts[-3:-1]) else 2

    def _copy(self, changed: list[tuple[str, RemoteFile]]) -> int:
        deadline = time.monotonic() + COPYING_S
        waiting = iter(changed)
        done = 0
        with ThreadPoolExecutor(N_THREADS, "mirror") as pool:
            while batch := list(itertools.islice(waiting, 2 * N_THREADS)):
                done += sum(pool.map(lambda item: self._copy_file(*item), batch))
                if time.monotonic() > deadline or self._stopping.is_set():
                    break
        return done

    def _copy_file(self, path: str, now: RemoteFile) -> bool:
        target = self._cache / path
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            if _is_record(PurePosixPath(path)):
                target.touch()
            elif not self._append_new_bytes(target, path, now):
                _write(target, self._filesystem.cat_file(now.name))
        except FileNotFoundError:  # removed since it was listed
            return False
        # The file may have grown since it was listed: the next round starts where this copy ends.
        size = now.size if _is_record(PurePosixPath(path)) else target.stat().st_size
        self._copied[path] = now if size == now.size else RemoteFile(now.name, size, "")
        return True

    def _append_new_bytes(self, target: Path, path: str, now: RemoteFile) -> bool:
        """Append a file's new bytes to its copy; return False if the file didn't only grow."""
        before = self._copied.get(path)
        if before is None or not 0 < before.size < now.size:
            return False
        seam = min(SEAM_BYTES, before.size)
        start = before.size - seam
        read = self._filesystem.cat_file(now.name, start=start, end=now.size)
        with target.open("r+b") as file:
            file.seek(start)
            if file.read(seam) != read[:seam]:
                return False
            file.write(read[seam:])
        return True


def _is_record(path: PurePosixPath) -> bool:
    return path.parent.name == RunPaths(Path()).records.name and path.suffix == ".json"


def _version(entry: dict[str, Any]) -> str:
    return " ".join(str(entry[name]) for name in _VERSIONS if name in entry)


def _write(target: Path, content: bytes) -> None:
    aside = target.with_name(f".{target.name}.new")
    aside.write_bytes(content)
    os.replace(aside, target)
