"""Copies whole files to and from other storage; readers never see a part of a file."""

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
    "path_below",
    "check_writable",
    "fetch_directory",
    "join_location",
    "storage_errors",
    "local_copy_of",
]

CACHE = "SPARKEXP_CACHE"
# Files up to this size are sent in one request, larger ones in pieces.
ONE_REQUEST_MB = 32


def join_location(location: str, *names: str) -> str:
    """Return the location of a file or directory below another location.

    Examples
    --------
    >>> join_location('s3://bucket/run/', 'records', 'trial-00001.json')
    's3://bucket/run/records/trial-00001.json'
    """
    return "/".join((location.rstrip("/"), *names))


def path_below(root: Path, name: str) -> Path:
    """Return the local path for a copy of a remote file; its name is not trusted.

    Raises
    ------
    StorageError
        If the name leads out of the directory, which a key on S3 may do.

    Examples
    --------
    >>> path_below(Path('copy'), 'model/weights').as_posix()
    'copy/model/weights'
    """
    parts = Path(name).parts
    if not parts or Path(name).is_absolute() or ".." in parts:
        raise StorageError(
            f"A file's name must lie below its directory, got {name!r}. The file is not copied: "
            "find out who put it there."
        )
    return root.joinpath(*parts)


def local_copy_of(location: str) -> Path:
    """Return the directory of the local copy of a remote run; it is not created.

    Parameters
    ----------
    location : str
        The run's URL. The directory has the URL's last name.
    """
    import hashlib

    root = os.environ.get(CACHE) or Path("~/.cache/sparkexp").expanduser()
    digest = hashlib.sha256(location.rstrip("/").encode()).hexdigest()[:16]
    return Path(root, digest, location.rstrip("/").rpartition("/")[2]).absolute()


class RemoteFiles:
    """The files below a location on another storage.

    The methods raise the errors of the storage's client, which are not always OSErrors.

    Parameters
    ----------
    location : str
        The URL. All names are relative to it.

    Examples
    --------
    >>> files = RemoteFiles('memory://example')
    >>> files.write('a/b', b'content')
    >>> files.read('a/b'), files.names('a'), files.read('c')
    (b'content', ['b'], None)
    """

    def __init__(self, location: str) -> None:
        self.location = location.rstrip("/")
        self._renames = scheme_of(location) in ("hdfs", "viewfs")
        self._filesystem: AbstractFileSystem
        self._filesystem, self._root = open_filesystem(self.location)

        if hasattr(self._filesystem, "auto_mkdir"):
            self._filesystem.auto_mkdir = True

    def _path(self, name: str) -> str:
        return join_location(self._root, name) if name else self._root

    def read(self, name: str) -> bytes | None:
        """Return a file's content; None if there is no such file."""
        try:
            content: bytes = self._filesystem.cat_file(self._path(name))
        except FileNotFoundError:
            return None
        return content

    def names(self, directory: str) -> list[str]:
        """Return the names in a directory; an empty list if there is no such directory."""
        try:
            found = self._filesystem.ls(self._path(directory), detail=False)
        except FileNotFoundError:
            return []
        return sorted(path.rstrip("/").rpartition("/")[2] for path in found)

    def tree(self) -> list[str]:
        """Return the names of all files, at any depth, in order."""
        root = f"{self._root.rstrip('/')}/"
        found = self._filesystem.find(self._root)
        return sorted(name[len(root) :] for name in found if name.startswith(root))

    def stamps(self, directory: str) -> dict[str, str]:
        """Return a text for each name in a directory that differs once the file has changed."""
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
        """Write a whole file from bytes or a local file; an existing one is replaced."""
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
        """Create a file if it doesn't exist, and return whether this call created it."""
        path = self._path(name)
        try:
            if self._renames:
                self._filesystem.makedirs(self._root, exist_ok=True)
                with self._filesystem.open(path, "wb", overwrite=False) as target:
                    target.write(content)
            elif scheme_of(self.location).startswith("s3"):
                self._filesystem.pipe_file(path, content, mode="create")
            else:
                if self._filesystem.exists(path):
                    return False
                self._filesystem.pipe_file(path, content)
        except FileExistsError:
            return False
        except OSError:
            # Servers refuse in different ways, but in each case the file exists.
            if self.read(name) is None:
                raise
            return False
        return True

    def fetch(self, name: str, target: Path) -> bool:
        """Copy a file to a local path at once (by renaming); return whether the file exists."""
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
        """Remove a file or a directory with its content, if it exists."""
        path = self._path(name)
        try:
            self._filesystem.rm(path, recursive=True)
        except FileNotFoundError:
            pass


@contextmanager
def storage_errors(location: str) -> Iterator[None]:
    """Raise a StorageError for any error of a storage's client in a ``with`` block.

    Raises
    ------
    StorageError
        For any error that is not one of sparkexp's own.
    """
    try:
        yield
    except SparkexpError:
        raise
    except Exception as error:  # clients have their own classes
        raise StorageError(
            f"A log directory must be reachable and readable, and {location!r} is not: "
            f"{type(error).__name__}: {error}. Check the address, the server and the credentials "
            "in the environment."
        ) from error


def fetch_directory(location: str, target: Path, prefix: str = "") -> list[str]:
    """Copy the files directly in a directory to this machine, and return their names.

    Parameters
    ----------
    location : str
        The URL of the directory. If it doesn't exist, there are no files.
    target : Path
        The local directory.
    prefix : str
        Only files whose names begin with this are copied.

    Raises
    ------
    StorageError
        If copying fails for any reason.
    """
    with storage_errors(location):
        files = RemoteFiles(location)
        names = [name for name in files.names("") if name.startswith(prefix)]
        return [name for name in names if files.fetch(name, target / name)]


def check_writable(location: str) -> RemoteFiles:
    """Check that a location can be written, with a file that is removed; return its files.

    Raises
    ------
    StorageError
        If it can't be written for any reason.
    """
    files = RemoteFiles(location)
    name = f".probe-{uuid.uuid4().hex[:12]}"
    try:
        files.write(name, str(time.time()).encode())
        files.remove(name)
    except Exception as error:  # clients have their own classes
        raise StorageError(
            f"A log directory must be writable, and {location!r} is not: "
            f"{type(error).__name__}: {error}. Name a bucket or server that exists and answers, "
            "and give credentials that may write there (AWS_ACCESS_KEY_ID, AWS_ENDPOINT_URL; "
            "HADOOP_USER_NAME, HADOOP_CONF_DIR)."
        ) from error
    return files
