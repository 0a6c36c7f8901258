"""Whether a log directory that is a URL is there for the driver and for executors.

The clients of other storage start threads, and an executor's worker forks the processes of trials:
it lets a process of its own look.
"""

from __future__ import annotations

import json
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager

from sparkexp.runs.temporary import removed_afterwards
from sparkexp.storage.remote_files import (
    RemoteFiles,
    check_writable,
    join_location,
    storage_errors,
)

__all__ = ["TOKEN_FILE", "arrived_elsewhere", "probed_elsewhere", "visited_elsewhere"]

TOKEN_FILE = "driver"
# A client gives up a server that doesn't answer after 15 s.
PATIENCE_S = 90
# The package may be known by the path alone, where it was shipped.
_START = (
    "import json, sys; order = json.load(sys.stdin); sys.path[:] = order.pop('path');"
    " from sparkexp.runs.remote_probing import _visit; print(json.dumps(_visit(**order)))"
)


@contextmanager
def probed_elsewhere(logdir: str) -> Iterator[tuple[str, str]]:
    """Write a token below a URL, and remove it at the end; the place and the token are returned.

    Parameters
    ----------
    logdir : str
        The log directory of a search; it need not exist.

    Raises
    ------
    StorageError
        If it can't be reached, written or read, or is not reached any more at the end.
    """
    files = check_writable(logdir)
    name, token = f".sparkexp-doctor-{uuid.uuid4().hex[:12]}", uuid.uuid4().hex
    place = join_location(logdir, name)
    with removed_afterwards(place):
        with storage_errors(logdir):
            files.write(f"{name}/{TOKEN_FILE}", token.encode())
        yield place, token


def arrived_elsewhere(place: str, name: str, token: str) -> bool:
    """Tell whether the driver sees what an executor wrote under a name."""
    try:
        return RemoteFiles(place).read(name) == token.encode()
    except Exception:  # clients have their own classes
        return False


def visited_elsewhere(place: str, token: str) -> tuple[str, str, str]:
    """Read the driver's file at a URL and write one's own, in another process.

    Returns
    -------
    tuple of str
        Why the file could not be read and why none could be written, empty where that went well,
        and the name of the one that was written.
    """
    order = {"path": sys.path, "place": place, "token": token}
    try:
        done = subprocess.run(
            [sys.executable, "-c", _START],
            input=json.dumps(order),
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
        )
    except subprocess.TimeoutExpired:
        return (f"no answer within {PATIENCE_S} s",) * 2 + ("",)
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or [f"status {done.returncode}"])[-1]
        return reason, reason, ""
    unread, unwritten, name = json.loads(done.stdout.strip().splitlines()[-1])
    return unread, unwritten, name


def _visit(place: str, token: str) -> tuple[str, str, str]:
    name = uuid.uuid4().hex
    try:
        files = RemoteFiles(place)
    except Exception as error:  # a missing package, above all
        return str(error), str(error), ""
    unread = unwritten = ""
    try:
        if files.read(TOKEN_FILE) != token.encode():
            unread = "it holds something else, or nothing"
    except Exception as error:  # clients have their own classes
        unread = f"{type(error).__name__}: {error}"
    try:
        files.write(name, token.encode())
    except Exception as error:
        unwritten = f"{type(error).__name__}: {error}"
    return unread, unwritten, name
