"""A log directory is looked at from two processes, and left as it was."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import pytest

from sparkexp.errors import RunDirectoryError, StorageError
from sparkexp.runs.logdir_probe import LogdirProbe, Visit, probe_logdir, visit_probe
from sparkexp.storage.filesystems import is_remote
from sparkexp.storage.remote_files import RemoteFiles

VISIT = """
import json, sys
from dataclasses import asdict
from sparkexp.runs.logdir_probe import LogdirProbe, visit_probe
print(json.dumps(asdict(visit_probe(LogdirProbe(*json.loads(sys.argv[1]))))))
"""


def visit_from(cwd: Path, probe: LogdirProbe) -> Visit:
    """Visit a place from another process, in another working directory."""
    root = str(Path(__file__).parent.parent.parent)
    done = subprocess.run(
        [sys.executable, "-c", VISIT, json.dumps(list(asdict(probe).values()))],
        capture_output=True,
        text=True,
        check=True,
        cwd=cwd,
        env={"PYTHONPATH": root},
    )
    return Visit(**json.loads(done.stdout))


@pytest.mark.parametrize("there", [True, False])
def test_a_shared_directory(tmp_path, there):
    logdir = tmp_path / "some" / "runs"
    if there:
        logdir.mkdir(parents=True)
    with probe_logdir(str(logdir)) as probe:
        visit = visit_from(tmp_path, probe)
        assert (visit.read_error, visit.write_error) == ("", "")
        assert probe.has_file(visit.name) and not probe.has_file("another")
    assert list(tmp_path.rglob("*")) == ([logdir.parent, logdir] if there else [])


def test_a_directory_of_the_same_name_elsewhere(tmp_path, monkeypatch):
    """What lies below /proc/self/cwd is another place for each process."""
    (tmp_path / "driver").mkdir()
    (tmp_path / "executor" / "runs").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "driver")
    (tmp_path / "here").symlink_to("/proc/self/cwd")
    with probe_logdir(str(tmp_path / "here" / "runs")) as probe:
        visit = visit_from(tmp_path / "executor", probe)
        assert visit.read_error == visit.write_error == "No such file or directory"
        assert not probe.has_file(visit.name)
    assert not list((tmp_path / "executor" / "runs").iterdir())
    assert not list((tmp_path / "driver").iterdir())


def test_another_file_in_its_place(tmp_path):
    with probe_logdir(str(tmp_path)) as probe:
        other = LogdirProbe(probe.path, "another token")
        assert visit_probe(other).read_error == "it holds something else"
    assert not list(tmp_path.iterdir())


def test_a_place_that_can_not_be_written(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(RunDirectoryError, match="must be writable, and logdir='.*' is not for"):
        with probe_logdir(str(tmp_path / "file" / "runs")):
            pass
    assert list(tmp_path.iterdir()) == [tmp_path / "file"]


def test_a_file_uri(tmp_path):
    with probe_logdir((tmp_path / "runs").as_uri()) as probe:
        assert Path(probe.path).parent == tmp_path / "runs"
    assert not list(tmp_path.iterdir())


def test_a_url(new_place):
    """A path, S3 and HDFS alike: an executor reads what the driver wrote, and the reverse."""
    with probe_logdir(new_place) as probe:
        visit = visit_probe(probe)
        assert (visit.read_error, visit.write_error) == ("", "")
        assert probe.has_file(visit.name) and not probe.has_file("another")
        other = LogdirProbe(probe.path, "another token")
        assert "something else" in visit_probe(other).read_error and not other.has_file(visit.name)
    if is_remote(new_place):
        assert not RemoteFiles(new_place).names("")


def test_a_url_that_only_the_driver_reaches(tmp_path, monkeypatch):
    """Here: an executor whose package for it is missing."""
    with probe_logdir(f"local://{tmp_path / 'runs'}") as probe:
        assert (visit := visit_probe(probe)).name and probe.has_file(visit.name)
        (tmp_path / "fsspec.py").write_text("raise ImportError('No module named fsspec')")
        monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
        visit = visit_probe(probe)
        assert "No module named fsspec" in visit.read_error and "fsspec" in visit.write_error


@pytest.mark.parametrize(
    ("logdir", "said"),
    [
        ("foo://bucket/runs", "Protocol not known: foo"),
        ("local:///proc/runs", "must be writable, and 'local:///proc/runs' is not"),
    ],
)
def test_a_url_that_can_not_be_written(logdir, said):
    with pytest.raises(StorageError, match=said):
        with probe_logdir(logdir):
            pass
