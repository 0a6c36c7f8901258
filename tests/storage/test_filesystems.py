"""Places: on this machine, and on file systems that fsspec opens."""

from __future__ import annotations

import subprocess
import sys

import pytest

from sparkexp.errors import StorageError
from sparkexp.storage.filesystems import is_remote, local_path, open_filesystem


@pytest.mark.parametrize(
    ("place", "remote"),
    [
        ("s3://bucket/run", True),
        ("hdfs:///run", True),
        ("memory://run", True),
        ("file:///run", False),
        ("/a:b/run", False),
        ("run", False),
        ("C:", False),
    ],
)
def test_what_is_remote(place, remote):
    assert is_remote(place) is remote


def test_local_places(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    assert local_path("run") == local_path("~/run") == tmp_path / "run"
    assert str(local_path("file:/a%20b")) == str(local_path("file://localhost/a b")) == "/a b"
    filesystem, path = open_filesystem(tmp_path / "run")
    filesystem.pipe_file(path, b"here")
    assert (tmp_path / "run").read_bytes() == b"here"


@pytest.mark.parametrize(
    "place", ["file://elsewhere/run", "file:///", "s3://b/run", "~nobody-x/a"]
)
def test_what_is_no_local_place(place):
    with pytest.raises(StorageError, match="must be"):
        local_path(place)


def test_paths_of_urls():
    assert open_filesystem("s3://bucket/some/run/")[1] == "bucket/some/run"
    assert open_filesystem("s3a://bucket/a b%20c")[1] == "bucket/a b%20c"
    assert open_filesystem("hdfs://127.0.0.1:1/a?b#c/d/")[1] == "/a?b#c/d"


@pytest.mark.parametrize("place", ["s3:bucket/run", "s3://", "hdfs:/run", "nosuch://run"])
def test_wrong_urls_are_refused(place):
    with pytest.raises(StorageError, match="must"):
        open_filesystem(place)


def test_passwords_are_refused_and_not_repeated():
    with pytest.raises(StorageError, match="AWS_ACCESS_KEY_ID") as caught:
        open_filesystem("s3://me:geheim@bucket/run")
    assert "geheim" not in str(caught.value)


@pytest.mark.parametrize(
    ("place", "module", "way_out"),
    [
        ("s3://bucket/run", "s3fs", r"pip install 'sparkexp\[s3\]'"),
        ("hdfs://namenode/run", "hdfs_native", r"pip install 'sparkexp\[hdfs\]'"),
        ("gs://bucket/run", "gcsfs", "pip install 'gcsfs'"),
    ],
)
def test_a_missing_package_is_named(place, module, way_out, monkeypatch):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(StorageError, match=way_out):
        open_filesystem(place)


def test_nothing_of_it_is_loaded_before_it_is_needed():
    code = (
        "import sys, sparkexp.experiment, sparkexp.storage.filesystems;"
        "sys.exit(bool({'fsspec', 's3fs', 'hdfs_native'} & set(sys.modules)))"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
