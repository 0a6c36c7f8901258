"""The part of `logdir_probe` for log directories that are URLs.

The clients of other storage start threads. An executor's worker forks the processes of trials, so
it must not have such threads: it starts another process for the visit.
"""

from __future__ import annotations

import json
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager

from sparkexp.runs.temporary import remove_at_end
from sparkexp.storage.remote_files import (
    RemoteFiles,
    check_writable,
    join_location,
    storage_errors,
)

__all__ = ["TOKEN_FILE", "url_has_file", "probe_url", "visit_url"]

TOKEN_FILE = "driver"
# Enough for several calls: a client gives up after 15 s without an answer.
VISIT_TIMEOUT_S = 90
# The process gets the search path, by which alone it finds a package that was sent along.
_START = (
    "import json, sys; order = json.load(sys.stdin); sys.path[:] = order.pop('path');"
    " from sparkexp.runs.remote_logdir_probe import _visit; print(json.dumps(_visit(**order)))"
)


@contextmanager
def probe_url(logdir: str) -> Iterator[tuple[str, str]]:
    """Write a token below a URL and remove it at the end; yield its directory and the token.

    Parameters
    ----------
    logdir : str
        The log directory of a search; it need not exist.

    Raises
    ------
    StorageError
        If the URL can't be reached, written or read, or can't be reached any more at the end.
    """
    files = check_writable(logdir)
    name, token = f".sparkexp-doctor-{uuid.uuid4().hex[:12]}", uuid.uuid4().hex
    location = join_location(logdir, name)
    with remove_at_end(location):
        with storage_errors(logdir):
            files.write(f"{name}/{TOKEN_FILE}", token.encode())
        yield location, token


def url_has_file(location: str, name: str, token: str) -> bool:
    """Return whether the driver sees the file of this name that an executor wrote."""
    try:
        return RemoteFiles(location).read(name) == token.encode()
    except Exception:  # clients have their own classes
        return False


def visit_url(location: str, token: str) -> tuple[str, str, str]:
    """Read the driver's file at a URL and write another one, in a process of its own.

    Returns
    -------
    tuple of str
        Why reading failed (empty if it didn't), why writing failed (empty if it didn't), and the
        name of the file that was written.
    """
    order = {"path": sys.path, "location": location, "token": token}
    try:
        done = subprocess.run(
            [sys.executable, "-c", _START],
            input=json.dumps(order),
            capture_output=True,
            text=True,
            timeout=VISIT_TIMEOUT_S,
        )
    except subprocess.TimeoutExpired:
        return (f"no answer within {VISIT_TIMEOUT_S} s",) * 2 + ("",)
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or [f"status {done.returncode}"])[-1]
        return reason, reason, ""
    read_error, write_error, name = json.loads(done.stdout.strip().splitlines()[-1])
    return read_error, write_error, name


def _visit(location: str, token: str) -> tuple[str, str, str]:
    name = uuid.uuid4().hex
    try:
        files = RemoteFiles(location)
    except Exception as error:  # most often a missing package
        return str(error), str(error), ""
    read_error = write_error = ""
    try:
        if files.read(TOKEN_FILE) != token.encode():
            read_error = "it holds something else, or is missing"
    except Exception as error:  # clients have their own classes
        read_error = f"{type(error).__name__}: {error}"
    try:
        files.write(name, token.encode())
    except Exception as error:
        write_error = f"{type(error).__name__}: {error}"
    return read_error, write_error, name
