"""Tests whether the driver and the executors see the same log directory.

The driver writes a file with a random token into the log directory. Each executor reads it, and
writes a file of its own, which the driver reads.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sparkexp.errors import RunDirectoryError
from sparkexp.runs.remote_logdir_probe import (
    TOKEN_FILE,
    probe_url,
    url_has_file,
    visit_url,
)
from sparkexp.runs.temporary import remove_at_end
from sparkexp.storage.filesystems import is_remote, local_path

__all__ = ["Visit", "LogdirProbe", "probe_logdir", "visit_probe"]


@dataclass(frozen=True)
class LogdirProbe:
    """A temporary directory that the driver made in a log directory.

    Parameters
    ----------
    path : str
        The directory's path or URL. It holds a file with the token.
    token : str
        The content of the driver's file and of the executors' files.
    """

    path: str
    token: str

    def has_file(self, name: str) -> bool:
        """Return whether the driver sees the file of this name that an executor wrote."""
        if is_remote(self.path):
            return url_has_file(self.path, name, self.token)
        try:
            return Path(self.path, name).read_text() == self.token
        except OSError:
            return False


@dataclass(frozen=True)
class Visit:
    """What an executor could do in the directory of a probe.

    Parameters
    ----------
    read_error : str
        Why the driver's file could not be read; empty if it could.
    write_error : str
        Why no file could be written; empty if it could.
    name : str
        The name of the file that was written.
    """

    read_error: str
    write_error: str
    name: str


@contextmanager
def probe_logdir(logdir: str) -> Iterator[LogdirProbe]:
    """Make a probe in a log directory, and remove it at the end of the ``with`` block.

    Directories that had to be made for it are removed as well, unless somebody else has put
    something into one that is above the log directory.

    Parameters
    ----------
    logdir : str
        The log directory of a search; it need not exist.

    Raises
    ------
    RunDirectoryError
        If the directory can't be written or read.
    StorageError
        If the URL can't be reached, written or read.
    """
    if is_remote(logdir):
        with probe_url(logdir) as (url, token):
            yield LogdirProbe(url, token)
        return
    location = local_path(logdir) / f".sparkexp-doctor-{uuid.uuid4().hex[:12]}"
    token = uuid.uuid4().hex
    with remove_at_end(str(location)):
        try:
            location.mkdir(parents=True)
            file = location / TOKEN_FILE
            _write(file, token)
            if file.read_text() != token:
                raise OSError("what was written is not what is read")
        except OSError as error:
            raise RunDirectoryError(
                f"The log directory must be writable, and logdir={logdir!r} is not for the "
                f"driver: {error.strerror or error}. Name a directory that you may write to."
            ) from error
        yield LogdirProbe(str(location), token)


def visit_probe(location: LogdirProbe) -> Visit:
    """Read the driver's file and write another one; executors call it.

    It makes no directory: if an executor doesn't see the probe, it sees another log directory.
    """
    if is_remote(location.path):
        return Visit(*visit_url(location.path, location.token))
    name = f"{os.getpid()}-{uuid.uuid4().hex[:12]}"
    read_error = write_error = ""
    try:
        if Path(location.path, TOKEN_FILE).read_text() != location.token:
            read_error = "it holds something else"
    except OSError as error:
        read_error = error.strerror or str(error)
    try:
        _write(Path(location.path, name), location.token)
    except OSError as error:
        write_error = error.strerror or str(error)
    return Visit(read_error, write_error, name)


def _write(path: Path, text: str) -> None:
    """Write a file in two parts, since event files grow and some mounted stores can't append."""
    half = len(text) // 2
    path.write_text(text[:half])
    with path.open("a") as file:
        file.write(text[half:])
