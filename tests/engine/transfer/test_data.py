from __future__ import annotations

import os
import pickle
import struct
import tempfile
from pathlib import Path

import numpy as np
import pytest

from sparkexp.engine.base import TrialTask
from sparkexp.engine.transfer import data
from sparkexp.engine.transfer.data import read_data, write_data
from sparkexp.engine.worker.task import run_attempt
from sparkexp.errors import StorageError
from sparkexp.trial import State, Trial


@pytest.fixture(autouse=True)
def scratch(tmp_path, monkeypatch) -> Path:
    folder = tmp_path / "scratch"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


class Evil:
    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self):
        return os.system, (f"touch {self.mark}",)


def old_form(content: bytes) -> bytes:
    """A file as earlier versions read it."""
    return struct.pack("<QQ", len(content), 0) + content


def evil_head(path: Path, mark: Path) -> bytes:
    """The file with another pickle in the place of its own, and the arrays as they were."""
    other = path.with_name("other")
    write_data(Evil(mark), other)
    return other.read_bytes()


def in_place(path: Path, content: bytes) -> None:
    with path.open("r+b") as file:
        file.write(content)


def test_arrays_come_back_as_they_were(tmp_path):
    given = {"x": np.arange(100_000.0), "y": np.ones((3, 5), "i2"), "text": "é", "none": []}
    digest = write_data(given, tmp_path / "d")
    for _ in range(2):
        read = read_data(tmp_path / "d", digest)
        assert read["text"] == "é" and read["none"] == []
        assert (read["x"] == given["x"]).all() and (read["y"] == given["y"]).all()
        read["x"][:] = 0  # its own copy
    assert all(part.ctypes.data % data.ALIGNMENT == 0 for part in (read["x"], read["y"]))


def replaced(path: Path, content: bytes) -> None:
    aside = path.with_name("aside")
    aside.write_bytes(content)
    os.replace(aside, path)


@pytest.mark.parametrize("change", [replaced, Path.write_bytes, in_place])
@pytest.mark.parametrize("is_read_before", [True, False])
@pytest.mark.parametrize("made", ["old", "head", "empty", "short", "huge", "text"])
def test_nothing_else_is_unpickled(tmp_path, change, is_read_before, made):
    path, mark = tmp_path / "data.pickle", tmp_path / "mark"
    digest = write_data({"x": np.arange(1000), "a": 1}, path)
    if is_read_before:
        read_data(path, digest)
    content = {
        "old": old_form(pickle.dumps(Evil(mark))),
        "head": evil_head(path, mark),
        "empty": b"",
        "short": b"\0" * 9,
        "huge": struct.pack("<QQ", 2**63, 2**63) + b"x" * 100,
        "text": b"what else",
    }[made]
    change(path, content)
    if change is in_place and made == "empty":
        return
    with pytest.raises(StorageError, match=r"data\.pickle is something else"):
        read_data(path, digest)
    assert not mark.exists()


@pytest.mark.parametrize("change", [replaced, Path.write_bytes])
@pytest.mark.parametrize("is_read_before", [True, False])
def test_changed_arrays_are_noticed(tmp_path, change, is_read_before):
    path = tmp_path / "data.pickle"
    digest = write_data(np.zeros(100_000), path)
    before = path.stat()
    if is_read_before:
        read_data(path, digest)
    content = bytearray(path.read_bytes())
    content[-3] = 1
    change(path, bytes(content))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    with pytest.raises(StorageError, match="something else"):
        read_data(path, digest)
    change(path, bytes(content[:-8]))
    with pytest.raises(StorageError, match="something else"):
        read_data(path, digest)


def test_arrays_are_looked_at_once(tmp_path, monkeypatch):
    path = tmp_path / "data.pickle"
    digest = write_data(np.zeros(1_000_000), path)
    sizes = []
    real = data.hashlib.sha256

    class Counting:
        def __init__(self, content=b"") -> None:
            self.real = real(content)
            sizes.append(len(content))
            self.digest, self.hexdigest = self.real.digest, self.real.hexdigest

        def update(self, content) -> None:
            sizes.append(len(content))
            self.real.update(content)

    monkeypatch.setattr(data.hashlib, "sha256", Counting)
    read_data(path, digest)
    assert sum(sizes) > 8_000_000
    sizes.clear()
    read_data(path, digest)
    assert sum(sizes) < 1_000


def test_a_pipe_or_a_folder_in_its_place_holds_nobody_up(tmp_path):
    for k, make in enumerate((os.mkfifo, os.mkdir)):
        make(tmp_path / str(k))
        with pytest.raises((StorageError, IsADirectoryError)):
            read_data(tmp_path / str(k), "0" * 64)


@pytest.mark.parametrize("isolation", ["fork", "spawn", "none"])
def test_a_trial_says_which_file_it_is(tmp_path, isolation):
    import cloudpickle

    path = tmp_path / "data.pickle"
    digest = write_data([1, 2], path)
    train = (lambda data, x: float(len(data))) if isolation == "none" else b""
    train = train or cloudpickle.dumps(lambda data, x: float(len(data)))
    task = TrialTask(
        *(Trial(0, {"x": 1}), train, str(tmp_path / "run")),
        isolation=isolation,
        data=str(path),
        data_digest=digest,
    )
    assert run_attempt(task).value == 2
    write_data(Evil(tmp_path / "mark"), path)
    result = run_attempt(task)
    assert result.state is State.FAILED and not (tmp_path / "mark").exists()
    assert result.error.startswith("The data for the trials must be what this search wrote")
    assert str(path) in result.error
