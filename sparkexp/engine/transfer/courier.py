"""Trials' files on their way to another storage, as the worker sees it.

::

    worker ──starts──► courier ◄──► S3, HDFS, …
       │   begin, end, data, tree           │
       │   one line of JSON each way        └ sends what changes in a trial's directory, every two
       │                                      seconds; what is left, when the worker has ended
       └ works on local files only

The clients of other storage start threads, which a process that forks trials must not have: hence
a process of its own, which lives as long as the worker and starts with its first trial.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from typing import Any

__all__ = ["Courier", "courier"]

# As for a spawned trial: where the package was shipped, the path alone makes it importable.
_START = (
    "import json, os, sys; sys.path[:] = json.loads(sys.stdin.buffer.readline());"
    " from sparkexp.engine.transfer.delivery import serve;"
    " serve(sys.stdin.buffer, open(os.dup(1), 'wb'))"
)


class Courier:
    """The worker's end of the process; it is made when it is needed, and anew where it is gone."""

    def __init__(self) -> None:
        self._owner = 0  # the process whose courier it is; a fork of that one needs its own
        self._process: subprocess.Popen[bytes] | None = None

    def begin(self, root: str, place: str) -> None:
        """Keep a directory's copy at a URL in step from now on; the answer is not waited for."""
        try:
            self._tell({"do": "begin", "root": root, "place": place})
        except OSError:
            self.close()  # `end` begins anew

    def ask(self, **request: Any) -> dict[str, Any]:
        """Let something be done, and return what became of it: an ``error``, if there is one."""
        answer: dict[str, Any]
        for _ in range(2):
            try:
                self._tell(request)
                line = self._read()
            except OSError:
                line = b""
            except BaseException:
                self.close()  # of what was asked, the answer is still to come
                raise
            if line.endswith(b"\n"):
                answer = json.loads(line)
                return answer
            self.close()  # it was killed, or could not start: everything may be asked again
        return {"error": "the process that sends the trials' files could not run"}

    def close(self) -> None:
        """Let it send what is left and end; that is not waited for."""
        if self._owner == os.getpid() and self._process is not None:
            for pipe in (self._process.stdin, self._process.stdout):
                assert pipe is not None
                try:
                    pipe.close()
                except OSError:
                    pass  # it is gone
            # It may take a while yet.
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
            # A session of its own: it outlives what ends the worker's process group.
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
