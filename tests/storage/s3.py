"""A real S3 server on this machine: moto's, in a process of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

from tests.ports import listens, server_port
from tests.storage.service import Server, kill, signal_all, spawn, wait_until

BUCKET = "sparkexp-tests"
# Listens while it is told to be up, and keeps what it holds while it is down.
_SERVER = """\
import sys, threading
from moto.moto_server.werkzeug_app import (
    DomainDispatcherApplication, MotoRequestHandler, create_backend_app)
from werkzeug.serving import make_server
app = DomainDispatcherApplication(create_backend_app)
server = None
for line in sys.stdin:
    if line == "up\\n" and server is None:
        server = make_server(
            "127.0.0.1", int(sys.argv[1]), app, True, request_handler=MotoRequestHandler)
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
    elif line == "down\\n" and server is not None:
        server.shutdown()
        server.server_close()
        server = None
"""


class S3Server(Server):
    """Holds one bucket; everything in it is lost when the object is closed, not when it stops.

    Parameters
    ----------
    port : int
        Where it listens on 127.0.0.1; `environment` tells it to clients.
    """

    def __init__(self, port: int | None = None) -> None:
        self.port = server_port() if port is None else port
        self.endpoint = f"http://127.0.0.1:{self.port}"
        self.url = f"s3://{BUCKET}"
        self._process: subprocess.Popen[bytes] | None = None
        self._log = Path(os.devnull)

    @staticmethod
    def environment(port: int) -> dict[str, str]:
        """Return what clients of the server have in their environment."""
        return {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
            "AWS_ACCESS_KEY_ID": "sparkexp",
            "AWS_SECRET_ACCESS_KEY": "sparkexp-secret",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def open(self, folder: Path) -> S3Server:
        """Start the server and make its bucket; the log is written to the folder."""
        self._log = folder / "s3.log"
        environment = {**os.environ, **self.environment(self.port)}
        command = [sys.executable, "-W", "ignore", "-c", _SERVER, str(self.port)]
        self._process = spawn(command, self._log, environment, stdin=subprocess.PIPE)
        self.start()
        request = urllib.request.Request(f"{self.endpoint}/{BUCKET}", b"", method="PUT")
        urllib.request.urlopen(request, timeout=60).close()
        return self

    def close(self) -> None:
        """End it, with all it holds."""
        if self._process is not None:
            kill([self._process])
            assert self._process.stdin is not None
            self._process.stdin.close()

    def stop(self) -> None:
        """Refuse connections from now on."""
        self._say("down")
        assert self._process is not None
        wait_until(lambda: not listens(self.port), "the end of S3", [self._process], self._log)

    def start(self) -> None:
        """Listen, again on the same port and with the same data."""
        self._say("up")
        assert self._process is not None
        wait_until(lambda: listens(self.port), "S3", [self._process], self._log)

    def pause(self) -> None:
        """Answer nothing from now on: connections are accepted and hang."""
        assert self._process is not None
        signal_all([self._process], signal.SIGSTOP)

    def resume(self) -> None:
        """Answer again, first what was asked meanwhile."""
        assert self._process is not None
        signal_all([self._process], signal.SIGCONT)

    def _say(self, word: str) -> None:
        assert self._process is not None and self._process.stdin is not None
        self._process.stdin.write(f"{word}\n".encode())
        self._process.stdin.flush()
