"""A log directory is looked at from two processes, and left as it was."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import pytest

from sparkexp.errors import RunDirectoryError, StorageError
from sparkexp.runs.probing import ProbedPlace, Visit, probed, visited
from sparkexp.storage.filesystems import is_remote
from sparkexp.storage.remote_files import RemoteFiles

VISIT = """
import json, sys
from dataclasses import asdict
from sparkexp.runs.probing import ProbedPlace, visited
print(json.dumps(asdict(visited(ProbedPlace(*json.loads(sys.argv[1]))))))
"""


def visit_from(cwd: Path, place: ProbedPlace) -> Visit:
    """Visit a place from another process, in another working directory."""
    root = str(Path(__file__).parent.parent.parent)
    done = subprocess.run(
        [sys.executable, "-c", VISIT, json.dumps(list(asdict(place).values()))],
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
    with probed(str(logdir)) as place:
        visit = visit_from(tmp_path, place)
        assert (visit.unread, visit.unwritten) == ("", "")
        assert place.arrived(visit.name) and not place.arrived("another")
    assert list(tmp_path.rglob("*")) == ([logdir.parent, logdir] if there else [])


def test_a_directory_of_the_same_name_elsewhere(tmp_path, monkeypatch):
    """What lies below /proc/self/cwd is another place for each process."""
    (tmp_path / "driver").mkdir()
    (tmp_path / "executor" / "runs").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "driver")
    (tmp_path / "here").symlink_to("/proc/self/cwd")
    with probed(str(tmp_path / "here" / "runs")) as place:
        visit = visit_from(tmp_path / "executor", place)
        assert visit.unread == visit.unwritten == "No such file or directory"
        assert not place.arrived(visit.name)
    assert not list((tmp_path / "executor" / "runs").iterdir())
    assert not list((tmp_path / "driver").iterdir())


def test_another_file_in_its_place(tmp_path):
    with probed(str(tmp_path)) as place:
        other = ProbedPlace(place.path, "another token")
        assert visited(other).unread == "it holds something else"
    assert not list(tmp_path.iterdir())


def test_a_place_that_can_not_be_written(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(RunDirectoryError, match="must be writable, and logdir='.*' is not for"):
        with probed(str(tmp_path / "file" / "runs")):
            pass
    assert list(tmp_path.iterdir()) == [tmp_path / "file"]


def test_a_file_uri(tmp_path):
    with probed((tmp_path / "runs").as_uri()) as place:
        assert Path(place.path).parent == tmp_path / "runs"
    assert not list(tmp_path.iterdir())


def test_a_url(new_place):
    """A path, S3 and HDFS alike: an executor reads what the driver wrote, and the reverse."""
    with probed(new_place) as place:
        visit = visited(place)
        assert (visit.unread, visit.unwritten) == ("", "")
        assert place.arrived(visit.name) and not place.arrived("another")
        other = ProbedPlace(place.path, "another token")
        assert "something else" in visited(other).unread and not other.arrived(visit.name)
    if is_remote(new_place):
        assert not RemoteFiles(new_place).names("")


def test_a_url_that_only_the_driver_reaches(tmp_path, monkeypatch):
    """Here: an executor whose package for it is missing."""
    with probed(f"local://{tmp_path / 'runs'}") as place:
        assert (visit := visited(place)).name and place.arrived(visit.name)
        (tmp_path / "fsspec.py").write_text("raise ImportError('No module named fsspec')")
        monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
        visit = visited(place)
        assert "No module named fsspec" in visit.unread and "fsspec" in visit.unwritten


@pytest.mark.parametrize(
    ("logdir", "said"),
    [
        ("foo://bucket/runs", "Protocol not known: foo"),
        ("local:///proc/runs", "must be writable, and 'local:///proc/runs' is not"),
    ],
)
def test_a_url_that_can_not_be_written(logdir, said):
    with pytest.raises(StorageError, match=said):
        with probed(logdir):
            pass
