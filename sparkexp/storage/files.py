"""Opens files for train functions, wherever they lie."""

from __future__ import annotations

import builtins
import io
import os
from typing import IO, Any, cast

from sparkexp.errors import InvalidArgumentError
from sparkexp.storage.filesystems import (
    is_remote,
    local_path,
    make_directory,
    open_filesystem,
)

__all__ = ["open"]

MODES = ("r", "w", "a", "x")
BUFFER_BYTES = 1 << 20


def open(
    place: str | os.PathLike[str],
    mode: str = "r",
    *,
    encoding: str | None = None,
    newline: str | None = None,
) -> IO[Any]:
    """Open a file on this machine, HDFS, S3 or any other file system, as Python's ``open`` does.

    It runs on the driver and in a train function alike. Servers, users and credentials come from
    the environment: ``HADOOP_CONF_DIR`` (whose ``fs.defaultFS`` is the server of ``hdfs:///path``)
    and ``HADOOP_USER_NAME``; ``AWS_ENDPOINT_URL``, ``AWS_ACCESS_KEY_ID`` and the rest of AWS's.

    Parameters
    ----------
    place : str or path
        A path on this machine or a URL, such as ``s3://bucket/file`` or ``hdfs:///data/file``.
    mode : str
        ``'r'``, ``'w'``, ``'a'`` or ``'x'``, with ``'b'`` for bytes. Directories above a file that
        is written are made. S3 has no ``'a'``; what is written there appears when it is closed.
    encoding : str, optional
        Of text; UTF-8 by default, on every machine.
    newline : str, optional
        As in Python's ``open``.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    InvalidArgumentError
        If there is no such mode.
    StorageError
        If the place can't be understood, or a package is missing.

    Examples
    --------
    >>> with open('memory://example/words.txt', 'w') as file:
    ...     _ = file.write('two words')
    >>> with open('memory://example/words.txt') as file:
    ...     file.read()
    'two words'
    """
    kind, binary = _checked(mode, encoding or newline)
    encoding = None if binary else encoding or "utf-8"
    if not is_remote(place):
        path = local_path(place)
        if kind != "r":
            path.parent.mkdir(parents=True, exist_ok=True)
        return builtins.open(path, mode, encoding=encoding, newline=newline)
    filesystem, name = open_filesystem(place)
    if kind == "x":
        if filesystem.exists(name):
            raise FileExistsError(f"Mode 'x' makes a new file, and {os.fspath(place)!r} exists.")
        kind = "w"
    if kind != "r":
        make_directory(filesystem, name.rpartition("/")[0] or "/")
    file = filesystem.open(name, f"{kind}b")
    if isinstance(file, io.RawIOBase):
        buffered = io.BufferedReader if kind == "r" else io.BufferedWriter
        file = buffered(file, BUFFER_BYTES)
    return cast(
        IO[Any], file if binary else io.TextIOWrapper(file, encoding=encoding, newline=newline)
    )


def _checked(mode: str, of_text: str | None) -> tuple[str, bool]:
    """Return the letter of what is done, and whether with bytes."""
    kind = "".join(sorted(mode)) if isinstance(mode, str) else ""
    letter = kind.replace("b", "", 1).replace("t", "", 1)
    if letter not in MODES or ("b" in kind and "t" in kind):
        raise InvalidArgumentError(
            f"mode must be 'r', 'w', 'a' or 'x', and 'b' with it for bytes, got {mode!r}. To read "
            "and write the same file, open it twice."
        )
    if "b" in kind and of_text:
        raise InvalidArgumentError(
            f"encoding and newline are for text, got them with mode={mode!r}. Leave out one of "
            "the two."
        )
    return letter, "b" in kind
