"""Log directories that are removed, moved or taken by another run while a search runs."""

from __future__ import annotations

import os
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sparkexp import experiment
from sparkexp.errors import RunDirectoryError, StorageError
from sparkexp.runs import create_run, open_run

HOW: dict[str, Any] = {"engine": "inline", "progress": False}
OLD_RUNS = Path(__file__).parents[1] / "runs" / "data" / "runs-0.1.0.tar.gz"


def search_with(root: Path, fault: Callable[[], object], at: int = 3, **options: Any) -> Any:
    """Run a search of eight trials, in one of which something happens to its directory."""

    def train(x):
        if x == at:
            fault()
        experiment.report(0, value=float(x))
        Path(experiment.artifact_dir(), "who").write_text("first")
        return float(x)

    return experiment.launch(None, train, {"x": list(range(8))}, logdir=root, **HOW, **options)


def files_of(root: Path) -> set[str]:
    return {str(path.relative_to(root)) for path in root.rglob("*")}


@pytest.mark.parametrize(
    "what", ["all", "records", "experiment.json", "driver.lock", "one record"]
)
def test_what_is_removed_is_written_again(tmp_path, what):
    root = tmp_path / "run"

    def remove():
        if what == "all":
            shutil.rmtree(root)
        elif what == "one record":
            (root / "records" / "trial-00001.json").unlink()
        elif what == "records":
            shutil.rmtree(root / "records")
        else:
            (root / what).unlink()

    result = search_with(root, remove)
    assert [r.value for r in result.trials] == list(range(8))
    assert experiment.load(root).trials == result.trials
    assert open_run(root).searcher_state() is not None
    again = experiment.resume(None, lambda x: 1 / 0, root, **HOW)
    assert again.trials == result.trials


def test_one_that_was_moved_away_is_made_again_at_its_place(tmp_path):
    root = tmp_path / "run"
    result = search_with(root, lambda: root.rename(tmp_path / "elsewhere"))
    assert experiment.load(root).trials == result.trials
    assert len(experiment.load(tmp_path / "elsewhere").trials) == 3
    assert result.logdir == str(root)


def test_one_that_is_moved_away_and_copied_back_is_the_same_run(tmp_path):
    root = tmp_path / "run"

    def move():
        root.rename(tmp_path / "elsewhere")
        shutil.copytree(tmp_path / "elsewhere", root)

    result = search_with(root, move)
    assert experiment.load(root).trials == result.trials


@pytest.mark.parametrize("keep", [None, "best"])
def test_another_run_in_its_place_is_left_alone(tmp_path, keep, caplog):
    root = tmp_path / "run"
    before: dict[str, bytes] = {}

    def replace_by_another():
        shutil.rmtree(root)

        def second(x):
            Path(experiment.artifact_dir(), "who").write_text("second")
            return -float(x)

        experiment.launch(None, second, {"x": [5, 6, 7, 8, 9]}, logdir=root, **HOW)
        before.update(
            (name, (root / name).read_bytes())
            for name in files_of(root)
            if (root / name).is_file()
        )

    result = search_with(root, replace_by_another, keep=keep or "all")
    after = {n: (root / n).read_bytes() for n in files_of(root) if (root / n).is_file()}
    assert after == before
    assert [r.value for r in experiment.load(root).trials] == [-5, -6, -7, -8, -9]
    beside = Path(result.logdir)
    assert beside.parent == root.parent and beside.name.startswith("run-")
    assert [r.value for r in result.trials] == list(range(8))
    assert experiment.load(beside).trials == result.trials
    assert all(Path(r.logdir).is_relative_to(beside) for r in result.trials)
    assert result.best.load_artifact("who", Path).read_text() == "first"
    assert "goes on in" in caplog.text and str(beside) in caplog.text


def test_another_driver_on_a_copy_of_it_is_left_alone(tmp_path):
    root = tmp_path / "run"
    holding = []

    def copy_and_resume():
        root.rename(tmp_path / "elsewhere")
        shutil.copytree(tmp_path / "elsewhere", root)
        other = open_run(root).lock()
        other.__enter__()
        holding.append(other)

    result = search_with(root, copy_and_resume)
    assert len(experiment.load(root).trials) == 3
    assert Path(result.logdir) != root
    assert experiment.load(result.logdir).trials == result.trials
    holding[0].__exit__(None, None, None)


def test_a_run_of_an_early_version_is_left_for_another_one_too(tmp_path):
    with tarfile.open(OLD_RUNS) as archive:
        archive.extractall(tmp_path, filter="data")
    root = tmp_path / "repeats"
    n_recorded = len(experiment.load(root).trials)
    settings = open_run(root).settings

    run = open_run(root)
    with run.lock():
        assert run.ensure_root()
        shutil.rmtree(root)
        assert not run.ensure_root() and open_run(root).settings == settings
        shutil.rmtree(root)
        create_run(root, {"name": "other"})
        assert not run.ensure_root()
        assert run.paths.root != root and open_run(root).settings == {"name": "other"}
    assert n_recorded


def test_what_could_not_be_written_at_the_end_is_an_error_with_the_result(tmp_path, caplog):
    root = tmp_path / "place" / "run"

    def block():
        root.parent.rename(tmp_path / "elsewhere")
        root.parent.write_text("a file is in the way")

    with pytest.raises(
        StorageError, match="until all of the search is in it.*place/run"
    ) as caught:
        search_with(root, block)
    assert [r.value for r in caught.value.result.trials] == list(range(8))
    assert caplog.text.count("can't be written to") == 1


def test_what_could_not_be_written_for_a_while_is_written_later(tmp_path, caplog):
    root = tmp_path / "place" / "run"

    def train(x):
        if x == 2:
            root.parent.rename(tmp_path / "elsewhere")
            root.parent.write_text("a file is in the way")
        if x == 5:
            root.parent.unlink()
        return float(x)

    result = experiment.launch(None, train, {"x": list(range(8))}, logdir=root, **HOW)
    assert experiment.load(root).trials == result.trials
    assert caplog.text.count("can't be written to") == 1
    assert "can be written again" in caplog.text


def test_a_search_that_is_interrupted_says_so_and_has_its_result(tmp_path, caplog):
    root = tmp_path / "run"

    def stop():
        shutil.rmtree(root)
        root.write_text("a file is in the way")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt) as caught:
        search_with(root, stop)
    assert [r.value for r in caught.value.result.trials if r.succeeded] == [0, 1, 2]
    assert "until all of the search is in it" in caplog.text


def test_a_new_run_that_can_not_be_written_leaves_nothing_in_the_way(tmp_path, monkeypatch):
    root = tmp_path / "run"

    def refuse(*arguments):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as full:
        full.setattr(os, "replace", refuse)
        with pytest.raises(RunDirectoryError, match="No space left"):
            create_run(root, {"name": "x"})
    assert files_of(root) == set()
    create_run(root, {"name": "x"})
