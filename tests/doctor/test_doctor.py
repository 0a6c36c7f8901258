"""What doctor makes of what was seen; that it sees, on real executors, is a Spark test."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from sparkexp.cli import main
from sparkexp.doctor.executors import executor_findings, logdir_findings
from sparkexp.doctor.failures import task_failure
from sparkexp.doctor.findings import Level, line, ok, problem, to_json
from sparkexp.engine.spark.inspection import Inspection, Sighting, package_version
from sparkexp.runs.logdir_probe import LogdirProbe, Visit

SEEN = Sighting("a", "0", "3.11.7", "/usr/bin/python3", {"numpy": "2.1", "keras": "3.15"})
DRIVER = {"numpy": "2.1", "keras": "3.15"}


def judged(*sightings, n_executors=None, local=False):
    inspection = Inspection(sightings, n_executors or len(sightings), len(sightings))
    return [f for f in executor_findings(inspection, DRIVER, local) if f.level is not Level.OK]


def test_without_java(tmp_path, monkeypatch, capsys):
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert main(["doctor", "--logdir", str(tmp_path / "runs")]) == 1
    last = capsys.readouterr().out.splitlines()[-1]
    assert last.split()[:2] == ["problem", "java"]
    assert "Spark needs Java 17 or newer" in last and "no java on the PATH. Install it." in last
    assert list(tmp_path.iterdir()) == []


def test_settings_that_are_none(tmp_path, capsys):
    assert main(["doctor", "--conf", "spark.master"]) == 1
    assert "--conf must be KEY=VALUE, got 'spark.master'" in capsys.readouterr().err
    assert main(["doctor", "--properties-file", str(tmp_path / "none")]) == 1
    assert "--properties-file must be a file of Spark settings" in capsys.readouterr().err


def test_json_has_what_the_lines_have():
    findings = [ok("java", "17"), problem("gpus", "None is\nthere.", "Add one.")]
    told = json.loads(to_json(findings))
    assert told["counts"] == {"ok": 1, "warning": 0, "problem": 1}
    assert [f["check"] for f in told["findings"]] == ["java", "gpus"]
    assert list(map(line, findings)) == [
        "ok       java                 17",
        "problem  gpus                 None is there. Add one.",
    ]


def test_a_line_is_there_before_the_next_check(monkeypatch, capsys):
    seen = []

    def examine(master, logdir, settings):
        yield ok("java", "17")
        seen.append(capsys.readouterr().out)
        yield ok("session", "Spark")

    monkeypatch.setattr("sparkexp.doctor.examine", examine)
    assert main(["doctor"]) == 0
    assert "java" in seen[0] and "session" not in seen[0]
    capsys.readouterr()
    assert main(["doctor", "--json"]) == 0
    assert seen[1] == ""  # one object, when all is known


def test_equal_executors_are_fine():
    assert judged(SEEN, replace(SEEN, executor="1")) == []


def test_a_package_that_is_missing_or_another():
    other = replace(SEEN, executor="1", packages={"numpy": "2.0", "keras": None})
    differs, missing = judged(SEEN, other)
    assert (differs.level, missing.level) == (Level.WARNING, Level.PROBLEM)
    assert "numpy should be 2.1 as on the driver, and is 2.0 on executor 1 on a" in differs.found
    assert "Trials need keras, and it is missing on executor 1 on a." in missing.found
    assert "spark.pyspark.python" in missing.way_out


def test_a_module_without_a_version_is_there():
    assert judged(replace(SEEN, packages={"numpy": "2.1", "keras": ""})) == []
    assert package_version("zipfile") == ""
    assert package_version("pytest") == pytest.__version__


def test_an_executor_that_ran_no_task():
    (found,) = judged(SEEN, n_executors=2)
    assert found.found == "Every executor must run tasks, and only 1 of 2 did."


def test_gpus_that_are_announced_and_those_that_are():
    there = replace(SEEN, announced=("1",), gpus=("0", "GPU-1b", "1", "GPU-2c"))
    assert judged(there) == []
    (absent,) = judged(replace(there, announced=("2",), absent=("2",)))
    assert absent.level is Level.PROBLEM
    assert "announces 2, and GPUs 0, 1 are there: trials would see none at 2." in absent.found
    (idle,) = judged(replace(there, announced=()))
    assert idle.level is Level.WARNING and "Spark gives trials none" in idle.found
    assert judged(replace(there, announced=()), local=True) == []


@pytest.mark.parametrize(
    ("visit", "arrives", "said"),
    [
        (Visit("", "", "x"), True, None),
        (Visit("", "", "x"), False, "the driver doesn't see"),
        (Visit("No such file", "No such file", "x"), False, "the directory is another one there"),
        (Visit("", "Permission denied", "x"), False, "can only read 'runs' (Permission denied)"),
    ],
)
def test_what_an_executor_did_in_the_log_directory(tmp_path, visit, arrives, said):
    if arrives:
        (tmp_path / "x").write_text("token")
    place = LogdirProbe(str(tmp_path), "token")
    (found,) = logdir_findings(place, [replace(SEEN, visit=visit)], "runs")
    assert found.level is (Level.PROBLEM if said else Level.OK)
    assert (said or "written and read") in found.found


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (
            # Spark 4.3.0's words.
            "Lost task 0.3 in stage 0.0 (TID 3) (10.0.0.7 executor 2): …\n"
            "[PYTHON_VERSION_MISMATCH] Python in worker has different version: 3.12 than that in "
            "driver: 3.11, PySpark cannot run with different minor versions.",
            "Python 3.12 runs on executor 2 on 10.0.0.7.",
        ),
        (
            'java.io.IOException: Cannot run program "/opt/none/python": error=2, No such file or '
            "directory\n\tat java.base/…",
            "'/opt/none/python' can't be run on an executor: No such file or directory.",
        ),
        ("Error from python worker:\n  No module named pyspark.daemon\n", "need pyspark.daemon"),
        ("Job aborted:\njava.lang.OutOfMemoryError: heap\n", "OutOfMemoryError: heap"),
        ("", "no reason is given"),
    ],
)
def test_why_no_task_ran(error, said):
    found = task_failure(error)
    assert found.level is Level.PROBLEM and said in found.found and found.way_out


def test_a_sighting_travels_as_json():
    seen = replace(SEEN, announced=("0",), absent=("0",), visit=Visit("", "no", "x"))
    assert Sighting.from_json(seen.to_json()) == seen
    assert seen.where == "executor 0 on a"
