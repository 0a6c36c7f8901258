"""The local copy of a remote run: what changed is read, and no more than that."""

from __future__ import annotations

import itertools
import subprocess
import sys
import time
import uuid
from pathlib import Path

import pytest

from sparkexp.cli import main
from sparkexp.runs.mirror import Mirror
from sparkexp.storage.filesystems import open_filesystem
from sparkexp.tracking import start_tensorboard
from sparkexp.tracking.tensorboard import find_overview_directory
from tests.tracking.tensorboard.http_api import Api, wait_for
from tests.tracking.tensorboard.reporting import reporter_in
from tests.tracking.tensorboard.searching import evolution

# Between the rounds while a storage is away, with the settings of a test.
LEAST_S = (0.1, 0.2, 0.4, 0.4, 0.4, 0.4)
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
    assert mirror.update() == 1 and mirror.update() == 0
    put(place, EVENTS, b"a" * 1000 + b"b" * 10)
    assert mirror.update() == 1
    assert read == [1000, 64 + 10]
    assert (tmp_path / EVENTS).read_bytes() == b"a" * 1000 + b"b" * 10


@pytest.mark.parametrize("new", [b"b" * 100, b"b" * 50, b"b" * 200])
def test_a_replaced_file_is_copied_anew(place, tmp_path, new):
    mirror = Mirror(place, tmp_path)
    put(place, EVENTS, b"a" * 100)
    mirror.update()
    put(place, EVENTS, new)
    mirror.update()
    assert (tmp_path / EVENTS).read_bytes() == new


def test_what_is_removed_and_what_is_left_out(place, tmp_path):
    put(place, EVENTS, b"x")
    put(place, "records/trial-00000.json", b"{}")
    put(place, "gen-000/trial-00000/artifacts/model.keras", b"big")
    mirror = Mirror(place, tmp_path)
    assert mirror.update() == 2
    assert (tmp_path / "records/trial-00000.json").read_bytes() == b""
    filesystem, root = open_filesystem(place)
    filesystem.rm(f"{root}/{EVENTS}")
    assert mirror.update() == 1 and not (tmp_path / EVENTS).exists()


def test_a_storage_that_is_away_is_asked_less_often(place, tmp_path, monkeypatch, caplog):
    monkeypatch.setattr("sparkexp.runs.mirror.ROUND_S", 0.05)
    monkeypatch.setattr("sparkexp.runs.mirror.LONGEST_WAIT_S", 0.4)
    put(place, EVENTS, b"before")
    mirror = Mirror(place, tmp_path)
    asked = []
    find = mirror._filesystem.find

    def away(*args, **kwargs):
        asked.append(time.monotonic())
        if len(asked) <= 6:
            raise OSError("no answer")
        return find(*args, **kwargs)

    monkeypatch.setattr(mirror._filesystem, "find", away)
    mirror.start()
    wait_for("copy", (tmp_path / EVENTS).exists, 20.0)
    wait_for("report", lambda: "can be read again" in caplog.text, 20.0)
    mirror.stop()
    waits = [later - earlier for earlier, later in itertools.pairwise(asked[:7])]
    assert all(wait > least for wait, least in zip(waits, LEAST_S, strict=True))
    assert caplog.text.count("can't be read now") == 1 and "no answer" in caplog.text


def test_the_overview_alone(place, tmp_path, capsys):
    result = evolution(tmp_path, n_trials=8, popsize=4)
    run = Path(result.logdir)
    for path in run.rglob("*"):
        if path.is_file():
            put(place, path.relative_to(run).as_posix(), path.read_bytes())
    assert find_overview_directory(place) == f"{place}/evolution"
    with start_tensorboard(f"{place}/evolution") as board:
        copied = {path.name for path in Path(board.logdir).parent.iterdir()}
        assert copied == {"evolution", "experiment.json"}
        best = wait_for("curve", lambda: curve(Api(board.url), ".", "evolution/best"))
        assert max(value for _, value in best) == pytest.approx(result.best.value)
    assert not Path(board.logdir).exists()
    assert main(["tensorboard", f"memory://{uuid.uuid4().hex}", "--overview"]) == 1
    assert "--overview" in capsys.readouterr().err


