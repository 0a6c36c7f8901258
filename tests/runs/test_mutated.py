"""Files of a run in which anything was changed: they are read, or named as damaged."""

from __future__ import annotations

import copy
import json
import os
import random
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sparkexp import experiment
from sparkexp.cli.program import main
from sparkexp.errors import RunDirectoryError, SparkexpError

HOW: dict[str, Any] = {"engine": "inline", "progress": False}
DEEP, HUGE, NAN, INFINITE = "<deep>", "<huge>", "<nan>", "<infinite>"
VALUES: list[Any] = [
    None, "text", "", -1, 0, 1.5, True, [], {}, [[1]], {"a": 1}, ["a"], "\ud800", 1e308,
    DEEP, HUGE, NAN, INFINITE,
]  # fmt: skip
RECORD, SETTINGS, STATE = "records/trial-00001.json", "experiment.json", "searcher.json"


def train(x, n=1, kind="a"):
    return {"loss": x + n}


def small_grid(root: Path) -> None:
    grid = {"x": [0.1, 0.2], "n": [1, 2]}
    experiment.launch(None, train, grid, metric="loss", logdir=root, max_trials=3, **HOW)


def small_evolution(root: Path) -> None:
    space = {"x": [0.1, 1.0], "n": [1, 2, 3], "kind": ["a", "b"]}
    experiment.evolutionary_search(
        None, train, space, popsize=4, generations=1, max_trials=5, metric="loss", seed=1,
        direction="min", logdir=root, **HOW,
    )  # fmt: skip


def places(content: Any, place: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if place:
        yield place
    entries = content.items() if isinstance(content, dict) else []
    entries = list(enumerate(content))[:2] if isinstance(content, list) else entries
    for key, value in entries:
        yield from places(value, (*place, key))


def with_value(content: Any, place: tuple[Any, ...], value: Any) -> str:
    changed = copy.deepcopy(content)
    inner = changed
    for key in place[:-1]:
        inner = inner[key]
    if value is KeyError:
        del inner[place[-1]]
    else:
        inner[place[-1]] = value
    text = json.dumps(changed)
    for mark, meant in (
        (DEEP, "[" * 100_000 + "]" * 100_000), (HUGE, "1" + "0" * 400), (NAN, "NaN"),
        (INFINITE, "-Infinity"),
    ):  # fmt: skip
        text = text.replace(json.dumps(mark), meant)
    return text


def mutations(text: str, n: int) -> list[str]:
    content = json.loads(text)
    found = [
        with_value(content, place, value)
        for place in places(content)
        for value in (*VALUES, KeyError)
    ]
    cut = ["", "{", text[: len(text) // 2], "null", "[]", "3", "NaN", "\ufeff" + text]
    return cut + ["[" * 100_000, '{"a":' * 100_000] + random.Random(1).sample(found, n)


def is_read_or_damaged(root: Path, name: str) -> bool:
    """Read and resume a run; return whether anything was said to be damaged."""
    damaged = False
    for read in (
        lambda: str(experiment.load(root)),
        lambda: experiment.resume(None, train, root, max_trials=None, **HOW),
    ):
        try:
            read()
        except RunDirectoryError as error:
            assert name in str(error) or "has no experiment.json" in str(error), error
            damaged |= "is damaged" in str(error)
        except SparkexpError:  # sound settings, but of another search than this one
            assert name == SETTINGS
    return damaged


@pytest.mark.parametrize("search", [small_grid, small_evolution])
@pytest.mark.parametrize(("name", "n"), [(RECORD, 20), (SETTINGS, 25), (STATE, 10)])
def test_whatever_is_changed_is_read_or_named(tmp_path, search, name, n):
    search(tmp_path / "whole")
    n_damaged = 0
    for text in mutations((tmp_path / "whole" / name).read_text(), n):
        root = tmp_path / "run"
        shutil.rmtree(root, ignore_errors=True)
        shutil.copytree(tmp_path / "whole", root)
        (root / name).write_bytes(text.encode("utf-8", "surrogatepass"))
        n_damaged += is_read_or_damaged(root, name)
    assert n_damaged > n / 4


@pytest.mark.parametrize("kind", ["pipe", "socket", "device", "folder", "dangling link", "loop"])
@pytest.mark.parametrize("name", [RECORD, SETTINGS, STATE, "driver.lock", "records"])
def test_what_is_no_file_is_not_waited_for(tmp_path, monkeypatch, name, kind, capsys):
    root = tmp_path / "run"
    small_grid(root)
    monkeypatch.chdir(root)  # a socket's path must be short
    shutil.rmtree(name) if name == "records" else Path(name).unlink(missing_ok=True)
    if kind == "pipe":
        os.mkfifo(name)
    elif kind == "socket":
        with socket.socket(socket.AF_UNIX) as listening:
            listening.bind(name)
    elif kind == "device":
        os.symlink("/dev/zero", name)
    elif kind == "folder":
        Path(name).mkdir()
    else:
        os.symlink("nowhere" if kind == "dangling link" else name, name)
    if (name, kind) in (("records", "folder"), ("driver.lock", "dangling link")):
        assert experiment.resume(None, train, root, max_trials=None, **HOW)
        return
    with pytest.raises(RunDirectoryError, match="is damaged|can't be written"):
        experiment.resume(None, train, root, max_trials=None, **HOW)
    if name in (RECORD, SETTINGS, "records"):
        assert main(["show", str(root)]) == 1
        assert "is damaged" in capsys.readouterr().err


def test_a_pipe_in_the_place_of_a_trials_files_costs_nothing(tmp_path):
    root = tmp_path / "run"

    def reporting(x):
        experiment.report(0, value=float(x))
        return float(x)

    (root / "curves").mkdir(parents=True)
    os.mkfifo(root / "curves" / "trial-00001.json")
    result = experiment.launch(
        None, reporting, {"x": [1, 2, 3]}, logdir=root, prune="median", **HOW
    )
    assert [r.value for r in result.trials] == [1, 2, 3]
