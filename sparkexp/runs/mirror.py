"""Keeps a local copy of what TensorBoard shows of a remote run, and reads on where files grow."""

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

__all__ = ["Mirror", "Remote"]

_log = logging.getLogger(__name__)

ROUND_S = 3.0
LONGEST_WAIT_S = 30.0
STOP_S = 3.0
# After so long a round lists anew, however much is left to be copied: running curves come first.
COPYING_S = 4.0
N_THREADS = 8
# A file that only grew still has these bytes where the copy ends.
SEAM_BYTES = 64
# What a listing says of a file besides its size; times first: what changed last is copied first.
_VERSIONS = ("modification_time", "mtime", "LastModified", "created", "ETag", "etag", "md5Hash")


@dataclass(frozen=True)
class Remote:
    """A file as it was listed.

    Parameters
    ----------
    name : str
        Its path on the remote file system.
    size : int
        Bytes.
    version : str
        Whatever differs after it was written again; empty where nothing is known.
    """

    name: str
    size: int
    version: str


class Mirror:
    """Copies event files to a local directory, round by round, in a thread of its own.

    A round lists the remote directory once and reads what is new: a file that grew from where the
    copy ends, one that was replaced or cut from its start. The driver's own files come first, then
    what changed last, and after a few seconds of copying the next round begins. Of the trials'
    records the names are kept, which say who has ended.

    Parameters
    ----------
    place : str
        A run, or a directory with several, on any file system.
    cache : Path
        The local directory; it belongs to the mirror.
    only : collection of str
        Directories right below the place to be copied, with its settings; by default all.

    Examples
    --------
    >>> import tempfile
    >>> filesystem, _ = open_filesystem('memory://mirrored')
    >>> filesystem.pipe_file('/mirrored/gen-000/events.out.tfevents.1', b'a point')
    >>> cache = Path(tempfile.mkdtemp())
    >>> Mirror('memory://mirrored', cache).round()
    1
    >>> (cache / 'gen-000/events.out.tfevents.1').read_bytes()
    b'a point'
    """

    def __init__(self, place: str, cache: Path, only: Collection[str] = ()) -> None:
        self._place = place
        self._cache = cache
        self._only = frozenset(only)
        self._filesystem, self._root = open_filesystem(place)
        self._copied: dict[str, Remote] = {}
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="mirror", daemon=True)

    def start(self) -> None:
        """Begin with the rounds."""
        self._thread.start()

    def stop(self) -> None:
        """End after the files that are being read; a server that hangs isn't waited for."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(STOP_S)

    def exists(self) -> bool:
        """Tell whether there is anything at the place."""
        return bool(self._filesystem.exists(self._root))

    def round(self) -> int:
        """List once and copy what changed; return how many files were written or removed."""
        listed = dict(self._listed())
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
                self.round()
            except Exception as error:  # the clients of file systems raise what they like
                if wait_s == ROUND_S:
                    _log.warning("%s can't be read now, trying again: %s", self._place, error)
                wait_s = min(2 * wait_s, LONGEST_WAIT_S)
            else:
                if wait_s != ROUND_S:
                    _log.warning("%s can be read again", self._place)
                wait_s = ROUND_S

    def _listed(self) -> Iterator[tuple[str, Remote]]:
        self._filesystem.invalidate_cache()
        for name, entry in self._filesystem.find(self._root, detail=True).items():
            path = name[len(self._root) :].strip("/")
            if self._is_shown(PurePosixPath(path), name):
                yield path, Remote(name, int(entry["size"] or 0), _version(entry))

    def _is_shown(self, path: PurePosixPath, name: str) -> bool:
        # The keys of an object store may hold any text; what is written stays below the cache.
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
        """Settings, the driver's event files, the rest."""
        parts = PurePosixPath(path).parts
        run = RunPaths(Path())
        own = {run.search(True).name, run.search(False).name}
        return 0 if parts[-1] == run.experiment.name else 1 if own & set(parts[-3:-1]) else 2

    def _copy(self, changed: list[tuple[str, Remote]]) -> int:
        deadline = time.monotonic() + COPYING_S
        waiting = iter(changed)
        done = 0
        with ThreadPoolExecutor(N_THREADS, "mirror") as pool:
            while batch := list(itertools.islice(waiting, 2 * N_THREADS)):
                done += sum(pool.map(lambda item: self._copy_file(*item), batch))
                if time.monotonic() > deadline or self._stopping.is_set():
                    break
        return done

    def _copy_file(self, path: str, now: Remote) -> bool:
        target = self._cache / path
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            if _is_record(PurePosixPath(path)):
                target.touch()
            elif not self._grown(target, path, now):
                _write(target, self._filesystem.cat_file(now.name))
        except FileNotFoundError:  # removed since it was listed
            return False
        # More may have come meanwhile: the next round starts where this copy ends.
        size = now.size if _is_record(PurePosixPath(path)) else target.stat().st_size
        self._copied[path] = now if size == now.size else Remote(now.name, size, "")
        return True

    def _grown(self, target: Path, path: str, now: Remote) -> bool:
        """Add what is new to a copy; False if the file is another one."""
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
