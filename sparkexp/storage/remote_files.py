"""Whole files to and from other storage: what stands there is complete, or not there."""

from __future__ import annotations

import os
import shutil
import socket
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from sparkexp.errors import SparkexpError, StorageError
from sparkexp.storage.filesystems import open_filesystem, scheme_of

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

__all__ = [
    "RemoteFiles",
    "below",
    "check_writable",
    "fetch_directory",
    "joined",
    "reached",
    "scratch_of",
]

CACHE = "SPARKEXP_CACHE"
# Files up to this size are sent in one request; larger ones are read in pieces.
ONE_REQUEST_MB = 32


def joined(place: str, *names: str) -> str:
    """Return a place below another one.

    Examples
    --------
    >>> joined('s3://bucket/run/', 'records', 'trial-00001.json')
    's3://bucket/run/records/trial-00001.json'
    """
    return "/".join((place.rstrip("/"), *names))


def below(root: Path, name: str) -> Path:
    """Return a local path for a file of another storage, whose name may be anybody's.

    Raises
    ------
    StorageError
        If the name leads out of the directory, as a key of S3 may.

    Examples
    --------
    >>> below(Path('copy'), 'model/weights').as_posix()
    'copy/model/weights'
    """
    parts = Path(name).parts
    if not parts or Path(name).is_absolute() or ".." in parts:
        raise StorageError(
            f"A file's name must lie below its directory to be copied, got {name!r}. Don't use "
            "what somebody has put there."
        )
    return root.joinpath(*parts)


def scratch_of(place: str) -> Path:
    """Return the directory on this machine that stands for a remote run; it isn't made.

    Parameters
    ----------
    place : str
        The run's URL; the directory has its last name.
    """
    import hashlib

    root = os.environ.get(CACHE) or Path("~/.cache/sparkexp").expanduser()
    digest = hashlib.sha256(place.rstrip("/").encode()).hexdigest()[:16]
    return Path(root, digest, place.rstrip("/").rpartition("/")[2]).absolute()


