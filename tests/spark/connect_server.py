"""A Spark Connect server in a process of its own, as a cluster's administrator starts it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import uuid
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType

from tests.ports import listens, server_port
from tests.spark.cluster import SPARK_HOME
from tests.spark.watching import end, marked

START_S = 120.0


class ConnectServer:
    """Starts a server on this machine, and ends it with everything that it started.

    Parameters
    ----------
    folder : Path
        Takes the log and the server's working files.
    conf : Mapping[str, str]
        Spark settings of the server.
    """

    def __init__(self, folder: Path, conf: Mapping[str, str] | None = None) -> None:
        self.folder = folder
        self.port = server_port()
        self.url = f"sc://127.0.0.1:{self.port}"
        self._conf = {
            "spark.master": "local[2]",
            "spark.ui.enabled": "false",
            "spark.connect.grpc.binding.address": "127.0.0.1",
            "spark.connect.grpc.binding.port": str(self.port),
            **(conf or {}),
        }
        self._mark = uuid.uuid4().hex
        self.process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> ConnectServer:
        self.folder.mkdir(parents=True, exist_ok=True)
        settings = [f"--conf={key}={value}" for key, value in self._conf.items()]
        command = [
            str(SPARK_HOME / "bin" / "spark-submit"),
            "--class=org.apache.spark.sql.connect.service.SparkConnectServer",
            *settings,
            "spark-internal",
        ]
        environment = {
            **os.environ,
            "SPARK_HOME": str(SPARK_HOME),
            "PYSPARK_PYTHON": sys.executable,
            "SPARK_LOCAL_IP": "127.0.0.1",
            "SPARKEXP_TEST_SERVER": self._mark,
        }
        with (self.folder / "server.log").open("ab") as log:
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment,
                cwd=self.folder, start_new_session=True,
            )  # fmt: skip
        deadline = time.monotonic() + START_S
        while not listens(self.port):
            if time.monotonic() > deadline or self.process.poll() is not None:
                self.kill()
                text = (self.folder / "server.log").read_text()[-4000:]
                raise TimeoutError(f"the Connect server did not come up:\n{text}")
            time.sleep(0.1)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.kill()
        end(self.processes())

    def kill(self) -> None:
        """Kill the server's Java process, as a machine that goes down does."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def processes(self) -> list[int]:
        """Return the server's processes: workers and trials, too."""
        return marked(self._mark, "SPARKEXP_TEST_SERVER")
