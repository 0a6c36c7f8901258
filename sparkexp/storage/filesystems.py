"""Finds the file system of a location: a path on this machine, or a URL on HDFS, S3 and others."""

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
# What has to be installed for a scheme; fsspec finds the package of any other scheme.
_PACKAGES = {
    **dict.fromkeys(("s3", "s3a", "s3n"), "sparkexp[s3]"),
    **dict.fromkeys(("hdfs", "viewfs"), "sparkexp[hdfs]"),
    **dict.fromkeys(("gs", "gcs"), "gcsfs"),
    **dict.fromkeys(("abfs", "abfss", "az"), "adlfs"),
}
# In object stores a directory is only a part of names; making one could create the bucket.
_OBJECT_STORES = frozenset(("s3", "s3a", "s3n", "gs", "gcs", "abfs", "abfss", "az"))


def scheme_of(location: str | os.PathLike[str]) -> str:
    """Return the scheme of a location in lower case; it is ``file`` for a plain path.

    Examples
    --------
    >>> scheme_of('s3://bucket/run'), scheme_of('/data/run')
    ('s3', 'file')
    """
    found = _SCHEME.match(os.fspath(location))
    return found[1].lower() if found else "file"


def is_remote(location: str | os.PathLike[str]) -> bool:
    """Return whether a location is a URL on a file system other than this machine's.

    Parameters
    ----------
    location : str or path
        A path or a URL.

    Examples
    --------
    >>> is_remote('hdfs://namenode:8020/runs/1'), is_remote('file:///runs/1'), is_remote('runs/1')
    (True, False, False)
    """
    return scheme_of(location) != "file"


def local_path(location: str | os.PathLike[str]) -> Path:
    """Return a location on this machine as an absolute path.

    Parameters
    ----------
    location : str or path
        A path, in which ``~`` is the home directory, or a ``file:`` URI.

    Raises
    ------
    StorageError
        If it is neither, or there is no such home directory.

    Examples
    --------
    >>> local_path('file:///data/my%20runs').as_posix()
    '/data/my runs'
    """
    given = os.fspath(location)
    if _SCHEME.match(given):
        parts = urlsplit(given)
        local = parts.scheme == "file" and parts.netloc in ("", "localhost")
        if not local or not unquote(parts.path).strip("/"):
            raise StorageError(
                f"A location on this machine must be a path or a file: URI, got {given!r}. Write "
                "file:///path/to/directory."
            )
        given = unquote(parts.path)
    try:
        return Path(given).expanduser().absolute()
    except RuntimeError:
        raise StorageError(
            f"~ must be a home directory that exists, got {given!r}. Write the whole path."
        ) from None


def open_filesystem(location: str | os.PathLike[str]) -> tuple[AbstractFileSystem, str]:
    """Return the file system of a location, and the location's path on it.

    Server, user and credentials come from the usual environment: ``AWS_ENDPOINT_URL``,
    ``AWS_ACCESS_KEY_ID`` and the files of the AWS command line; ``HADOOP_CONF_DIR`` and
    ``HADOOP_USER_NAME``. Listings are not cached, since other processes write too. The location
    need not exist: nothing is looked up. When an HDFS or S3 server doesn't answer, a call fails
    with an OSError after about 15 s.

    Parameters
    ----------
    location : str or path
        A path, or a URL such as ``s3://bucket/directory`` or ``hdfs://namenode:8020/directory``.

    Raises
    ------
    StorageError
        If the scheme is unknown, or its package is not installed.

    Examples
    --------
    >>> filesystem, path = open_filesystem('memory://example/run/')
    >>> path
    '/example/run'
    """
    scheme = scheme_of(location)
    url = _check_url(os.fspath(location)) if scheme != "file" else ""
    try:
        if scheme == "file":
            from fsspec.implementations.local import LocalFileSystem

            return LocalFileSystem(), str(local_path(location))
        if scheme in ("hdfs", "viewfs"):
            return _open_hdfs(url, scheme)
        if scheme in ("s3", "s3a", "s3n"):
            return _open_s3(url)
        from fsspec.core import url_to_fs

        filesystem, path = url_to_fs(url, use_listings_cache=False)
        return filesystem, _trim(path)
    except ImportError as error:
        package = _PACKAGES.get(scheme, "fsspec")
        raise StorageError(
            f"{scheme}:// needs a package that is not installed here, got {url or location!r} "
            f"({error}). Run: pip install '{package}'"
        ) from error
    except ValueError as error:
        raise StorageError(
            "A location must be a path or a URL such as s3://bucket/directory, got "
            f"{url!r}: {error}"
        ) from error


def is_directory(filesystem: AbstractFileSystem, path: str) -> bool:
    """Return whether a path is a directory.

    It raises the client's error when the server doesn't answer. The file systems' own ``isdir``
    returns False then.

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
    """Make a directory and its parents; do nothing in an object store, which has none."""
    protocol = filesystem.protocol
    names = {protocol} if isinstance(protocol, str) else {*protocol}
    if not names & _OBJECT_STORES:
        filesystem.makedirs(path, exist_ok=True)


def _check_url(url: str) -> str:
    if urlsplit(url).password is not None:
        hidden = re.sub(r"//[^@]*@", "//…@", url)
        raise StorageError(
            f"A URL must not contain a password, since every result records the URL, got "
            f"{hidden!r}. Give credentials in the environment, such as AWS_ACCESS_KEY_ID."
        )
    if url.startswith("dbfs:"):
        raise StorageError(
            f"Databricks mounts dbfs: as a directory, got {url!r}. Write the path "
            f"'/dbfs/{url.removeprefix('dbfs:').lstrip('/')}', or a path below /Volumes."
        )
    if re.match(r"[^:]+:/?[^/]|[^:]+:/*$", url):
        raise StorageError(
            f"A URL must name a server or bucket after '//', and a directory, got {url!r}. Write "
            "s3://bucket/directory or hdfs://namenode:8020/directory."
        )
    return url


def _open_hdfs(url: str, scheme: str) -> tuple[AbstractFileSystem, str]:
    from sparkexp.storage.hdfs import open_hdfs

    parts = urlsplit(url)
    # Not parts.hostname, which is in lower case: the name of a service may have upper case.
    host = re.sub(r":\d*$", "", parts.netloc.rpartition("@")[2])
    # Not by the adapter's own parser, to which ? and # mean a query and a fragment.
    path = re.sub(r"^[^:]+://[^/]*", "", url)
    return open_hdfs(scheme, host, parts.port), _trim(path)


def _open_s3(url: str) -> tuple[AbstractFileSystem, str]:
    from sparkexp.storage.s3 import open_s3

    return open_s3(), _trim(url.partition("://")[2])


def _trim(path: str) -> str:
    return path.rstrip("/") or "/"
