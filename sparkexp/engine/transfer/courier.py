"""The courier: a process beside the worker that sends trials' files to another storage.

::

    worker ──starts──► courier ◄──► S3, HDFS, …
       │   begin, end, data, tree           │
       │   one line of JSON each way        └ sends what changes in a trial's directory, every two
       │                                      seconds; what is left, when the worker has ended
       └ works on local files only

The clients of other storage start threads. A process that forks trials must not have threads, so
the courier is a process of its own. It starts with the worker's first trial and ends after it.
This module is the worker's side; `delivery` is what the process does.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from typing import Any

__all__ = ["Courier", "courier"]

# The process gets the search path, by which alone it finds a package that was sent along.
_START = (
    "import json, os, sys; sys.path[:] = json.loads(sys.stdin.buffer.readline());"
    " from sparkexp.engine.transfer.delivery import serve;"
    " serve(sys.stdin.buffer, open(os.dup(1), 'wb'))"
)


class Courier:
    """The worker's side of the courier. It starts the process when needed, and restarts it."""

    def __init__(self) -> None:
        self._owner = 0  # the process that started the courier; a fork of it needs its own
        self._process: subprocess.Popen[bytes] | None = None

    def begin(self, root: str, location: str) -> None:
        """Start sending the changes in a directory to a URL; don't wait for an answer."""
        try:
            self._tell({"do": "begin", "root": root, "location": location})
        except OSError:
            self.close()  # the request `end` starts it again

    def ask(self, **request: Any) -> dict[str, Any]:
        """Send a request and return the answer, which has an ``error`` if the request failed."""
        answer: dict[str, Any]
        for _ in range(2):
            try:
                self._tell(request)
                line = self._read()
            except OSError:
                line = b""
            except BaseException:
                self.close()  # the answer to this request would be taken for the next one's
                raise
            if line.endswith(b"\n"):
                answer = json.loads(line)
                return answer
            self.close()  # it was killed, or could not start: a request may be repeated
        return {"error": "the process that sends the trials' files could not run"}

    def close(self) -> None:
        """Tell the process to send what is left and to end; don't wait for it."""
        if self._owner == os.getpid() and self._process is not None:
            for pipe in (self._process.stdin, self._process.stdout):
                assert pipe is not None
                try:
                    pipe.close()
                except OSError:
                    pass  # the process has ended
            # The end may take a while.
            threading.Thread(target=self._process.wait, name="courier's end", daemon=True).start()
        self._owner, self._process = 0, None

    def _tell(self, request: dict[str, Any]) -> None:
        process = self._running()
        assert process.stdin is not None
        process.stdin.write(json.dumps(request).encode() + b"\n")
        process.stdin.flush()

    def _read(self) -> bytes:
        process = self._running()
        assert process.stdout is not None
        return process.stdout.readline()

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None or self._owner != os.getpid():
            # In a session of its own: it survives a signal to the worker's process group.
            self._process = subprocess.Popen(
                [sys.executable, "-c", _START],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                start_new_session=True,
            )
            self._owner = os.getpid()
            self._tell_path()
        return self._process

    def _tell_path(self) -> None:
        assert self._process is not None and self._process.stdin is not None
        self._process.stdin.write(json.dumps(sys.path).encode() + b"\n")
        self._process.stdin.flush()


courier = Courier()
