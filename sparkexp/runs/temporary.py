"""Places that are there for a while: what a dry run or doctor writes, and nobody finds later."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sparkexp.storage.filesystems import is_remote
from sparkexp.storage.remote_files import RemoteFiles, storage_errors

__all__ = ["read_text", "removed_afterwards"]


@contextmanager
def removed_afterwards(place: str) -> Iterator[None]:
    """Remove a directory at the end, and the ones above it that were not there before.

    Those into which somebody else puts something meanwhile stay.

    Parameters
    ----------
    place : str
        An absolute path, or a URL.

    Raises
    ------
    StorageError
        If a URL can't be reached at the end.
    """
    if is_remote(place):
        try:
            yield
        finally:
            with storage_errors(place):
                RemoteFiles(place).remove()
        return
    root = Path(place)
    new = [path for path in root.parents if not path.exists()]
    try:
        yield
    finally:
        shutil.rmtree(root, ignore_errors=True)
        for path in new:  # from the innermost
            try:
                path.rmdir()
            except OSError:  # somebody else has put something into it meanwhile, or made none
                break


def read_text(place: str, name: str) -> str:
    """Return the text of a file in a directory or at a URL; empty where it is missing."""
    if is_remote(place):
        with storage_errors(place):
            return (RemoteFiles(place).read(name) or b"").decode("utf-8", "replace")
    path = Path(place, name)
    return path.read_text(errors="replace") if path.exists() else ""
