"""``sparkexp doctor`` on sessions whose executors really lack what it is to find."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from sparkexp.doctor import Level
from sparkexp.doctor.examination import examine_session
from tests.spark.cluster import StandaloneCluster
from tests.spark.other_python import ROOT, bare_python, python_of_another_minor_version

pytestmark = pytest.mark.spark


def doctor(
    cluster: StandaloneCluster, folder: Path, logdir: Path, python: Path
) -> list[dict[str, str]]:
    """Run the command on a cluster whose executors have the Python given; return its findings."""
    conf = {**cluster.conf(), "spark.pyspark.python": str(python)}
    command = [sys.executable, "-m", "sparkexp.cli", "doctor", "--json", f"--logdir={logdir}"]
    command += [f"--conf={key}={value}" for key, value in conf.items()]
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        timeout=280,
    )
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr
    told: dict[str, Any] = json.loads(done.stdout)
    findings: list[dict[str, str]] = told["findings"]
    return findings


def problems(findings: list[dict[str, str]]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for finding in findings:
        if finding["level"] == "problem":
            assert finding["way_out"]
            found.setdefault(finding["check"], []).append(finding["found"])
    return found


@pytest.mark.parametrize("scheme", ["", "local://"])
def test_nothing_is_wrong_here(spark, tmp_path, scheme):
    logdir = tmp_path / "not" / "there"
    findings = list(examine_session(spark, f"{scheme}{logdir}"))
    assert {finding.level for finding in findings} == {Level.OK}
    assert [finding.check for finding in findings] == [
        *("executors", "executor", "executors' packages", "gpus", "log directory")
    ]
    assert [path for path in tmp_path.rglob("*") if not scheme or path.is_file()] == []


@pytest.mark.parametrize("logdir", ["foo://bucket/runs", "local:///proc/runs"])
def test_a_url_that_the_driver_cannot_write(spark, logdir):
    findings = list(examine_session(spark, logdir))
    (found,) = [finding for finding in findings if finding.level is Level.PROBLEM]
    assert found.check == "log directory" and repr(logdir) in found.found
    assert [finding.check for finding in findings][:2] == ["executors", "executor"]


def test_a_log_directory_that_the_driver_cannot_write(spark, tmp_path):
    (tmp_path / "file").touch()
    findings = list(examine_session(spark, str(tmp_path / "file" / "run")))
    (found,) = [finding for finding in findings if finding.level is Level.PROBLEM]
    assert found.check == "log directory" and "not for the driver" in found.found
    assert [finding.check for finding in findings][:2] == ["executors", "executor"]


@pytest.mark.cluster
def test_executors_without_packages_without_gpus_that_cannot_write(cluster, tmp_path):
    """One start of Spark for a missing package, invented GPUs, and another user's executors."""
    tmp_path.chmod(0o755)
    python = bare_python(tmp_path / "bare", "pyarrow", "pandas", writes=False)
    (logdir := tmp_path / "runs").mkdir()
    findings = doctor(cluster, tmp_path, logdir, python)

    found = problems(findings)
    assert set(found) == {"executors' packages", "gpus", "log directory"}
    assert [text.partition(",")[0] for text in found["executors' packages"]] == [
        *("Trials need pandas", "Trials need pyarrow")
    ]
    executors = [f["found"].partition(":")[0] for f in findings if f["check"] == "executor"]
    assert len(executors) == 2 and all(name.startswith("executor ") for name in executors)
    for texts in (found["gpus"], found["log directory"]):
        assert len(texts) == 2
        assert all(name in text for name, text in zip(executors, texts, strict=True))
    assert all("announces 0, 1, and there is no GPU" in text for text in found["gpus"])
    assert all("can only read" in text for text in found["log directory"])
    assert list(logdir.iterdir()) == []


@pytest.mark.slow
@pytest.mark.cluster
def test_executors_with_another_minor_version_of_python(cluster, tmp_path):
    python, version = python_of_another_minor_version(tmp_path / "other")
    found = problems(doctor(cluster, tmp_path, tmp_path / "runs", python))
    assert set(found) == {"executors' python"}
    (text,) = found["executors' python"]
    ours = "{}.{}".format(*sys.version_info)
    said = f"Executors need the driver's Python {ours}, and Python {version} runs on executor "
    assert text.startswith(said)
    assert not (tmp_path / "runs").exists()
