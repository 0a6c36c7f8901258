"""What old and new versions of pyspark do in different ways; `make compat` runs the real ones."""

from __future__ import annotations

import importlib.metadata
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from pyspark import SparkFiles

from sparkexp.engine.spark.session import check_java
from sparkexp.engine.spark.versions import (
    add_python_files,
    check_connect,
    map_in_arrow,
    min_java,
)
from sparkexp.errors import EnvironmentUnfitError, InvalidArgumentError

ROOT = Path(__file__).parents[3]


def spark_home(folder: Path, java: int) -> Path:
    """Make a Spark whose classes were made for a Java."""
    (folder / "jars").mkdir(parents=True)
    with zipfile.ZipFile(folder / "jars" / "spark-core_2.12-3.5.9.jar", "w") as jar:
        head = b"\xca\xfe\xba\xbe\0\0" + (44 + java).to_bytes(2, "big")
        jar.writestr("org/apache/spark/SparkContext.class", head + b"\0" * 100)
    return folder


@pytest.mark.parametrize("java", [8, 11, 17, 21])
def test_the_java_of_another_spark(tmp_path, monkeypatch, java):
    monkeypatch.setenv("SPARK_HOME", str(spark_home(tmp_path, java)))
    assert min_java() == java


def test_the_java_of_pyspark_itself_and_of_an_empty_home(tmp_path, monkeypatch):
    monkeypatch.delenv("SPARK_HOME", raising=False)
    assert min_java() == 17
    monkeypatch.setenv("SPARK_HOME", str(tmp_path))
    assert min_java() == 17


def test_java_8_will_do_for_spark_3(tmp_path, monkeypatch):
    java = tmp_path / "bin" / "java"
    java.parent.mkdir()
    java.write_text("#!/bin/sh\necho 'openjdk version \"1.8.0_402\"' >&2\n")
    java.chmod(0o755)
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    monkeypatch.setenv("SPARK_HOME", str(spark_home(tmp_path / "old", 8)))
    assert check_java().startswith("1.8.0_402 ")
    monkeypatch.setenv("SPARK_HOME", str(spark_home(tmp_path / "new", 17)))
    with pytest.raises(EnvironmentUnfitError, match="needs Java 17 or newer .* is Java 8. "):
        check_java()


def test_what_is_imported_is_declared():
    lines = (ROOT / "requirements.txt").read_text().splitlines()
    declared = {re.split(r"[\[><;= ]", line)[0] for line in lines if line[:1].isalpha()}
    assert {"pillow", "pyarrow", "numpy", "pyspark", "tensorflow", "tensorboard"} <= declared
    assert all(importlib.metadata.version(name) for name in declared - {"setuptools"})


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("raise ImportError('pyarrow requires NumPy 2.0 or newer, found 1.26.4')", "found 1.26.4"),
        ("__version__ = '1.0.0'", "your version is 1.0.0"),
    ],
)
def test_a_pyarrow_that_pyspark_cannot_use(tmp_path, source, said):
    (tmp_path / "pyarrow.py").write_text(source)
    code = "from sparkexp.engine.spark.versions import check_arrow; check_arrow()"
    path = f"{tmp_path}{os.pathsep}{ROOT}"
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": path},
        timeout=60,
    )
    last = done.stderr.splitlines()[-1]
    assert said in last and "pyarrow 20 goes with numpy 1.26" in last, done.stderr


class OldFrame:
    """A frame of pyspark 3.5, whose tasks get a profile by its RDD only."""

    def __init__(self, steps: tuple[object, ...] = ()) -> None:
        self.steps = steps

    def mapInArrow(self, function: object, schema: str, barrier: bool = False) -> OldFrame:  # noqa: N802
        return OldFrame((*self.steps, "mapped"))

    @property
    def rdd(self) -> OldFrame:
        return OldFrame((*self.steps, "rdd"))

    def withResources(self, profile: object) -> OldFrame:  # noqa: N802
        return OldFrame((*self.steps, profile))


def test_a_profile_goes_to_the_rdd_where_frames_take_none():
    assert map_in_arrow(OldFrame(), None, "x string", None).steps == ("mapped",)
    assert map_in_arrow(OldFrame(), None, "x string", "two").steps == ("mapped", "rdd", "two")


class OldSession:
    """A classic session of pyspark 3.5, on whose context nothing new is there."""

    def __init__(self) -> None:
        self.sent: list[str] = []
        self.sparkContext = self

    def getTags(self) -> None:  # noqa: N802
        raise RuntimeError("SparkSession.getTags is only supported with Spark Connect")

    def addPyFile(self, path: str) -> None:  # noqa: N802
        self.sent.append(path)


class EarlySession:
    """A classic session of pyspark 4.0, which takes one artifact in a call."""

    def __init__(self) -> None:
        self.sent: list[str] = []

    def getTags(self) -> set[str]:  # noqa: N802
        return set()

    def addArtifacts(self, path: str, pyfile: bool) -> None:  # noqa: N802
        assert pyfile
        self.sent.append(path)


@pytest.mark.parametrize("n", [0, 1, 2])
def test_a_classic_session_with_artifacts_gets_any_number(tmp_path, monkeypatch, n):
    monkeypatch.setattr(SparkFiles, "getRootDirectory", lambda: str(tmp_path / "there"))
    paths = [str(tmp_path / f"{k}.zip") for k in range(n)]
    session = EarlySession()
    add_python_files(session, paths)
    assert session.sent == paths


def test_a_classic_session_without_artifacts_gets_files(tmp_path, monkeypatch):
    (tmp_path / "there").mkdir()
    monkeypatch.setattr(SparkFiles, "getRootDirectory", lambda: str(tmp_path / "there"))
    session, ours = OldSession(), tmp_path / "ours.py"
    ours.write_text("new")
    add_python_files(session, [str(ours)])
    assert session.sent == [str(ours)]
    (tmp_path / "there" / "ours.py").write_text("new")
    add_python_files(session, [str(ours)])
    assert session.sent == [str(ours)]
    (tmp_path / "there" / "ours.py").write_text("old")
    with pytest.raises(InvalidArgumentError, match="Rename the file, or build a new session"):
        add_python_files(session, [str(ours)])


def test_an_old_client_of_connect_is_refused():
    client = type("SparkConnectClient", (), {})()
    members = {"__module__": "pyspark.sql.connect.session", "client": client}
    session = type("SparkSession", (), members)()
    with pytest.raises(EnvironmentUnfitError, match="needs pyspark 4.0 or newer on this side"):
        check_connect(session)
