"""Sessions for the tests that need Spark."""

from __future__ import annotations

import os
import signal
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession

from sparkexp.engine.spark.session import build_session
from tests.java_start import java_options
from tests.measuring import Measuring
from tests.ports import server_port
from tests.side_by_side import SideBySide, fixtures, starts_java
from tests.spark.cluster import StandaloneCluster
from tests.spark.connect_server import ConnectServer
from tests.storage.hadoop_jars import hadoop_jars
from tests.storage.hdfs import HdfsCluster
from tests.storage.s3 import S3Server

S3_PORT = server_port()
MEASURING = Measuring()


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(SideBySide())
    # From the start, since executors inherit what was set when their session began.
    os.environ.update({**S3Server.environment(S3_PORT), **HdfsCluster.environment()})
    # A shell ignores SIGINT for what it runs in the background, CI among it; the processes that
    # the tests start would inherit that, and never see a Ctrl-C.
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    # What starts a server says so. Jars of 215 MB are downloaded for HDFS: not in `make test`.
    for item in items:
        used = fixtures(item)
        if used & {"s3", "hdfs"}:
            item.add_marker(pytest.mark.storage)
        if "hdfs" in used:
            item.add_marker(pytest.mark.slow)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    # Spark's Python workers, drivers and trials are not measured: coverage.py costs each process
    # more than most trials take, and their code is measured by the tests without Spark.
    MEASURING.of_new_processes(not starts_java(item))
    # Before the first that starts Java, and so beside those that don't.
    if "JDK_JAVA_OPTIONS" not in os.environ and starts_java(item):
        assert item.config.cache is not None
        os.environ["JDK_JAVA_OPTIONS"] = java_options(item.config.cache.mkdir("java"))


@pytest.fixture(scope="session")
def spark() -> Iterator[SparkSession]:
    """A local session with two slots."""
    session = build_session("sparkexp tests", "local[2]")
    session.sparkContext.setLogLevel("ERROR")
    yield session
    session.stop()


@pytest.fixture(scope="session")
def connect(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A session of a Spark Connect server in a process of its own, with two slots."""
    from pyspark.sql.connect.session import SparkSession as RemoteSession

    with ConnectServer(tmp_path_factory.mktemp("connect")) as server:
        session = RemoteSession.builder.remote(server.url).create()
        yield session
        session.stop()


@pytest.fixture(params=["classic", "connect"])
def any_spark(request: pytest.FixtureRequest) -> Any:
    """A session of either kind."""
    return request.getfixturevalue("spark" if request.param == "classic" else "connect")


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StandaloneCluster]:
    """A standalone cluster of two workers with two announced GPUs each."""
    folder: Path = tmp_path_factory.mktemp("cluster")
    with StandaloneCluster(folder) as running:
        yield running


@pytest.fixture(params=["s3", "hdfs"])
def storage_server(request: pytest.FixtureRequest) -> S3Server | HdfsCluster:
    """A server of either kind."""
    server: S3Server | HdfsCluster = request.getfixturevalue(request.param)
    return server


@pytest.fixture(params=["local", "s3", "hdfs"])
def new_place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A place where nothing is, on each kind of file system."""
    if request.param == "local":
        return str(tmp_path / "new")
    server: S3Server | HdfsCluster = request.getfixturevalue(request.param)
    return f"{server.url}/{uuid.uuid4().hex}"


@pytest.fixture(scope="session")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """An S3 server with a bucket at `s3.url`; clients find it by their environment."""
    with S3Server(S3_PORT) as server:
        yield server.open(tmp_path_factory.mktemp("s3"))


@pytest.fixture(scope="session")
def hdfs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HdfsCluster]:
    """An HDFS at `hdfs.url`; `hdfs.conf` is a HADOOP_CONF_DIR whose fs.defaultFS it is."""
    with HdfsCluster(tmp_path_factory.mktemp("hdfs"), hadoop_jars()) as cluster:
        yield cluster.open()
