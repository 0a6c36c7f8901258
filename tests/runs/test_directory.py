from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from sparkexp.errors import RunDirectoryError, SparkexpError
from sparkexp.runs import RunDirectory, create_run, open_run
from sparkexp.trial import State, Trial, TrialResult

SETTINGS = {"name": "näme", "space": None, "settings": {"seed": 3}}


def result(number: int, **fields) -> TrialResult:
    return TrialResult(Trial(number, {"x": 0.1}), State.SUCCEEDED, 0.5, **fields)


@pytest.fixture
def run(tmp_path) -> RunDirectory:
    return create_run(tmp_path / "run", SETTINGS)


@pytest.mark.parametrize("name", ["run", "a/b/c", "mit Leerzeichen 'quoted'\nund é"])
def test_settings_are_read_back(tmp_path, name):
    created = create_run(str(tmp_path / name), SETTINGS)
    opened = open_run(str(tmp_path / name))
    assert opened.settings == created.settings == SETTINGS
    assert opened.paths == created.paths and opened.paths.root == tmp_path / name


def test_a_relative_root_stays_where_it_was(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run = create_run("run", SETTINGS)
    monkeypatch.chdir("/")
    run.record(result(0))
    assert (tmp_path / "run/records/trial-00000.json").is_file()


def test_an_existing_directory_without_a_run_is_taken(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    create_run(tmp_path, SETTINGS)
    assert (tmp_path / "notes.txt").read_text() == "mine"


def test_a_directory_holds_one_run(run):
    run.record(result(0))
    with pytest.raises(RunDirectoryError, match="holds one run, and logdir='.*/run' already has"):
        create_run(run.paths.root, {"name": "other"})
    assert open_run(run.paths.root).settings == SETTINGS
    assert run.results() == [result(0)]


@pytest.mark.parametrize("below", ["", "/run", "/deep/run"])
def test_an_unwritable_place_is_named(tmp_path, below):
    (tmp_path / "file").write_text("")
    with pytest.raises(RunDirectoryError, match="must be writable, and logdir='.*/file.*is not"):
        create_run(f"{tmp_path}/file{below}", SETTINGS)
    assert (tmp_path / "file").read_text() == ""


def test_no_run_there(tmp_path):
    for place in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(RunDirectoryError, match="holds no run of sparkexp: it has no experim"):
            open_run(place)


@pytest.mark.parametrize("content", ["", "{", "[]", "3", "null", '{"format": 1', b"\xff\xfe"])
def test_damaged_settings_are_named(run, content):
    data = content if isinstance(content, bytes) else content.encode()
    run.paths.experiment.write_bytes(data)
    with pytest.raises(RunDirectoryError, match="experiment.json is damaged: "):
        open_run(run.paths.root)


@pytest.mark.parametrize("version", [0, 2, "1", None])
def test_another_format_is_refused(run, version):
    content = {"format": version, "sparkexp_version": "9.8.7", **SETTINGS}
    run.paths.experiment.write_text(json.dumps(content))
    with pytest.raises(
        RunDirectoryError, match=r"reads runs of format 1, .* another one.*: 9\.8\.7"
    ):
        open_run(run.paths.root)


def test_results_come_in_the_order_of_their_numbers(run):
    numbers = [3, 0, 100_000, 99_999, 20, 1_000_000]
    for number in numbers:
        run.record(result(number, metrics={"m": float(number)}))
    assert run.results() == [result(n, metrics={"m": float(n)}) for n in sorted(numbers)]
    assert open_run(run.paths.root).results() == run.results()


def test_a_record_is_replaced(run):
    run.record(result(0))
    run.record(result(0, attempt=1))
    assert [r.attempt for r in run.results()] == [1]


def test_no_results_yet(run):
    assert run.results() == []


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"{}",
        b"\xff",
        b'{"trial": {}, "state": "FAILED"}',
        json.dumps({**result(0).to_json(), "state": "HAPPY"}).encode(),
        json.dumps({**result(0).to_json(), "value": float("nan")}).encode(),
        json.dumps({**result(0).to_json(), "more": 1}).encode(),
    ],
)
def test_a_damaged_record_is_named(run, content):
    run.record(result(0))
    run.record(result(1))
    run.paths.record(1).write_bytes(content)
    with pytest.raises(RunDirectoryError, match=r"trial-00001.json is damaged: .*also delete"):
        run.results()
    run.paths.record(1).unlink()
    assert run.results() == [result(0)]


def test_what_a_killed_driver_left_half_written_is_not_read(run):
    run.record(result(0))
    (run.paths.records / ".trial-00001.json.4711").write_text('{"trial": ')
    (run.paths.root / ".experiment.json.4711").write_text("{")
    opened = open_run(run.paths.root)
    assert opened.results() == [result(0)]


def test_writing_leaves_nothing_aside(run):
    for _ in range(3):
        run.record(result(0))
        run.save_searcher({"n_asked": 1})
    names = {str(path.relative_to(run.paths.root)) for path in run.paths.root.rglob("*")}
    assert names == {"experiment.json", "searcher.json", "records", "records/trial-00000.json"}


def test_a_failed_write_leaves_the_old_file(run):
    run.save_searcher({"n_asked": 1})
    with pytest.raises(TypeError):
        run.save_searcher({"n_asked": object()})
    with pytest.raises(ValueError):
        run.save_searcher({"n_asked": float("nan")})
    assert run.searcher_state() == {"n_asked": 1}


def test_the_searcher_s_state(run):
    assert run.searcher_state() is None
    state = {"rng": {"state": 2**127 + 1}, "genomes": [[0.1, 1 / 3]], "values": [None, -0.0]}
    run.save_searcher(state)
    assert run.searcher_state() == state
    assert open_run(run.paths.root).searcher_state() == state


def test_a_damaged_searcher_is_named(run):
    run.paths.searcher.write_text("[1]")
    with pytest.raises(RunDirectoryError, match="searcher.json is damaged: it holds a list"):
        run.searcher_state()


@pytest.mark.parametrize("text", ["é", "日本", os.fsdecode(b"caf\xe9"), "\0", "line\nline", '"'])
def test_any_text_is_kept(tmp_path, text):
    run = create_run(tmp_path / "run", {"name": text})
    kept = TrialResult(Trial(0, {"x": text}), State.FAILED, error=text)
    run.record(kept)
    assert open_run(run.paths.root).settings == {"name": text}
    assert run.results() == [kept]


def test_the_files_are_json_that_others_can_read(run):
    run.record(result(0))
    for path in (run.paths.experiment, run.paths.record(0)):
        content = json.loads(path.read_bytes(), parse_constant=lambda c: pytest.fail(c))
        assert isinstance(content, dict)
    assert json.loads(run.paths.experiment.read_text())["format"] == 1


def test_errors_are_both_ours_and_the_system_s(tmp_path):
    with pytest.raises(SparkexpError) as caught:
        open_run(tmp_path)
    assert isinstance(caught.value, OSError)


def test_a_directory_in_the_place_of_a_record(run):
    Path(run.paths.record(0)).mkdir()
    with pytest.raises(RunDirectoryError, match="trial-00000.json is damaged"):
        run.results()


def test_a_directory_that_cannot_be_locked_is_named(tmp_path):
    run = create_run(tmp_path / "run", {"name": "x"})
    run.paths.lock.mkdir()
    with pytest.raises(RunDirectoryError, match=r"run' can't be written: Is a directory\."):
        with run.lock():
            pass
