"""Sends what changes in a local directory to another storage, for as long as that takes."""

from __future__ import annotations

import logging
import os
import re
import stat
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

from sparkexp.storage.remote_files import RemoteFiles

__all__ = ["Stamp", "Upload", "UploadThread", "stamp_of"]

logger = logging.getLogger(__name__)

SECONDS_BETWEEN_PASSES = 2.0
# A file that grows is sent whole each time, and no faster than this on the average.
BYTES_PER_S = 2e6
FIRST_BACKOFF_S = 0.5
MAX_BACKOFF_S = 8.0
# What is written aside by a process, or a directory of checkpoints that are not yet kept.
_UNFINISHED = re.compile(r"\..+\.\d+|checkpoints-[0-9a-f]{8}")

# Size and time of the last change: a file with another one is sent again.
Stamp = tuple[int, int]


class Upload:
    """A local directory and its copy on another storage.

    Files that sparkexp is writing aside are left out. So are checkpoints that were not committed.

    Parameters
    ----------
    root : Path
        The local directory.
    place : str
        The URL of its copy.
    leave_out : iterable of str
        What not to send: files, and directories right below the root.
    last : str
        The file that is sent after all others, as it was before they were looked at: whatever it
        knows of is there when it is.
    known : mapping
        Files that are there already, by their name and stamp.
    files : RemoteFiles, optional
        The files at the place, if somebody is connected with them already.
    """

    def __init__(
        self,
        root: Path,
        place: str,
        leave_out: Iterable[str] = (),
        last: str = "",
        known: Mapping[str, Stamp] | None = None,
        files: RemoteFiles | None = None,
    ) -> None:
        self.root = root
        self.place = place
        self._leave_out = set(leave_out)
        self.last = last
        self._sent: dict[str, Stamp] = dict(known or {})
        self._not_before: dict[str, float] = {}
        #: The connection, which ends when something fails.
        self.files = files
        #: When a file was last sent, or there was none to send; by the monotonic clock.
        self.progressed = time.monotonic()

    def send(self, all_of_it: bool = True) -> None:
        """Send what has changed; a large file that grows only now and then, or `all_of_it`.

        Raises
        ------
        Exception
            What the storage's client raises; what was sent before stays sent.
        """
        try:
            self._send(all_of_it)
        except Exception:
            self.files = None
            raise
        self.progressed = time.monotonic()

    def _send(self, all_of_it: bool) -> None:
        last = self.root / self.last
        stamp = self._changed(self.last) if self.last else None
        content = last.read_bytes() if stamp else b""
        for name in self._names():
            changed = self._changed(name)
            if changed and (all_of_it or self._not_before.get(name, 0.0) <= time.monotonic()):
                self._put(name, self.root / name, changed)
        if stamp:
            self._put(self.last, content, stamp)

    def _put(self, name: str, content: bytes | Path, stamp: Stamp) -> None:
        if self.files is None:
            self.files = RemoteFiles(self.place)
        try:
            self.files.write(name, content)
        except FileNotFoundError:
            if isinstance(content, Path) and not content.exists():
                return  # removed meanwhile
            raise
        self._sent[name] = stamp
        self.progressed = time.monotonic()
        self._not_before[name] = self.progressed + stamp[0] / BYTES_PER_S

    def _changed(self, name: str) -> Stamp | None:
        stamp = stamp_of(self.root / name)
        return stamp if stamp != self._sent.get(name) else None

    def _names(self) -> Iterator[str]:
        for folder, folders, names in os.walk(self.root):
            relative = Path(folder).relative_to(self.root)
            folders[:] = sorted(f for f in folders if self._is_sent(relative, f))
            for name in sorted(names):
                if self._is_sent(relative, name):
                    yield (relative / name).as_posix()

    def _is_sent(self, folder: Path, name: str) -> bool:
        path = (folder / name).as_posix()
        if _UNFINISHED.fullmatch(name):
            return False
        return path != self.last and path not in self._leave_out


def stamp_of(path: Path) -> Stamp | None:
    """Return a file's stamp; None if there is no such file."""
    try:
        found = path.stat()
    except OSError:
        return None
    return (found.st_size, found.st_mtime_ns) if stat.S_ISREG(found.st_mode) else None


class UploadThread:
    """Sends an upload's changes every two seconds; goes on after failures.

    Parameters
    ----------
    upload : Upload
        What to send.
    also : Callable, optional
        Done in each pass, too: what keeps a lock alive, for example.
    """

    def __init__(self, upload: Upload, also: Callable[[], None] = lambda: None) -> None:
        self._upload = upload
        self._also = also
        self._wake = threading.Event()
        self._ending = threading.Event()
        self._given_up = threading.Event()
        #: What went wrong in the last pass.
        self.error: Exception | None = None
        # A daemon: what is stuck in a server that is gone must not keep the process.
        self._thread = threading.Thread(target=self._run, name="sparkexp-upload", daemon=True)
        self._thread.start()

    def finish(self, patience_s: float) -> Exception | None:
        """Send all that is left, and return what prevented that.

        Parameters
        ----------
        patience_s : float
            How long to go on while nothing can be sent.
        """
        self._upload.progressed = max(self._upload.progressed, time.monotonic())
        self._ending.set()
        self._wake.set()
        while self._thread.is_alive():
            self._thread.join(0.05)
            if time.monotonic() - self._upload.progressed > patience_s:
                self._given_up.set()
                self._wake.set()
                return self.error or TimeoutError(f"no answer within {patience_s:g} s")
        return self.error

    def _run(self) -> None:
        backoff_s = 0.0
        while True:
            self._wake.wait(backoff_s or SECONDS_BETWEEN_PASSES)
            self._wake.clear()
            if self._given_up.is_set():
                return
            ending = self._ending.is_set()
            try:
                self._also()
                self._upload.send(all_of_it=ending)
            except Exception as error:  # clients have their own classes
                backoff_s = min(2 * backoff_s or FIRST_BACKOFF_S, MAX_BACKOFF_S)
                self._failed(error)
                continue
            if self.error is not None:
                logger.warning("%s can be written again.", self._upload.place)
            self.error, backoff_s = None, 0.0
            if ending:
                return

    def _failed(self, error: Exception) -> None:
        if self.error is None:
            logger.warning(
                "%s can't be written: %s: %s. It is tried again; everything is kept in %s.",
                self._upload.place, type(error).__name__, error, self._upload.root,
            )  # fmt: skip
        self.error = error
