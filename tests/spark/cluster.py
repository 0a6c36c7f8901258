"""A real standalone cluster on this machine: a master and workers from the pip package."""

from __future__ import annotations

import json
import os
import re
import signal
import stat
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from types import TracebackType

import pyspark

from tests.ports import server_port
from tests.spark.watching import ancestors, command_line, end

SPARK_HOME = Path(pyspark.__file__).parent
START_S = 180.0


class StandaloneCluster:
    """Starts a master and workers that announce invented GPUs; leaves nothing behind.

    The workers have addresses of their own (127.0.0.1, 127.0.0.2, …), and so are hosts of their
    own to Spark, which runs no copy of a task on the host of the original.

    Parameters
    ----------
    folder : Path
        Takes the logs and the workers' directories.
    n_workers : int
        Workers, each with as many cores as GPUs.
    gpus_per_worker : int
        Addresses 0 to n-1 that each worker announces; 0 announces none.
    cores_per_worker : int
        Cores; invented as well, beyond those of the machine.
    """

    def __init__(
        self,
        folder: Path,
        n_workers: int = 2,
        gpus_per_worker: int = 2,
        cores_per_worker: int = 2,
    ) -> None:
        self.folder = folder
        self.gpus_per_worker = gpus_per_worker
        self.cores_per_worker = cores_per_worker
        self.n_workers = n_workers
        self.url = ""
        self._web = 0
        self.master: subprocess.Popen[bytes] | None = None
        self.workers: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> StandaloneCluster:
        try:
            self._start_master()
            for k in range(self.n_workers):
                self.start_worker(f"worker-{k}", f"127.0.0.{k + 1}")
            self.wait_for_workers(self.n_workers)
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    def conf(self) -> dict[str, str]:
        """Return the settings of an application that uses the whole cluster."""
        conf = {
            "spark.master": self.url,
            "spark.executor.memory": "512m",
            "spark.executor.cores": str(self.cores_per_worker),
            "spark.driver.host": "127.0.0.1",
            "spark.driver.bindAddress": "127.0.0.1",
            "spark.ui.enabled": "false",
            "spark.ui.showConsoleProgress": "false",
        }
        if self.gpus_per_worker:
            conf["spark.executor.resource.gpu.amount"] = str(self.gpus_per_worker)
            conf["spark.task.resource.gpu.amount"] = "1"
        return conf

    def _start_master(self) -> None:
        self._web = server_port()
        port = server_port()
        self.url = f"spark://127.0.0.1:{port}"
        self.master = self._spawn(
            "master",
            "org.apache.spark.deploy.master.Master",
            f"--host=127.0.0.1 --port={port} --webui-port={self._web}".replace("=", " ").split(),
        )
        self._wait(lambda: self._state() is not None, "master")

    def start_worker(self, name: str, host: str = "127.0.0.1") -> subprocess.Popen[bytes]:
        """Start one more worker at an address of this machine, and return its process."""
        folder = self.folder / name
        folder.mkdir(parents=True, exist_ok=True)
        properties = folder / "worker.conf"
        lines = []
        if self.gpus_per_worker:
            script = folder / "gpus.sh"
            addresses = [str(k) for k in range(self.gpus_per_worker)]
            announced = json.dumps({"name": "gpu", "addresses": addresses})
            script.write_text(f"#!/bin/sh\necho '{announced}'\n")
            script.chmod(script.stat().st_mode | stat.S_IXUSR)
            lines = [
                f"spark.worker.resource.gpu.amount {self.gpus_per_worker}",
                f"spark.worker.resource.gpu.discoveryScript {script}",
            ]
        properties.write_text("\n".join(lines) + "\n")
        worker = self._spawn(
            name,
            "org.apache.spark.deploy.worker.Worker",
            [
                "--host", host, "--webui-port", "0", "--work-dir", str(folder),
                "--cores", str(self.cores_per_worker), "--memory", "2g",
                "--properties-file", str(properties), self.url,
            ],
            host,
        )  # fmt: skip
        self.workers.append(worker)
        return worker

    def wait_for_workers(self, n_workers: int) -> None:
        def registered() -> bool:
            state = self._state()
            return state is not None and (
                sum(worker["state"] == "ALIVE" for worker in state["workers"]) >= n_workers
            )

        self._wait(registered, f"{n_workers} workers")

    def stop(self) -> None:
        for process in [*self.workers, self.master]:
            if process is not None and process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        end(self.processes())  # executors, whose worker could not end them any more

    def processes(self) -> list[int]:
        """Return the processes that run below the cluster's folder (executors and theirs)."""
        found = []
        for entry in Path("/proc").iterdir():
            if entry.name.isdecimal():
                try:
                    where = os.readlink(entry / "cwd")
                except OSError:
                    continue
                if Path(where).is_relative_to(self.folder):
                    found.append(int(entry.name))
        return found

    def executors(self) -> list[int]:
        """Return the process ids of the executors' Java processes."""
        return [
            pid for pid in self.processes() if "CoarseGrainedExecutorBackend" in command_line(pid)
        ]

    def kill_worker(self, worker: subprocess.Popen[bytes], with_executors: bool) -> None:
        """Kill a worker as a machine that goes down does, or just its own process."""
        below = [pid for pid in self.executors() if worker.pid in ancestors(pid)]
        worker.kill()
        worker.wait()
        if with_executors:
            end(below)
        self.workers.remove(worker)

    def _spawn(
        self, name: str, main: str, arguments: list[str], host: str = "127.0.0.1"
    ) -> subprocess.Popen[bytes]:
        log = (self.folder / f"{name}.log").open("ab")
        environment = {
            **os.environ,
            "SPARK_HOME": str(SPARK_HOME),
            "PYSPARK_PYTHON": sys.executable,
            "SPARK_LOCAL_IP": host,
        }
        # A neutral directory: where the checkout is the working directory of executors, sparkexp
        # would be importable without having been shipped.
        with log:
            return subprocess.Popen(
                [str(SPARK_HOME / "bin" / "spark-class"), main, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=environment,
                cwd=self.folder,
                start_new_session=True,
            )

    def _state(self) -> dict[str, list[dict[str, str]]] | None:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self._web}/json/", timeout=5) as page:
                state: dict[str, list[dict[str, str]]] = json.load(page)
                return state
        except OSError:
            return None

    def _wait(self, condition, what: str) -> None:  # type: ignore[no-untyped-def]
        deadline = time.monotonic() + START_S
        while not condition():
            if time.monotonic() > deadline:
                logs = [
                    re.sub(r"\s+$", "", log.read_text()[-2000:])
                    for log in self.folder.glob("*.log")
                ]
                raise TimeoutError(f"{what} did not come up:\n" + "\n".join(logs))
            time.sleep(0.1)
