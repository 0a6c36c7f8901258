"""Opens files on any file system."""

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

    It works on the driver and in a train function. Servers, users and credentials come from the
    environment: ``HADOOP_CONF_DIR`` (its ``fs.defaultFS`` is the server of ``hdfs:///path``) and
    ``HADOOP_USER_NAME`` for HDFS; ``AWS_ENDPOINT_URL``, ``AWS_ACCESS_KEY_ID`` and AWS's other
    variables for S3.

    Parameters
    ----------
    place : str or path
        A path on this machine or a URL, such as ``s3://bucket/file`` or ``hdfs:///data/file``.
    mode : str
        ``'r'``, ``'w'``, ``'a'`` or ``'x'``, with ``'b'`` for bytes. Writing creates missing
        directories. S3 has no ``'a'``, and a file on S3 appears when it is closed.
    encoding : str, optional
        The encoding of text; UTF-8 by default, on every machine.
    newline : str, optional
        As in Python's ``open``.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    InvalidArgumentError
        If the mode is unknown.
    StorageError
        If the URL is not valid, or a package is missing.

    Examples
    --------
    >>> with open('memory://example/words.txt', 'w') as file:
    ...     _ = file.write('two words')
    >>> with open('memory://example/words.txt') as file:
    ...     file.read()
    'two words'
    """
    kind, binary = _parse_mode(mode, encoding or newline)
    encoding = None if binary else encoding or "utf-8"
    if not is_remote(place):
        path = local_path(place)
        if kind != "r":
            path.parent.mkdir(parents=True, exist_ok=True)
        return builtins.open(path, mode, encoding=encoding, newline=newline)
    filesystem, name = open_filesystem(place)
    if kind == "x":
        if filesystem.exists(name):
            raise FileExistsError(
                f"mode='x' creates a new file, and {os.fspath(place)!r} exists. Name another "
                "file, or use mode='w' to overwrite it."
            )
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


def _parse_mode(mode: str, text_option: str | None) -> tuple[str, bool]:
    """Return the mode's letter (r, w, a or x), and whether the file is binary."""
    kind = "".join(sorted(mode)) if isinstance(mode, str) else ""
    letter = kind.replace("b", "", 1).replace("t", "", 1)
    if letter not in MODES or ("b" in kind and "t" in kind):
        raise InvalidArgumentError(
            f"mode must be 'r', 'w', 'a' or 'x', with a 'b' for bytes, got {mode!r}. To read and "
            "write the same file, open it twice."
        )
    if "b" in kind and text_option:
        raise InvalidArgumentError(
            f"encoding and newline are for text files, got one of them with mode={mode!r}. Leave "
            "it out, or leave the 'b' out of mode."
        )
    return letter, "b" in kind
