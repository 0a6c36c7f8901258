"""Reads and writes small files where anything may lie in their place."""

from __future__ import annotations

import os
import shutil
import stat
from pathlib import Path

__all__ = ["check_regular", "leads_elsewhere", "read_regular", "remove_tree", "write_whole"]


def read_regular(path: str | os.PathLike[str], n_bytes: int = -1) -> bytes:
    """Return what a file holds; a pipe, a socket or a device in its place is not waited for.

    Parameters
    ----------
    path : str or path
        The file.
    n_bytes : int
        Bytes to read at most; by default all of them.

    Raises
    ------
    OSError
        If there is no file, it can't be read, or it is no regular file.
    """
    check_regular(os.stat(path))
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb", buffering=0) as file:
        check_regular(os.fstat(file.fileno()))
        return file.read(n_bytes) or b""


def check_regular(found: os.stat_result) -> None:
    """Raise OSError unless this is a file with a content of its own."""
    if not stat.S_ISREG(found.st_mode):
        raise OSError("it is no regular file")


def write_whole(path: Path, content: bytes) -> None:
    """Write a file aside and rename it, so that readers see all of it or the one before.

    Raises
    ------
    OSError
        If the file system refuses; nothing is left aside then.
    """
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_NONBLOCK
    try:
        with os.fdopen(os.open(aside, flags, 0o666), "wb") as file:
            file.write(content)
        os.replace(aside, path)
    except OSError:
        # It would take the space that is missing.
        try:
            aside.unlink()
        except OSError:
            pass
        raise


def leads_elsewhere(trial_directory: Path) -> bool:
    """Tell whether a link is on the way to a trial's directory: what is there isn't ours."""
    return trial_directory.is_symlink() or trial_directory.parent.is_symlink()


def remove_tree(path: Path) -> None:
    """Remove a directory; a link in its place goes alone, what it leads to stays.

    Raises
    ------
    OSError
        If the file system refuses.
    """
    if path.is_symlink() or not path.is_dir():
        path.unlink(missing_ok=True)
    else:
        shutil.rmtree(path)
