"""Sends the changes in a local directory to another storage, and tries again after failures."""

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

__all__ = ["Stamp", "Upload", "UploadThread", "read_stamp"]

logger = logging.getLogger(__name__)

SECONDS_BETWEEN_PASSES = 2.0
# A file that grows is sent whole each time, but so seldom that this is the average rate.
BYTES_PER_S = 2e6
FIRST_BACKOFF_S = 0.5
MAX_BACKOFF_S = 8.0
# A file that a process is still writing, or a directory of checkpoints that are not committed.
_UNFINISHED = re.compile(r"\..+\.\d+|checkpoints-[0-9a-f]{8}")

# Size and time of the last change: a file whose stamp differs is sent again.
Stamp = tuple[int, int]


class Upload:
    """A local directory and its copy on another storage.

    Files that sparkexp is still writing are left out, and so are checkpoints that were not
    committed.

    Parameters
    ----------
    root : Path
        The local directory.
    location : str
        The URL of its copy.
    leave_out : iterable of str
        Names not to send: files, and directories directly in the root.
    last : str
        The file that is sent after all others, with the content that it had before they were read:
        when it arrives, everything that it refers to is there.
    already_sent : mapping
        The stamps of files that are at the URL already, by name.
    files : RemoteFiles, optional
        A connection to the URL, if there is one already.
    """

    def __init__(
        self,
        root: Path,
        location: str,
        leave_out: Iterable[str] = (),
        last: str = "",
        already_sent: Mapping[str, Stamp] | None = None,
        files: RemoteFiles | None = None,
    ) -> None:
        self.root = root
        self.location = location
        self._leave_out = set(leave_out)
        self.last = last
        self._sent: dict[str, Stamp] = dict(already_sent or {})
        self._not_before: dict[str, float] = {}
        #: The connection; None until it is needed, and after a failure.
        self.files = files
        #: When a file was last sent, or there was nothing to send; by the monotonic clock.
        self.last_progress = time.monotonic()

    def send(self, everything: bool = True) -> None:
        """Send the files that have changed.

        Parameters
        ----------
        everything : bool
            If False, a large file that was sent a short while ago has to wait.

        Raises
        ------
        Exception
            The error of the storage's client. Files that were sent before it are not sent again.
        """
        try:
            self._send(everything)
        except Exception:
            self.files = None
            raise
        self.last_progress = time.monotonic()

    def forget(self) -> None:
        """Send all files again: those at the URL were removed."""
        self._sent.clear()
        self._not_before.clear()

    def _send(self, everything: bool) -> None:
        last = self.root / self.last
        stamp = self._changed(self.last) if self.last else None
        content = last.read_bytes() if stamp else b""
        for name in self._names():
            changed = self._changed(name)
            if changed and (everything or self._not_before.get(name, 0.0) <= time.monotonic()):
                self._send_file(name, self.root / name, changed)
        if stamp:
            self._send_file(self.last, content, stamp)

    def _send_file(self, name: str, content: bytes | Path, stamp: Stamp) -> None:
        if self.files is None:
            self.files = RemoteFiles(self.location)
        try:
            self.files.write(name, content)
        except FileNotFoundError:
            if isinstance(content, Path) and not content.exists():
                return  # removed by now
            raise
        self._sent[name] = stamp
        self.last_progress = time.monotonic()
        self._not_before[name] = self.last_progress + stamp[0] / BYTES_PER_S

    def _changed(self, name: str) -> Stamp | None:
        stamp = read_stamp(self.root / name)
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


def read_stamp(path: Path) -> Stamp | None:
    """Return a file's stamp; None if there is no such file."""
    try:
        found = path.stat()
    except OSError:
        return None
    return (found.st_size, found.st_mtime_ns) if stat.S_ISREG(found.st_mode) else None


class UploadThread:
    """Sends an upload's changes every two seconds, and tries again after failures.

    Parameters
    ----------
    upload : Upload
        The upload.
    on_pass : Callable, optional
        Called before each sending; to renew a lock, for example.
    """

    def __init__(self, upload: Upload, on_pass: Callable[[], None] = lambda: None) -> None:
        self._upload = upload
        self._on_pass = on_pass
        self._wake = threading.Event()
        self._ending = threading.Event()
        self._given_up = threading.Event()
        #: The error of the last pass; None if it succeeded.
        self.error: Exception | None = None
        # A daemon: a call that hangs must not keep the process from ending.
        self._thread = threading.Thread(target=self._run, name="sparkexp-upload", daemon=True)
        self._thread.start()

    def finish(self, timeout_s: float) -> Exception | None:
        """Send everything that is left, and end the thread; return the error if that fails.

        Parameters
        ----------
        timeout_s : float
            Give up after so many seconds in which nothing could be sent.
        """
        self._upload.last_progress = max(self._upload.last_progress, time.monotonic())
        self._ending.set()
        self._wake.set()
        while self._thread.is_alive():
            self._thread.join(0.05)
            if time.monotonic() - self._upload.last_progress > timeout_s:
                self._given_up.set()
                self._wake.set()
                return self.error or TimeoutError(f"no answer within {timeout_s:g} s")
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
                self._on_pass()
                self._upload.send(everything=ending)
            except Exception as error:  # clients have their own classes
                backoff_s = min(2 * backoff_s or FIRST_BACKOFF_S, MAX_BACKOFF_S)
                self._report_failure(error)
                continue
            if self.error is not None:
                logger.warning("%s can be written again.", self._upload.location)
            self.error, backoff_s = None, 0.0
            if ending:
                return

    def _report_failure(self, error: Exception) -> None:
        if self.error is None:
            logger.warning(
                "%s can't be written: %s: %s. Trying again; all files are kept in %s.",
                self._upload.location, type(error).__name__, error, self._upload.root,
            )  # fmt: skip
        self.error = error
