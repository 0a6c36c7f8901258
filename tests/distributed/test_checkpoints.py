"""A training that is killed ends as if nothing had happened."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from sparkexp.distributed.checkpointing import _Meetings
from sparkexp.distributed.collectives import Collectives
from sparkexp.distributed.peers import gather_differing, send_from_chief, sum_plain
from sparkexp.distributed.plain_values import Unwritable, decode, encode, same
from sparkexp.distributed.state_file import Content, StateFiles, unpack
from sparkexp.errors import StorageError

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """The files of a training that was killed twice, and of others beside it."""
    directory = tmp_path_factory.mktemp("trained")
    done = subprocess.run(
        [sys.executable, "-m", "tests.distributed.training", str(directory)],
        env={
            **os.environ,
            "CUDA_VISIBLE_DEVICES": "",
            "OMP_NUM_THREADS": "1",
            "PYTHONPATH": str(ROOT),
        },
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=500,
    )
    assert done.returncode == 0, done.stderr
    return directory


def read(directory: Path, name: str) -> dict:
    return json.loads((directory / f"{name}.json").read_text())


class TestTraining:
    def test_it_was_killed(self, trained):
        statuses = {path.stem: int(path.read_text()) for path in trained.glob("*.status")}
        assert statuses.pop("in-first") == statuses.pop("in-second") == -9
        assert set(statuses.values()) == {0}

    @pytest.mark.parametrize("part", ["variables", "histories", "epochs", "between", "stopping"])
    def test_it_ends_as_one_that_was_not_killed(self, trained, part):
        # Equal, not nearly: weights, random states, the optimizer, metrics, early stopping.
        assert read(trained, "finished")[part] == read(trained, "whole")[part]

    def test_it_was_stopped_early_and_has_all_epochs(self, trained):
        assert read(trained, "finished")["epochs"] == [[0, 1, 2, 3], [0, 1, 2]]

    def test_callbacks_of_the_user_go_on(self, trained):
        assert read(trained, "finished")["seen"] == read(trained, "whole")["seen"]

    def test_it_went_on_within_the_epoch(self, trained):
        # Killed after step 5 of the second epoch; the last checkpoint came after step 4.
        assert read(trained, "finished")["begun_at"] == [1, 4 * 32]

    def test_trainings_that_have_ended_are_passed_over(self, trained):
        repeated, finished = read(trained, "repeated"), read(trained, "finished")
        assert repeated.pop("begun_at") == [3, 0]
        finished.pop("begun_at")
        assert repeated == finished

    def test_few_files_stay(self, trained):
        assert len(read(trained, "finished")["files"]) == 2

    def test_another_model_is_refused(self, trained):
        error = read(trained, "other-model")["error"]
        assert "dense/kernel of shape (12, 17) now, one of shape (12, 16)" in error

    def test_without_storage_the_training_goes_on(self, trained):
        without, whole = read(trained, "no-storage"), read(trained, "whole")
        assert without["variables"] == whole["variables"]
        log = (trained / "no-storage.log").read_text()
        assert log.count("No checkpoint could be written") == 2  # once a training


def content(number: int) -> Content:
    return Content({"number": number}, [np.arange(number), np.array(0.5, "float16")])


@pytest.fixture(params=["disk", "memory"])
def location(request, tmp_path):
    return str(tmp_path / "a b") if request.param == "disk" else f"memory://state-{tmp_path.name}"


class TestStateFiles:
    def test_the_newest_is_read_and_two_are_kept(self, location):
        files = StateFiles(location)
        assert files.read_newest(0) is None
        names = [files.write(0, content(number)) for number in range(4)]
        other = files.write(1, content(7))
        found = files.read_newest(0)
        assert found is not None
        assert found[1].values == {"number": 3}
        assert [array.tolist() for array in found[1].arrays] == [[0, 1, 2], 0.5]
        assert found[1].arrays[1].dtype == np.float16
        assert files._list_names(0) == names[-2:]
        assert files._list_names(1) == [other]

    def test_what_is_torn_or_foreign_is_passed_over(self, location, caplog):
        files = StateFiles(location)
        for number in range(2):
            files.write(0, content(number))
        packed = files.read_newest(0)[0]
        from sparkexp import storage

        for name, wrong in {
            "fit-0000-000002.zip": packed[:-30],
            "fit-0000-000003.zip": b"",
            "fit-0000-000004.zip": packed.replace(b'"format": 1', b'"format": 9'),
            "fit-0000-000005.zip": packed[:200] + b"\x01" + packed[201:],
            "other.zip": packed,
        }.items():
            with storage.open(f"{location}/{name}", "wb") as file:
                file.write(wrong)
        with caplog.at_level(logging.WARNING):
            assert files.read_newest(0)[1].values == {"number": 1}
        assert len(caplog.records) == 4
        assert files.write(0, content(6)) == "fit-0000-000006.zip"

    def test_a_file_that_is_no_checkpoint_is_never_unpickled(self):
        import io
        import pickle
        import zipfile

        target = io.BytesIO()
        with zipfile.ZipFile(target, "w") as archive:
            archive.writestr("state.json", '{"format": 1, "types": ["object"], "values": {}}')
            header = io.BytesIO()
            np.lib.format.write_array(header, np.array([{}], dtype=object), allow_pickle=True)
            assert pickle.PROTO in header.getvalue()
            archive.writestr("0.npy", header.getvalue())
        with pytest.raises(ValueError, match="allow_pickle=False"):
            unpack(target.getvalue())

    def test_numbers_that_numpy_does_not_have(self, location):
        import ml_dtypes

        array = np.array([[1.5, -2.0]], ml_dtypes.bfloat16)
        StateFiles(location).write(0, Content({}, [array, np.zeros((0, 3))]))
        found = StateFiles(location).read_newest(0)[1].arrays
        assert found[0].dtype == array.dtype
        assert found[0].astype(float).tolist() == [[1.5, -2.0]]
        assert found[1].shape == (0, 3)

    def test_what_cant_be_read_now_is_no_new_beginning(self, tmp_path):
        files = StateFiles(str(tmp_path))
        (tmp_path / "fit-0000-000000.zip").mkdir()
        with pytest.raises(StorageError, match="goes on from its last checkpoint once"):
            files.read_newest(0)

    def test_a_full_disk_leaves_nothing_aside(self, tmp_path):
        if not Path("/dev/full").exists():
            pytest.skip("no /dev/full")
        files = StateFiles(str(tmp_path))
        files.write(0, content(1))
        (tmp_path / ".fit-0000-000001.zip.aside").symlink_to("/dev/full")
        files._directory = tmp_path
        # The leftover is removed before, so the write succeeds.
        assert files.write(0, content(2)) == "fit-0000-000001.zip"
        assert [p.name for p in tmp_path.iterdir() if p.name.startswith(".")] == []


def test_checkpoints_on_every_storage(new_place):
    files = StateFiles(new_place)
    assert files.read_newest(0) is None
    for number in range(3):
        files.write(0, content(number))
    assert files.read_newest(0)[1].values == {"number": 2}
    assert len(files._list_names(0)) == 2


class TestPlainValues:
    def test_they_come_back(self):
        value = {
            "none": None,
            "numbers": [1, 2.5, float("inf"), True, np.float32(0.1)],
            "pairs": [(1, "a"), ("b", [])],
            3: {"weights": [np.eye(2), np.array(["é"])]},
        }
        arrays = []
        written = json.loads(json.dumps(encode(value, arrays)))
        back = decode(written, arrays)
        assert repr(back) == repr(value)
        assert type(back["numbers"][4]) is np.float32

    @pytest.mark.parametrize("value", [len, [object()], {"a": {1}}, np.array([{}])])
    def test_others_are_refused(self, value):
        with pytest.raises(Unwritable):
            encode(value, [])

    def test_sameness(self):
        def written(value):
            arrays = []
            return encode(value, arrays), arrays

        assert same(written([np.nan, np.ones(2)]), written([np.nan, np.ones(2)]))
        assert not same(written(1), written(True))
        assert not same(written([np.ones(2)]), written([np.zeros(2)]))
        assert not same(written(np.ones(2)), written(np.ones(2, "float32")))


class Threads:
    """A gang of threads: the sums are real, only the network is missing."""

    def __init__(self, size: int) -> None:
        self.size = size
        self._barrier = threading.Barrier(size, timeout=60)
        self._given: dict[int, list] = {}

    def run(self, work):
        results = {}
        members = [_Member(self, rank) for rank in range(self.size)]
        threads = [
            threading.Thread(target=lambda m=member: results.update({m.rank: work(m)}))
            for member in members
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(120)
        return [results[rank] for rank in range(self.size)]


class _Member:
    def __init__(self, gang: Threads, rank: int) -> None:
        self._gang, self.rank, self.size = gang, rank, gang.size

    def sum(self, values):
        self._gang._given[self.rank] = [np.asarray(value, np.float64) for value in values]
        self._gang._barrier.wait()
        given = [self._gang._given[rank] for rank in range(self.size)]
        self._gang._barrier.wait()
        return [sum(arrays) for arrays in zip(*given, strict=True)]


class TestPeers:
    @pytest.mark.parametrize("sent", [None, b"", b"abc", os.urandom(1001)])
    def test_the_chief_sends_bytes(self, sent, monkeypatch):
        monkeypatch.setattr("sparkexp.distributed.peers.CHUNK_BYTES", 400)
        got = Threads(3).run(lambda m: send_from_chief(m, sent if m.rank == 0 else None))
        assert got == [sent] * 3
        assert send_from_chief(Collectives(), sent) == sent

    def test_what_differs_is_gathered(self):
        def work(member):
            seed = np.array([7 + member.rank, 2**32 - 1], "uint32")
            return gather_differing(member, [np.ones(3, "float32"), seed])

        for rows in Threads(2).run(work):
            assert list(rows) == [1]
            assert rows[1].dtype == np.uint32
            assert rows[1].tolist() == [[7, 2**32 - 1], [8, 2**32 - 1]]
        assert gather_differing(Collectives(), [np.ones(3)]) == {}

    def test_sums_keep_their_types(self):
        work = Threads(2).run(lambda m: sum_plain(m, [np.array([m.rank, 3], "int32"), np.eye(1)]))
        for integers, floats in work:
            assert integers.dtype == np.int32
            assert integers.tolist() == [1, 6]
            assert floats.tolist() == [[2.0]]

    def test_all_write_after_the_same_steps(self):
        import time

        def work(member):
            meetings = _Meetings(member, 0.2)
            due = []
            for step in range(1, 200):
                time.sleep(0.001 * (1 + member.rank))
                if meetings.is_due(step):
                    due.append(step)
                    if member.rank == 0:
                        meetings.restart()
            return due

        due = Threads(2).run(work)
        assert due[0] == due[1]
        assert due[0]