class RemoteFiles:
    """The files below a place on another storage.

    Methods raise what the storage's client raises, which is not always an OSError.

    Parameters
    ----------
    place : str
        The URL that names are relative to.

    Examples
    --------
    >>> files = RemoteFiles('memory://example')
    >>> files.write('a/b', b'content')
    >>> files.read('a/b'), files.names('a'), files.read('c')
    (b'content', ['b'], None)
    """

    def __init__(self, place: str) -> None:
        self.place = place.rstrip("/")
        self._renames = scheme_of(place) in ("hdfs", "viewfs")
        self._filesystem: AbstractFileSystem
        self._filesystem, self._root = open_filesystem(self.place)

        if hasattr(self._filesystem, "auto_mkdir"):
            self._filesystem.auto_mkdir = True

    def _path(self, name: str) -> str:
        return joined(self._root, name) if name else self._root

    def read(self, name: str) -> bytes | None:
        """Return a file's content; None if there is no such file."""
        try:
            content: bytes = self._filesystem.cat_file(self._path(name))
        except FileNotFoundError:
            return None
        return content

    def names(self, directory: str) -> list[str]:
        """Return the names in a directory; none if there is no such directory."""
        try:
            found = self._filesystem.ls(self._path(directory), detail=False)
        except FileNotFoundError:
            return []
        return sorted(path.rstrip("/").rpartition("/")[2] for path in found)

    def tree(self) -> list[str]:
        """Return the names of all files, in order."""
        root = f"{self._root.rstrip('/')}/"
        found = self._filesystem.find(self._root)
        return sorted(name[len(root) :] for name in found if name.startswith(root))

    def stamps(self, directory: str) -> dict[str, str]:
        """Return what changes with each file in a directory, by name."""
        try:
            found = self._filesystem.ls(self._path(directory), detail=True)
        except FileNotFoundError:
            return {}
        changing = ("size", "ETag", "LastModified", "modification_time", "created", "mtime")
        return {
            info["name"].rpartition("/")[2]: repr([info.get(key) for key in changing])
            for info in found
        }

    def write(self, name: str, content: bytes | Path) -> None:
        """Write a whole file from memory or from a local one, in place of one that is there."""
        path = self._path(name)
        if self._renames:
            parent, _, last = path.rpartition("/")
            self._filesystem.makedirs(parent, exist_ok=True)
            aside = f"{parent}/.{last}.{socket.gethostname()}.{os.getpid()}"
            self._stream(content, aside)
            self._filesystem.mv(aside, path, overwrite=True)
        elif isinstance(content, Path) and content.stat().st_size > ONE_REQUEST_MB * 1e6:
            self._filesystem.put_file(str(content), path)
        else:
            self._filesystem.pipe_file(
                path, content.read_bytes() if isinstance(content, Path) else content
            )

    def _stream(self, content: bytes | Path, path: str) -> None:
        with self._filesystem.open(path, "wb") as target:
            if isinstance(content, bytes):
                target.write(content)
            else:
                with content.open("rb") as source:
                    shutil.copyfileobj(source, target, 1 << 20)

    def claim(self, name: str, content: bytes) -> bool:
        """Create a file unless there is one, and return whether it was created."""
        path = self._path(name)
        try:
            if self._renames:
                self._filesystem.makedirs(self._root, exist_ok=True)
                with self._filesystem.open(path, "wb", overwrite=False) as target:
                    target.write(content)
            elif scheme_of(self.place).startswith("s3"):
                self._filesystem.pipe_file(path, content, mode="create")
            else:
                if self._filesystem.exists(path):
                    return False
                self._filesystem.pipe_file(path, content)
        except FileExistsError:
            return False
        except OSError:
            # How a refusal looks differs between servers; that the file is there doesn't.
            if self.read(name) is None:
                raise
            return False
        return True

    def fetch(self, name: str, target: Path) -> bool:
        """Copy a file to this machine, written aside and renamed; return whether it is there."""
        target.parent.mkdir(parents=True, exist_ok=True)
        aside = target.with_name(f".{target.name}.{uuid.uuid4().hex[:8]}")
        try:
            with self._filesystem.open(self._path(name), "rb") as source, aside.open("wb") as file:
                shutil.copyfileobj(source, file, 1 << 20)
            os.replace(aside, target)
        except FileNotFoundError:
            return False
        finally:
            aside.unlink(missing_ok=True)
        return True

    def remove(self, name: str = "") -> None:
        """Remove a file, or a directory with all that is in it; nothing, if it isn't there."""
        path = self._path(name)
        try:
            self._filesystem.rm(path, recursive=True)
        except FileNotFoundError:
            pass


@contextmanager
def reached(place: str) -> Iterator[None]:
    """Say of whatever a storage's client raises meanwhile what it means.

    Raises
    ------
    StorageError
        In the place of any error that is none of sparkexp's own.
    """
    try:
        yield
    except SparkexpError:
        raise
    except Exception as error:  # clients have their own classes
        raise StorageError(
            f"A log directory must be reachable and readable, and {place!r} is not: "
            f"{type(error).__name__}: {error}. Check the address, the server and the credentials "
            "in the environment."
        ) from error


def fetch_directory(place: str, target: Path, prefix: str = "") -> list[str]:
    """Copy the files right below a place to this machine, and return their names.

    Parameters
    ----------
    place : str
        The URL of a directory; one that is missing has no files.
    target : Path
        The local directory.
    prefix : str
        How the names begin.

    Raises
    ------
    StorageError
        If that fails, whatever the reason.
    """
    with reached(place):
        files = RemoteFiles(place)
        names = [name for name in files.names("") if name.startswith(prefix)]
        return [name for name in names if files.fetch(name, target / name)]


def check_writable(place: str) -> RemoteFiles:
    """Write and remove a file at a place, and return the place's files.

    Raises
    ------
    StorageError
        If that fails, whatever the reason.
    """
    files = RemoteFiles(place)
    name = f".probe-{uuid.uuid4().hex[:12]}"
    try:
        files.write(name, str(time.time()).encode())
        files.remove(name)
    except Exception as error:  # clients have their own classes
        raise StorageError(
            f"A log directory must be writable, and {place!r} is not: "
            f"{type(error).__name__}: {error}. Name a bucket or server that exists and answers, "
            "and give credentials that may write there (AWS_ACCESS_KEY_ID, AWS_ENDPOINT_URL; "
            "HADOOP_USER_NAME, HADOOP_CONF_DIR)."
        ) from error
    return files
