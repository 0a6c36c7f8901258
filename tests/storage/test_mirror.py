"""The local copy of a remote run: what changed is read, and no more than that."""

from __future__ import annotations

import time
import uuid

import pytest

from sparkexp.storage.filesystems import open_filesystem
from sparkexp.storage.mirror import Mirror
from sparkexp.tracking import ScalarReporter, start_tensorboard
from tests.tracking.http_api import Api, wait_for

EVENTS = "gen-000/trial-00000/events.out.tfevents.1"


@pytest.fixture
def place():
    return f"memory://{uuid.uuid4().hex}"


def put(place: str, path: str, content: bytes) -> None:
    filesystem, root = open_filesystem(place)
    filesystem.makedirs(f"{root}/{path}".rpartition("/")[0], exist_ok=True)
    filesystem.pipe_file(f"{root}/{path}", content)


def test_a_growing_file_is_read_on(place, tmp_path, monkeypatch):
    mirror = Mirror(place, tmp_path)
    read = []
    whole = mirror._filesystem.cat_file

    def counted(name, start=None, end=None):
        content = whole(name, start=start, end=end)
        read.append(len(content))
        return content

    monkeypatch.setattr(mirror._filesystem, "cat_file", counted)
    put(place, EVENTS, b"a" * 1000)
    assert mirror.round() == 1 and mirror.round() == 0
    put(place, EVENTS, b"a" * 1000 + b"b" * 10)
    assert mirror.round() == 1
    assert read == [1000, 64 + 10]
    assert (tmp_path / EVENTS).read_bytes() == b"a" * 1000 + b"b" * 10


@pytest.mark.parametrize("new", [b"b" * 100, b"b" * 50, b"b" * 200])
def test_a_replaced_file_is_copied_anew(place, tmp_path, new):
    mirror = Mirror(place, tmp_path)
    put(place, EVENTS, b"a" * 100)
    mirror.round()
    put(place, EVENTS, new)
    mirror.round()
    assert (tmp_path / EVENTS).read_bytes() == new


def test_what_is_removed_and_what_is_left_out(place, tmp_path):
    put(place, EVENTS, b"x")
    put(place, "records/trial-00000.json", b"{}")
    put(place, "gen-000/trial-00000/artifacts/model.keras", b"big")
    mirror = Mirror(place, tmp_path)
    assert mirror.round() == 2
    assert (tmp_path / "records/trial-00000.json").read_bytes() == b""
    filesystem, root = open_filesystem(place)
    filesystem.rm(f"{root}/{EVENTS}")
    assert mirror.round() == 1 and not (tmp_path / EVENTS).exists()


@pytest.mark.storage
@pytest.mark.parametrize("server", ["s3", "hdfs"])
def test_a_scalar_written_remotely_is_seen_within_15_s(server, request, tmp_path):
    place = f"{request.getfixturevalue(server).url}/mirrored"
    trial = tmp_path / "gen-000/trial-00000"
    with ScalarReporter(trial) as reporter:
        reporter.report(0, {"loss": 1.0})
        upload(place, tmp_path)
        with start_tensorboard(place) as board:
            api = Api(board.url)
            reporter.report(1, {"loss": 0.5})
            time.sleep(1)
            upload(place, tmp_path)
            wait_for("second point", lambda: len(curve(api)) == 2, 15.0)
            assert curve(api) == [(0, 1.0), (1, 0.5)]


def curve(api: Api) -> list[tuple[int, float]]:
    try:
        return api.scalars("gen-000/trial-00000", "loss")
    except OSError:  # not read yet
        return []


def upload(place, folder) -> None:
    for path in folder.rglob("events.out.tfevents.*"):
        put(place, path.relative_to(folder).as_posix(), path.read_bytes())
