"""The servers that other tests rely on: they go away, come back, and keep what they hold."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from sparkexp.storage.filesystems import open_filesystem
from tests.ports import listens
from tests.storage.service import spawn, wait_until


def test_a_server_comes_back_with_its_data(storage_server):
    running = storage_server
    filesystem, path = open_filesystem(f"{running.url}/outage/file")
    filesystem.makedirs(path.rpartition("/")[0], exist_ok=True)
    filesystem.pipe_file(path, b"before")
    running.stop()
    try:
        assert not listens(running.port)
    finally:
        running.start()
    filesystem, path = open_filesystem(f"{running.url}/outage/file")
    assert filesystem.cat_file(path) == b"before"
    running.pause()
    running.resume()
    assert filesystem.cat_file(path, start=2) == b"fore"
    listed = filesystem.ls(path.rpartition("/")[0], detail=True)
    assert [entry["size"] for entry in listed] == [6]


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's doing")
def test_nothing_is_left_where_the_tests_are_killed(tmp_path):
    code = (
        "import os, sys; from pathlib import Path; from tests.storage.service import spawn\n"
        "print(spawn(['sleep', '60'], Path(sys.argv[1]), os.environ).pid, flush=True)\n"
        "os.kill(os.getpid(), 9)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, tmp_path / "log"], stdout=subprocess.PIPE, text=True
    )
    helper = spawn(["sleep", "60"], tmp_path / "log", os.environ)
    try:
        wait_until(lambda: _gone(int(done.stdout)), "the end", [helper], tmp_path / "log")
    finally:
        helper.kill()
        helper.wait()


def _gone(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] in "ZX"
    except OSError:
        return True
