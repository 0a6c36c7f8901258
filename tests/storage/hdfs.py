"""A real HDFS on this machine: a NameNode and a DataNode, as small as they get."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hdfs_native import Client

from tests.ports import server_port
from tests.storage.service import Server, kill, signal_all, spawn, wait_until

USER = "sparkexp"
SUPERUSER = "hdfs"
_SERVER = "org.apache.hadoop.hdfs.server"
_JAVA = [
    "java", "-Xmx128m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-XX:-UsePerfData",
    "-Djava.net.preferIPv4Stack=true",
    *(f"--add-opens=java.base/{name}=ALL-UNNAMED"
      for name in ("java.lang", "java.util", "java.nio", "sun.nio.ch")),
]  # fmt: skip
_LOG4J = """\
log4j.rootLogger=WARN, out
log4j.appender.out=org.apache.log4j.ConsoleAppender
log4j.appender.out.target=System.err
log4j.appender.out.layout=org.apache.log4j.PatternLayout
log4j.appender.out.layout.ConversionPattern=%d %p %c{1}: %m%n
"""


class HdfsCluster(Server):
    """A file system in which everybody may write to the root, and only `SUPERUSER` to /forbidden.

    Parameters
    ----------
    folder : Path
        Takes the data, the logs, and in ``conf`` a core-site.xml that names the cluster.
    jars : Path
        Jars of a Hadoop server.
    """

    def __init__(self, folder: Path, jars: Path) -> None:
        self.port = server_port()
        self.url = f"hdfs://127.0.0.1:{self.port}"
        self.conf = folder / "conf"
        self._folder = folder
        self._log = folder / "hdfs.log"
        self._class_path = f"{self.conf}:{jars}/*"
        self._processes: list[subprocess.Popen[bytes]] = []

    @staticmethod
    def environment() -> dict[str, str]:
        """Return what clients of the cluster have in their environment."""
        return {"HADOOP_USER_NAME": USER}

    def open(self) -> HdfsCluster:
        """Make an empty file system and start it."""
        _write_conf(self._folder, self.port)
        name_node = [f"{_SERVER}.namenode.NameNode", "-format", "-nonInteractive"]
        formatting = self._java(*name_node)
        if formatting.wait(120) != 0:
            raise RuntimeError(f"no file system could be made:\n{self._log.read_text()[-4000:]}")
        self.start()
        with as_user(SUPERUSER):
            client = Client(self.url)
            client.mkdirs("/forbidden", 0o700, True)
            client.set_permission("/", 0o777)
        return self

    def start(self) -> None:
        """Start it, again on the same port and with the same data."""
        self._processes = [
            self._java(f"{_SERVER}.namenode.NameNode"),
            self._java(f"{_SERVER}.datanode.DataNode"),
        ]
        with as_user(SUPERUSER):
            wait_until(self._writable, "HDFS", self._processes, self._log)

    def stop(self) -> None:
        """Kill it, as machines that go down do; the data stay."""
        kill(self._processes)

    close = stop

    def pause(self) -> None:
        """Answer nothing from now on: connections are accepted and hang."""
        signal_all(self._processes, signal.SIGSTOP)

    def resume(self) -> None:
        """Answer again, first what was asked meanwhile."""
        signal_all(self._processes, signal.SIGCONT)

    def _java(self, *words: str) -> subprocess.Popen[bytes]:
        environment = {**os.environ, "HADOOP_USER_NAME": SUPERUSER}
        environment.pop("JDK_JAVA_OPTIONS", None)  # they are made for Spark
        return spawn([*_JAVA, "-cp", self._class_path, *words], self._log, environment)

    def _writable(self) -> bool:
        try:
            client = Client(self.url)
            # Under a new name: a file that could not be written stays locked for a while.
            probe = f"/.probe-{time.monotonic_ns()}"
            with client.create(probe) as file:
                file.write(b"here")
            client.delete(probe)
        except Exception:  # refused, in safe mode, without a DataNode: it says it in many ways
            return False
        return True


@contextmanager
def as_user(name: str) -> Iterator[None]:
    """Be another user of HDFS meanwhile."""
    before = os.environ.get("HADOOP_USER_NAME")
    os.environ["HADOOP_USER_NAME"] = name
    try:
        yield
    finally:
        if before is None:
            del os.environ["HADOOP_USER_NAME"]
        else:
            os.environ["HADOOP_USER_NAME"] = before


def _write_conf(folder: Path, port: int) -> None:
    conf = folder / "conf"
    for name in ("hdfs", "datanode"):
        (conf / "webapps" / name / "WEB-INF").mkdir(parents=True)
    (conf / "log4j.properties").write_text(_LOG4J)
    core = {"fs.defaultFS": f"hdfs://127.0.0.1:{port}"}
    servers = {
        # A DataNode that finds no NameNode tries again soon, not after seconds.
        "ipc.client.connect.retry.interval": "100",
        "ipc.client.connect.max.retries": "600",
        "dfs.namenode.name.dir": f"file://{folder}/name",
        "dfs.datanode.data.dir": f"file://{folder}/data",
        "dfs.replication": "1",
        "dfs.webhdfs.enabled": "false",
        "dfs.heartbeat.interval": "1",
        "dfs.namenode.safemode.min.datanodes": "1",
        "dfs.namenode.safemode.extension": "0",
        "dfs.namenode.http-address": "127.0.0.1:0",
        "dfs.datanode.address": f"127.0.0.1:{server_port()}",
        "dfs.datanode.ipc.address": f"127.0.0.1:{server_port()}",
        "dfs.datanode.http.address": "127.0.0.1:0",
    }
    _write_xml(conf / "core-site.xml", core)
    _write_xml(conf / "hdfs-site.xml", servers)


def _write_xml(path: Path, settings: dict[str, str]) -> None:
    lines = [
        f"<property><name>{name}</name><value>{value}</value></property>"
        for name, value in settings.items()
    ]
    path.write_text("\n".join(["<configuration>", *lines, "</configuration>"]))
