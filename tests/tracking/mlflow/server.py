"""A server of MLflow with SQLite behind it, and what it holds."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import mlflow
import requests

from tests.storage.service import Server, kill, signal_all, spawn, wait_until

VARIABLES = {
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
}


class MLflowServer(Server):
    """A server on 127.0.0.1, with a folder of its own."""

    def __init__(self, folder: Path, port: int) -> None:
        self.folder = folder
        self.port = port
        self.url = f"http://127.0.0.1:{port}"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> MLflowServer:
        """Start it, or start it again on what it had."""
        log = self.folder / "server.log"
        command = [
            *(sys.executable, "-m", "uvicorn", "--host", "127.0.0.1", "--port", str(self.port)),
            "mlflow.server.fastapi_app:app",
        ]
        variables = {
            **VARIABLES,
            "_MLFLOW_SERVER_FILE_STORE": f"sqlite:///{self.folder}/mlflow.db",
            "_MLFLOW_SERVER_REGISTRY_STORE": f"sqlite:///{self.folder}/mlflow.db",
            "_MLFLOW_SERVER_ARTIFACT_ROOT": "mlflow-artifacts:/",
            "_MLFLOW_SERVER_ARTIFACT_DESTINATION": f"{self.folder}/artifacts",
            "_MLFLOW_SERVER_SERVE_ARTIFACTS": "true",
        }
        self._process = spawn(command, log, {**os.environ, **variables})
        wait_until(self._answers, "MLflow's server", [self._process], log)
        return self

    def count_calls(self) -> int:
        """Return how many requests it has answered, probes apart."""
        lines = (self.folder / "server.log").read_text().splitlines()
        return sum('HTTP/1.1" 2' in line and "/health" not in line for line in lines)

    def stop(self) -> None:
        """Kill it."""
        if self._process is not None:
            kill([self._process])

    def freeze(self) -> None:
        """Let it accept connections and say nothing."""
        assert self._process is not None
        signal_all([self._process], signal.SIGSTOP)

    def thaw(self) -> None:
        assert self._process is not None
        signal_all([self._process], signal.SIGCONT)

    def close(self) -> None:
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _answers(self) -> bool:
        try:
            return requests.get(f"{self.url}/health", timeout=1).status_code == 200
        except requests.RequestException:
            return False


@dataclass
class Run:
    """A run as the server has it."""

    id: str
    name: str
    status: str
    params: dict[str, str]
    tags: dict[str, str]
    metrics: dict[str, float]
    children: list[Run] = field(default_factory=list)

    @property
    def parent(self) -> str:
        return self.tags.get("mlflow.parentRunId", "")


class Experiment:
    """All runs of an experiment that are not deleted."""

    def __init__(self, url: str, name: str) -> None:
        self.client = mlflow.MlflowClient(url)
        found = self.client.get_experiment_by_name(name)
        assert found is not None, f"no experiment {name}"
        self.id = found.experiment_id
        self.runs: dict[str, Run] = {}
        token = None
        while True:
            page = self.client.search_runs([self.id], max_results=500, page_token=token)
            for run in page:
                data: Any = run.data
                self.runs[run.info.run_id] = Run(
                    run.info.run_id, run.info.run_name, run.info.status,
                    dict(data.params), dict(data.tags), dict(data.metrics),
                )  # fmt: skip
            token = page.token
            if not token:
                break
        self.roots = [run for run in self.runs.values() if not run.parent]
        for run in self.runs.values():
            if run.parent in self.runs:
                self.runs[run.parent].children.append(run)
        for run in self.runs.values():
            run.children.sort(key=lambda child: child.name)

    @property
    def search(self) -> Run:
        """The search's run, of which there is one."""
        (root,) = self.roots
        return root

    @property
    def trials(self) -> list[Run]:
        return self.search.children

    def curve(self, run: Run, metric: str) -> list[tuple[int, float]]:
        """Return all points of a metric, in the order of their steps."""
        history = self.client.get_metric_history(run.id, metric)
        return sorted((point.step, point.value) for point in history)
