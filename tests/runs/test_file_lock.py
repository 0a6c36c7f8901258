from __future__ import annotations

import errno
import fcntl
import json
import os
import subprocess
import sys

import pytest

from sparkexp import experiment
from sparkexp.errors import RunDirectoryError
from sparkexp.runs import create_run, open_run
from sparkexp.runs.driver_lock import this_host

HOW = {"engine": "inline", "progress": False}
OUTPUT = {"capture_output": True, "text": True, "check": True}
WITHOUT_LOCKS = (
    errno.ENOSYS, errno.ENOTSUP, errno.ENOLCK, errno.EINVAL, errno.ENOTTY, errno.EIO,
    errno.EACCES,
)  # fmt: skip


@pytest.fixture(params=WITHOUT_LOCKS)
def without_locks(request, monkeypatch):
    def refuse(file, how):
        raise OSError(request.param, os.strerror(request.param))

    monkeypatch.setattr(fcntl, "flock", refuse)


@pytest.mark.usefixtures("without_locks")
def test_a_search_where_there_are_no_locks(tmp_path, caplog):
    root = tmp_path / "run"
    grid = {"x": [1.0, 2.0, 3.0]}
    experiment.launch(None, lambda x: x, grid, max_trials=2, logdir=root, **HOW)
    assert caplog.text.count("has no locks") == 1
    assert len(experiment.resume(None, lambda x: x, root, max_trials=None, **HOW)) == 3


@pytest.mark.usefixtures("without_locks")
def test_there_a_second_driver_of_this_host_is_refused_while_the_first_lives(tmp_path):
    run = create_run(tmp_path / "run", {"name": "x"})
    with run.lock():
        with pytest.raises(RunDirectoryError, match=rf"process {os.getpid()} of this host works"):
            with open_run(run.paths.root).lock():
                pass
        assert run.ensure_root()
    with open_run(run.paths.root).lock():
        pass
    # A driver that was killed leaves its own.
    dead = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], **OUTPUT)
    holder = {"id": "1", "host": this_host(), "pid": int(dead.stdout)}
    run.paths.lock.write_text(json.dumps(holder))
    with open_run(run.paths.root).lock():
        pass


@pytest.mark.usefixtures("without_locks")
def test_there_a_driver_of_another_host_that_takes_the_run_over_is_seen(tmp_path):
    run = create_run(tmp_path / "run", {"name": "x"})
    root = run.paths.root
    with run.lock():
        root.joinpath("driver.lock").write_text('{"id": "2", "host": "other", "pid": 1}')
        run.ensure_root()
        assert run.paths.root == root  # nobody can tell if it lives
        assert json.loads(run.paths.lock.read_text())["host"] == this_host()


def test_with_locks_the_file_names_its_driver(tmp_path):
    run = create_run(tmp_path / "run", {"name": "x"})
    with run.lock():
        assert json.loads(run.paths.lock.read_text())["pid"] == os.getpid()
        with pytest.raises(RunDirectoryError, match="another process works on"):
            with open_run(run.paths.root).lock():
                pass
    assert run.paths.lock.read_text() == ""
