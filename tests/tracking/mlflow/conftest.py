from __future__ import annotations

import itertools
import os
import uuid
from collections.abc import Iterator
from pathlib import Path

import mlflow
import pytest

from tests.ports import server_port
from tests.spark.watching import MARK, end, marked
from tests.tracking.mlflow.server import Experiment, MLflowServer

_numbers = itertools.count()


@pytest.fixture(scope="session")
def mlflow_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MLflowServer]:
    """One server for all tests; none of them stops it."""
    with MLflowServer(tmp_path_factory.mktemp("mlflow"), server_port()) as server:
        yield server.start()


@pytest.fixture
def own_server(tmp_path: Path) -> Iterator[MLflowServer]:
    """A server to be stopped; the test starts it."""
    folder = tmp_path / "server"
    folder.mkdir()
    with MLflowServer(folder, server_port()) as server:
        yield server


@pytest.fixture
def tracked(mlflow_server: MLflowServer, monkeypatch: pytest.MonkeyPatch) -> Tracked:
    """An experiment of the test's own on the server, to which MLflow's variables point."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", mlflow_server.url)
    for name in ("MLFLOW_RUN_ID", "MLFLOW_EXPERIMENT_ID", "MLFLOW_EXPERIMENT_NAME"):
        monkeypatch.delenv(name, raising=False)
    return Tracked(mlflow_server.url)


@pytest.fixture(autouse=True)
def nothing_is_left_active() -> Iterator[None]:
    yield
    assert mlflow.active_run() is None
    assert "MLFLOW_RUN_ID" not in os.environ


@pytest.fixture
def mark() -> Iterator[dict[str, str]]:
    """An environment variable that every process of a test inherits, to find them by."""
    value = uuid.uuid4().hex
    yield {MARK: value}
    end(marked(value))


class Tracked:
    """The name of a new experiment, and what it holds."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.name = f"experiment {next(_numbers)} of {os.getpid()}"

    def look(self) -> Experiment:
        return Experiment(self.url, self.name)
