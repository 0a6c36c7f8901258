"""Temporary directories, on disk or at a URL, for a dry run and for doctor."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sparkexp.storage.filesystems import is_remote
from sparkexp.storage.remote_files import RemoteFiles, storage_errors

__all__ = ["read_text", "remove_at_end"]


@contextmanager
def remove_at_end(location: str) -> Iterator[None]:
    """Remove a directory at the end, and its parents that did not exist before.

    A parent stays if somebody else has put something into it.

    Parameters
    ----------
    location : str
        The directory's absolute path, or its URL.

    Raises
    ------
    StorageError
        If a URL can't be reached at the end.
    """
    if is_remote(location):
        try:
            yield
        finally:
            with storage_errors(location):
                RemoteFiles(location).remove()
        return
    root = Path(location)
    new = [path for path in root.parents if not path.exists()]
    try:
        yield
    finally:
        shutil.rmtree(root, ignore_errors=True)
        for path in new:  # from the innermost
            try:
                path.rmdir()
            except OSError:  # it is not empty, or was never made
                break


def read_text(location: str, name: str) -> str:
    """Return the text of a file in a directory or below a URL; empty if there is no file."""
    if is_remote(location):
        with storage_errors(location):
            return (RemoteFiles(location).read(name) or b"").decode("utf-8", "replace")
    path = Path(location, name)
    return path.read_text(errors="replace") if path.exists() else ""
