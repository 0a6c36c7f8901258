"""What we remove never lies outside of the run, whatever links lead there."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from sparkexp import experiment
from sparkexp.context.artifacts import Artifacts
from sparkexp.context.checkpoints import Checkpoints

HOW = {"engine": "inline", "progress": False}


@pytest.fixture
def foreign(tmp_path):
    folder = tmp_path / "foreign"
    for name in ("mine", "artifacts/mine", "trial-00000/artifacts/mine", "checkpoints-1/mine"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("precious")
    return folder


def all_there(foreign: Path) -> bool:
    names = ("mine", "artifacts/mine", "trial-00000/artifacts/mine", "checkpoints-1/mine")
    return all((foreign / name).is_file() for name in names)


@pytest.mark.parametrize(
    "link", ["trials/trial-00000/artifacts", "trials/trial-00000", "trials", "in artifacts",
             "trials/trial-00000/attempt-1"],
)  # fmt: skip
def test_keep_best_removes_nothing_behind_a_link(tmp_path, foreign, link):
    root = tmp_path / "run"

    def train(x):
        Path(experiment.artifact_dir(), "model").write_text("x")
        if x == 2:  # the first one is worse, and goes when this one has ended
            place = root / link
            if link == "in artifacts":
                place = root / "trials/trial-00000/artifacts/link"
            elif place.exists():
                os.rename(place, tmp_path / "aside")
            place.symlink_to(foreign)
        return x

    result = experiment.launch(None, train, {"x": [1, 2]}, logdir=root, keep="best", **HOW)
    assert len(result.trials) == 2 and not result.failures()
    assert all_there(foreign)


def test_a_trial_removes_nothing_behind_a_link(tmp_path, foreign):
    trial = tmp_path / "run" / "trials" / "trial-00000"
    trial.mkdir(parents=True)
    (trial / "artifacts").symlink_to(foreign)
    own = Path(Artifacts(trial).make_directory())
    assert own.is_dir() and not own.is_symlink() and all_there(foreign)
    (tmp_path / "linked").symlink_to(foreign)
    Artifacts(tmp_path / "linked").make_directory()
    Checkpoints(tmp_path / "linked").make_directory()
    assert all_there(foreign)
