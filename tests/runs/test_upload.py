"""Uploads to real servers of S3 and HDFS, which are stopped and started meanwhile."""

from __future__ import annotations

import time
import uuid

import pytest

from sparkexp.errors import StorageError
from sparkexp.results.stored_artifacts import load_artifact
from sparkexp.runs.upload import Upload, UploadThread
from sparkexp.storage.remote_files import RemoteFiles, check_writable

pytestmark = pytest.mark.storage


@pytest.fixture
def bucket(storage_server):
    return f"{storage_server.url}/{uuid.uuid4().hex}"


def test_a_name_is_claimed_once(bucket):
    files = RemoteFiles(f"{bucket}/claims")
    assert files.claim("lock", b"first")
    assert not files.claim("lock", b"second")
    assert files.read("lock") == b"first"
    files.remove()


def test_a_probe_leaves_nothing(bucket):
    assert check_writable(f"{bucket}/probed").names("") == []


@pytest.mark.parametrize(("storage", "path"), [("s3", "x/run"), ("hdfs", "/forbidden/run")])
def test_a_wrong_place_is_named(storage, path, request):
    place = f"{request.getfixturevalue(storage).url}{path}"  # of S3 another bucket
    with pytest.raises(StorageError, match=f"writable, and '{place}' is not"):
        check_writable(place)


def test_nothing_is_lost_while_the_storage_is_away(storage_server, bucket, tmp_path):
    (tmp_path / "records").mkdir()
    (tmp_path / "records/1").write_text("one")
    (tmp_path / "state").write_text("1")
    (tmp_path / ".state.4711").write_text("half")
    thread = UploadThread(Upload(tmp_path, f"{bucket}/outage", last="state"))
    thread._wake.set()
    storage_server.stop()
    (tmp_path / "records/2").write_text("two")
    (tmp_path / "state").write_text("1, 2")
    thread._wake.set()
    deadline = time.monotonic() + 20
    while thread.error is None and time.monotonic() < deadline:
        time.sleep(0.05)
    assert thread.error is not None
    storage_server.start()
    assert thread.finish(20) is None
    files = RemoteFiles(f"{bucket}/outage")
    assert (files.names(""), files.names("records")) == (["records", "state"], ["1", "2"])
    assert files.read("state") == b"1, 2"


def test_a_storage_that_stays_away_is_waited_for_so_long(storage_server, bucket, tmp_path):
    (tmp_path / "a").write_text("kept")
    storage_server.stop()
    try:
        began = time.monotonic()
        assert UploadThread(Upload(tmp_path, f"{bucket}/away")).finish(0.5) is not None
        assert time.monotonic() - began < 10
    finally:
        storage_server.start()
    assert (tmp_path / "a").read_text() == "kept"


def test_only_what_changed_is_sent_again(storage_server, bucket, tmp_path):
    (tmp_path / "a").write_text("1")
    upload = Upload(tmp_path, f"{bucket}/again")
    upload.send()
    files = RemoteFiles(f"{bucket}/again")
    files.write("a", b"changed there")
    upload.send()
    assert files.read("a") == b"changed there"
    (tmp_path / "a").write_text("22")
    upload.send()
    assert files.read("a") == b"22"


def test_an_artifact_whose_name_leads_elsewhere_is_not_copied(s3, tmp_path, monkeypatch):
    """The keys of somebody else's bucket may hold anything."""
    monkeypatch.setenv("SPARKEXP_CACHE", str(tmp_path / "cache"))
    trial = f"{s3.url}/{uuid.uuid4().hex}/trial"
    files = RemoteFiles(f"{trial}/artifacts")
    files.write("model/weights", b"w")
    assert load_artifact("trial", trial, "model").name == "model"
    files.write("model/../../../../out", b"o")
    with pytest.raises(StorageError, match="must lie below its directory"):
        load_artifact("trial", trial, "model")
    assert not list(tmp_path.rglob("out"))
