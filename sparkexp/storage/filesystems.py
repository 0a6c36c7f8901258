"""Opens the file system that a place lies on: this machine's, HDFS, S3 and its kin."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from sparkexp.errors import StorageError

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

__all__ = [
    "is_directory",
    "is_remote",
    "local_path",
    "make_directory",
    "open_filesystem",
    "scheme_of",
]

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):")
# What has to be installed for a scheme; others are known to fsspec, or to nobody.
_PACKAGES = {
    **dict.fromkeys(("s3", "s3a", "s3n"), "sparkexp[s3]"),
    **dict.fromkeys(("hdfs", "viewfs"), "sparkexp[hdfs]"),
    **dict.fromkeys(("gs", "gcs"), "gcsfs"),
    **dict.fromkeys(("abfs", "abfss", "az"), "adlfs"),
}
# Directories are only parts of names there, and to make one may make the bucket as well.
_OBJECT_STORES = frozenset(("s3", "s3a", "s3n", "gs", "gcs", "abfs", "abfss", "az"))


def scheme_of(place: str | os.PathLike[str]) -> str:
    """Return the scheme of a place, in small letters; that of a plain path is ``file``.

    Examples
    --------
    >>> scheme_of('s3://bucket/run'), scheme_of('/data/run')
    ('s3', 'file')
    """
    found = _SCHEME.match(os.fspath(place))
    return found[1].lower() if found else "file"


def is_remote(place: str | os.PathLike[str]) -> bool:
    """Tell whether a place is the URL of another file system than this machine's.

    Parameters
    ----------
    place : str or path
        A path or a URL.

    Examples
    --------
    >>> is_remote('hdfs://namenode:8020/runs/1'), is_remote('file:///runs/1'), is_remote('runs/1')
    (True, False, False)
    """
    return scheme_of(place) != "file"


def local_path(place: str | os.PathLike[str]) -> Path:
    """Return a place on this machine's file systems as an absolute path.

    Parameters
    ----------
    place : str or path
        A path, in which ``~`` is a home directory, or a ``file:`` URI.

    Raises
    ------
    StorageError
        If it is no such place.

    Examples
    --------
    >>> local_path('file:///data/my%20runs').as_posix()
    '/data/my runs'
    """
    given = os.fspath(place)
    if _SCHEME.match(given):
        parts = urlsplit(given)
        local = parts.scheme == "file" and parts.netloc in ("", "localhost")
        if not local or not unquote(parts.path).strip("/"):
            raise StorageError(
                f"A place on this machine must be a path or a file: URI of one, got {given!r}. "
                "Write file:///path/to/directory."
            )
        given = unquote(parts.path)
    try:
        return Path(given).expanduser().absolute()
    except RuntimeError:
        raise StorageError(
            f"A path must be below a home directory that exists, got {given!r}. Write it out."
        ) from None


def open_filesystem(place: str | os.PathLike[str]) -> tuple[AbstractFileSystem, str]:
    """Return the file system of a place and the place's path on it.

    Server, user and credentials come from the usual environment: ``AWS_ENDPOINT_URL``,
    ``AWS_ACCESS_KEY_ID`` and the files of the AWS command line; ``HADOOP_CONF_DIR`` and
    ``HADOOP_USER_NAME``. Listings are not cached, since others write meanwhile. Whether anything
    is there is not asked. A server of HDFS or S3 that is silent makes a call fail with an OSError
    after some 15 s.

    Parameters
    ----------
    place : str or path
        A path, or a URL such as ``s3://bucket/directory`` or ``hdfs://namenode:8020/directory``.

    Raises
    ------
    StorageError
        If nothing is known of the scheme, or its package is not installed.

    Examples
    --------
    >>> filesystem, path = open_filesystem('memory://example/run/')
    >>> path
    '/example/run'
    """
    scheme = scheme_of(place)
    url = _checked_url(os.fspath(place)) if scheme != "file" else ""
    try:
        if scheme == "file":
            from fsspec.implementations.local import LocalFileSystem

            return LocalFileSystem(), str(local_path(place))
        if scheme in ("hdfs", "viewfs"):
            return _hdfs(url, scheme)
        if scheme in ("s3", "s3a", "s3n"):
            return _s3(url)
        from fsspec.core import url_to_fs

        filesystem, path = url_to_fs(url, use_listings_cache=False)
        return filesystem, _trimmed(path)
    except ImportError as error:
        package = _PACKAGES.get(scheme, "fsspec")
        raise StorageError(
            f"{scheme}:// needs a package that is not installed here, got {url or place!r} "
            f"({error}). Run: pip install '{package}'"
        ) from error
    except ValueError as error:
        raise StorageError(
            f"A place must be a path or a URL such as s3://bucket/directory, got {url!r}: {error}"
        ) from error


def is_directory(filesystem: AbstractFileSystem, path: str) -> bool:
    """Tell whether a path is a directory; raise what prevents that from being known.

    The file systems' own ``isdir`` takes a server that doesn't answer for a no.

    Examples
    --------
    >>> is_directory(*open_filesystem('memory://nowhere/to/be/found'))
    False
    """
    try:
        return bool(filesystem.info(path)["type"] == "directory")
    except FileNotFoundError:
        return False


def make_directory(filesystem: AbstractFileSystem, path: str) -> None:
    """Make a directory and those above it, where the file system has such things."""
    protocol = filesystem.protocol
    names = {protocol} if isinstance(protocol, str) else {*protocol}
    if not names & _OBJECT_STORES:
        filesystem.makedirs(path, exist_ok=True)


def _checked_url(url: str) -> str:
    if urlsplit(url).password is not None:
        hidden = re.sub(r"//[^@]*@", "//…@", url)
        raise StorageError(
            f"A URL must hold no password, since it is written down with every result, got "
            f"{hidden!r}. Give credentials in the environment, such as AWS_ACCESS_KEY_ID."
        )
    if re.match(r"[^:]+:/?[^/]|[^:]+:/*$", url):
        raise StorageError(
            f"A URL must name a server or bucket after '//', and a directory, got {url!r}. Write "
            "s3://bucket/directory or hdfs://namenode:8020/directory."
        )
    return url


def _hdfs(url: str, scheme: str) -> tuple[AbstractFileSystem, str]:
    from sparkexp.storage.hdfs import open_hdfs

    parts = urlsplit(url)
    # Not parts.hostname, which is in small letters: names of services need not be.
    host = re.sub(r":\d*$", "", parts.netloc.rpartition("@")[2])
    # Not the adapter's own way to a path, for which ? and # have a meaning.
    path = re.sub(r"^[^:]+://[^/]*", "", url)
    return open_hdfs(scheme, host, parts.port), _trimmed(path)


def _s3(url: str) -> tuple[AbstractFileSystem, str]:
    from sparkexp.storage.s3 import open_s3

    return open_s3(), _trimmed(url.partition("://")[2])


def _trimmed(path: str) -> str:
    return path.rstrip("/") or "/"
