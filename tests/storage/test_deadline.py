"""Servers that say nothing are given up, and found again."""

from __future__ import annotations

import contextlib
import socket
import threading
import time

import pytest

from sparkexp.storage.deadline import call_within
from sparkexp.storage.filesystems import is_directory, open_filesystem

# Instead of the 15 s of everyday life.
LIMIT_S = 1.0
LATEST_S = LIMIT_S + 4.0


@contextlib.contextmanager
def short_limits():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sparkexp.storage.hdfs.CALL_S", LIMIT_S)
        patch.setattr("sparkexp.storage.s3.CALL_S", LIMIT_S)
        yield


@contextlib.contextmanager
def fails_soon(error=OSError):
    started = time.monotonic()
    with short_limits(), pytest.raises(error):
        yield
    assert time.monotonic() - started < LATEST_S


def test_what_is_in_time_returns_or_raises():
    assert call_within(5.0, divmod, 7, 2) == (3, 1)
    with pytest.raises(KeyError, match="name"):
        call_within(5.0, {}.__getitem__, "name")


def test_what_is_late_is_left():
    ending = threading.Event()
    started = time.monotonic()
    with pytest.raises(TimeoutError):
        call_within(0.1, ending.wait, 30.0)
    assert time.monotonic() - started < 5.0
    ending.set()


@pytest.mark.parametrize("scheme", ["hdfs:", "s3:"])
def test_a_server_that_accepts_and_says_nothing(scheme, monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{port}")
        server = f"127.0.0.1:{port}" if scheme == "hdfs:" else "bucket"
        filesystem, path = open_filesystem(f"{scheme}//{server}/run")
        with fails_soon():
            filesystem.exists(path)
        with fails_soon():
            filesystem.pipe_file(f"{path}/file", b"content")


def test_each_call_to_a_server_that_hangs_ends(storage_server):
    filesystem, root = open_filesystem(f"{storage_server.url}/hangs")
    filesystem.makedirs(root, exist_ok=True)
    filesystem.pipe_file(f"{root}/file", b"x" * 100_000)
    opened = filesystem.open(f"{root}/file", "rb")
    storage_server.pause()
    try:
        for call in (
            lambda: filesystem.exists(f"{root}/other"),
            lambda: filesystem.cat_file(f"{root}/file"),
            lambda: filesystem.ls(root, detail=True),
            lambda: filesystem.find(root),
            lambda: filesystem.pipe_file(f"{root}/new", b"x"),
            lambda: filesystem.rm(f"{root}/removed"),
            opened.read,
        ):
            with fails_soon():
                call()
    finally:
        storage_server.resume()
    filesystem.pipe_file(f"{root}/file", b"after")
    assert filesystem.cat_file(f"{root}/file") == b"after"


def test_each_call_to_a_server_that_is_gone_ends(storage_server):
    filesystem, root = open_filesystem(f"{storage_server.url}/gone")
    filesystem.makedirs(root, exist_ok=True)
    filesystem.pipe_file(f"{root}/file", b"before")
    storage_server.stop()
    try:
        for call in (
            lambda: filesystem.exists(root),
            lambda: filesystem.cat_file(f"{root}/file"),
            lambda: filesystem.find(root),
            lambda: is_directory(filesystem, root),
            lambda: filesystem.pipe_file(f"{root}/new", b"x"),
        ):
            with fails_soon():
                call()
    finally:
        storage_server.start()
    assert filesystem.cat_file(f"{root}/file") == b"before"


def test_a_file_of_which_the_writing_hangs_is_dropped(storage_server):
    filesystem, root = open_filesystem(f"{storage_server.url}/half")
    filesystem.makedirs(root, exist_ok=True)
    file = filesystem.open(f"{root}/file", "wb")
    file.write(b"x" * 100_000)
    storage_server.pause()
    try:
        with fails_soon():
            file.close()
        started = time.monotonic()
        del file  # which Python would close once more
        assert time.monotonic() - started < LIMIT_S
    finally:
        storage_server.resume()


def test_files_of_hdfs_are_read_and_written_in_pieces(hdfs, monkeypatch):
    monkeypatch.setattr("sparkexp.storage.hdfs.PIECE_BYTES", 1000)
    filesystem, root = open_filesystem(f"{hdfs.url}/pieces")
    filesystem.makedirs(root, exist_ok=True)
    content = bytes(range(256)) * 20
    filesystem.pipe_file(f"{root}/file", content)
    assert filesystem.cat_file(f"{root}/file") == content
    assert filesystem.cat_file(f"{root}/file", start=999, end=2002) == content[999:2002]
    assert filesystem.cat_file(f"{root}/file", start=-7) == content[-7:]
    with filesystem.open(f"{root}/file", "ab") as file:
        file.write(b"more")
    with filesystem.open(f"{root}/file", "rb") as file:
        assert (file.seek(-4, 2), file.read(), file.read()) == (len(content), b"more", b"")
        assert file.seek(10) == 10 and file.read(3) == content[10:13] and file.tell() == 13
    for number in range(5):
        filesystem.touch(f"{root}/{number}")
    monkeypatch.setattr("sparkexp.storage.hdfs.N_LISTED", 2)
    assert len(filesystem.ls(root)) == 6


def test_what_hdfs_forbids_says_so_in_one_line(hdfs):
    filesystem, path = open_filesystem(f"{hdfs.url}/forbidden/run")
    with pytest.raises(PermissionError, match=r"^Permission denied: user=sparkexp[^\n]*$"):
        filesystem.pipe_file(path, b"")


def test_the_cluster_of_the_hadoop_configuration(hdfs, monkeypatch):
    monkeypatch.setenv("HADOOP_CONF_DIR", str(hdfs.conf))
    filesystem, path = open_filesystem("hdfs:///default/file")
    filesystem.makedirs("/default", exist_ok=True)
    filesystem.pipe_file(path, b"here")
    assert open_filesystem(f"{hdfs.url}/")[0].cat_file("/default/file") == b"here"
