"""Whether a log directory is the same place for the driver and for executors."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sparkexp.errors import RunDirectoryError
from sparkexp.runs.remote_probing import (
    TOKEN_FILE,
    arrived_elsewhere,
    probed_elsewhere,
    visited_elsewhere,
)
from sparkexp.runs.temporary import removed_afterwards
from sparkexp.storage.filesystems import is_remote, local_path

__all__ = ["Visit", "ProbedPlace", "probed", "visited"]


@dataclass(frozen=True)
class ProbedPlace:
    """A directory that the driver made for a while in a log directory.

    Parameters
    ----------
    path : str
        The directory, or its URL; it holds a file with the token.
    token : str
        What is in the driver's file, and in those of executors.
    """

    path: str
    token: str

    def arrived(self, name: str) -> bool:
        """Tell whether the driver sees what an executor wrote under a name."""
        if is_remote(self.path):
            return arrived_elsewhere(self.path, name, self.token)
        try:
            return Path(self.path, name).read_text() == self.token
        except OSError:
            return False


@dataclass(frozen=True)
class Visit:
    """What an executor could do in a probed place.

    Parameters
    ----------
    unread : str
        Why the driver's file could not be read; empty where it could.
    unwritten : str
        Why no file could be written; empty where one was.
    name : str
        The file's name.
    """

    unread: str
    unwritten: str
    name: str


@contextmanager
def probed(logdir: str) -> Iterator[ProbedPlace]:
    """Write into a log directory, and leave it as it was.

    Directories that had to be made are removed again; only those above the log directory stay
    where somebody else put something into them meanwhile.

    Parameters
    ----------
    logdir : str
        The log directory of a search; it need not exist.

    Raises
    ------
    RunDirectoryError
        If it can't be written or read.
    StorageError
        If it is a URL, and can't be reached, written or read.
    """
    if is_remote(logdir):
        with probed_elsewhere(logdir) as (url, token):
            yield ProbedPlace(url, token)
        return
    place = local_path(logdir) / f".sparkexp-doctor-{uuid.uuid4().hex[:12]}"
    token = uuid.uuid4().hex
    with removed_afterwards(str(place)):
        try:
            place.mkdir(parents=True)
            file = place / TOKEN_FILE
            _write(file, token)
            if file.read_text() != token:
                raise OSError("what was written is not what is read")
        except OSError as error:
            raise RunDirectoryError(
                f"The log directory must be writable, and logdir={logdir!r} is not for the "
                f"driver: {error.strerror or error}. Name a directory that you may write to."
            ) from error
        yield ProbedPlace(str(place), token)


def visited(place: ProbedPlace) -> Visit:
    """Read the driver's file and write one's own: what an executor does.

    No directory is made: where the place isn't there, one of the same name would be another.
    """
    if is_remote(place.path):
        return Visit(*visited_elsewhere(place.path, place.token))
    name = f"{os.getpid()}-{uuid.uuid4().hex[:12]}"
    unread = unwritten = ""
    try:
        if Path(place.path, TOKEN_FILE).read_text() != place.token:
            unread = "it holds something else"
    except OSError as error:
        unread = error.strerror or str(error)
    try:
        _write(Path(place.path, name), place.token)
    except OSError as error:
        unwritten = error.strerror or str(error)
    return Visit(unread, unwritten, name)


def _write(path: Path, text: str) -> None:
    """Write a file in two parts: event files grow, and some mounted stores can't append."""
    half = len(text) // 2
    path.write_text(text[:half])
    with path.open("a") as file:
        file.write(text[half:])