@pytest.mark.parametrize("server", ["s3://bucket", "hdfs://127.0.0.1:1"])
def test_a_server_that_refuses_is_named(server, monkeypatch, capsys):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    assert main(["tensorboard", f"{server}/run"]) == 1
    said = capsys.readouterr().err
    assert f"{server}/run" in said and "must be reachable" in said and "Traceback" not in said


def test_a_directory_that_is_not_there_is_named(place, capsys):
    assert main(["tensorboard", place]) == 1
    said = capsys.readouterr().err
    assert place in said and "needs an existing log directory" in said


def test_a_wrong_bucket_is_named(s3, capsys):
    assert main(["tensorboard", "s3://nosuch-bucket/run"]) == 1
    said = capsys.readouterr().err
    assert "s3://nosuch-bucket/run" in said and "Traceback" not in said


def test_a_missing_package_is_named(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "s3fs", None)
    assert main(["tensorboard", "s3://bucket/run"]) == 1
    assert "pip install 'sparkexp[s3]'" in capsys.readouterr().err


def test_tensorflow_is_not_needed(tmp_path):
    code = """if True:
        import sys
        sys.modules["tensorflow"] = None
        from sparkexp.storage.filesystems import open_filesystem
        from sparkexp.tracking import start_tensorboard
        open_filesystem("memory://run")[0].pipe_file("/run/a/events.out.tfevents.1", b"")
        with start_tensorboard("memory://run") as board:
            print(board.url)
        """
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.startswith("http://"), done.stderr


def test_a_scalar_written_remotely_is_seen_within_15_s(storage_server, tmp_path):
    place = f"{storage_server.url}/mirrored"
    trial = tmp_path / "gen-000/trial-00000"
    with reporter_in(trial) as reporter:
        reporter.report(0, {"loss": 1.0})
        upload(place, tmp_path)
        with start_tensorboard(place) as board:
            api = Api(board.url)
            reporter.report(1, {"loss": 0.5})
            time.sleep(1)  # the reporter writes at its own pace
            upload(place, tmp_path)
            wait_for("second point", lambda: len(curve(api)) == 2, 15.0)
            assert curve(api) == [(0, 1.0), (1, 0.5)]


def test_a_server_that_was_away_is_followed_on(storage_server, tmp_path, monkeypatch):
    monkeypatch.setattr("sparkexp.runs.mirror.ROUND_S", 0.2)
    monkeypatch.setattr("sparkexp.runs.mirror.LONGEST_WAIT_S", 1.0)
    place = f"{storage_server.url}/away"
    put(place, EVENTS, b"a" * 100)
    mirror = Mirror(place, tmp_path)
    mirror.update()
    mirror.start()
    storage_server.stop()
    try:
        time.sleep(2.0)
    finally:
        storage_server.start()
    put(place, EVENTS, b"a" * 100 + b"b")
    wait_for("rest", lambda: (tmp_path / EVENTS).read_bytes()[100:] == b"b", 30.0)
    mirror.stop()


def test_what_is_forbidden_is_said(hdfs, capsys):
    place = f"{hdfs.url}/forbidden/run"
    assert main(["tensorboard", place]) == 1
    said = capsys.readouterr().err
    assert place in said and "Permission denied: user=sparkexp" in said


def curve(api: Api, run="gen-000/trial-00000", tag="loss") -> list[tuple[int, float]]:
    try:
        return api.scalars(run, tag)
    except OSError:  # not read yet
        return []


def upload(place, folder) -> None:
    for path in folder.rglob("events.out.tfevents.*"):
        put(place, path.relative_to(folder).as_posix(), path.read_bytes())
