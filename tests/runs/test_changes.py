from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from sparkexp import experiment
from sparkexp.runs.changes import last_change
from tests.tracking.tensorboard.searching import QUIET, evolution


@pytest.fixture
def run(tmp_path) -> Path:
    """A run of which everything is long past."""
    logdir = tmp_path / "run"
    evolution(logdir, 8, 4)
    for path in [logdir, *logdir.rglob("*")]:
        os.utime(path, (1000.0, 1000.0))
    assert last_change(logdir) == 1000.0
    return logdir


@pytest.mark.parametrize(
    ("changed", "moves"),
    [
        ("records", True),  # a trial ended
        ("evolution/events.out.tfevents.1", True),  # the driver wrote
        ("gen-001/trial-00009", True),  # a trial began
        ("gen-001/trial-00009/validation/events.out.tfevents.1", True),  # its curves move
        ("gen-001/trial-00009/output.log", True),  # by its directory, once
        ("gen-001/trial-00007/events.out.tfevents.1", False),  # this one has ended
        ("notes/mine.txt", False),
    ],
)
def test_what_tensorboard_shows_counts(run, changed, moves):
    path = run / changed
    if path.name == "records":
        os.utime(path, (2000.0, 2000.0))
    else:
        is_file = "." in path.name
        (path.parent if is_file else path).mkdir(parents=True, exist_ok=True)
        if is_file:
            path.touch()
    assert (last_change(run) > 1000.0) is moves


def test_a_curve_that_grows_counts(run):
    events = run / "gen-001" / "trial-00009" / "train" / "events.out.tfevents.1"
    events.parent.mkdir(parents=True)
    for stamp in (3e9, 3e9 + 1):
        events.touch()
        os.utime(events, (stamp, stamp))
        assert last_change(run) == stamp


def test_the_driver_s_own_directory_and_one_of_several_runs_will_do(run, tmp_path):
    (run / "gen-001" / "trial-00009").mkdir()
    newest = last_change(run)
    assert time.time() - newest < 60
    assert last_change(run / "evolution") == last_change(tmp_path) == newest
    experiment.launch(None, lambda x: x, {"x": [1]}, logdir=tmp_path / "other", **QUIET)
    assert last_change(tmp_path) > newest and last_change(run) == newest


def test_nothing_has_not_changed(tmp_path):
    assert last_change(tmp_path) == last_change(tmp_path / "nowhere") == 0.0
