"""Log directories that earlier versions wrote are read, and their searches go on.

``data/runs-0.1.0.tar.gz`` has four: an evolution that was ended after 7 of 12 trials, a search
for two objectives, one with repeats that were confirmed, and one on rungs.
"""

from __future__ import annotations

import tarfile
from pathlib import Path

import pytest

from sparkexp import experiment
from sparkexp.cli import main

from ..tracking.tensorboard.reading import session_groups

DATA = Path(__file__).parent / "data"


def train(learning_rate, num_layers):
    for step in range(1, 4):
        experiment.report(step, accuracy=num_layers * step / 20 - learning_rate)
    if num_layers == 3 and learning_rate > 0.003:
        raise RuntimeError("this region fails")
    return {"accuracy": num_layers * 3 / 20 - learning_rate, "loss": learning_rate}


@pytest.fixture(params=sorted(DATA.glob("*.tar.gz")), ids=lambda path: path.name)
def runs(request, tmp_path) -> Path:
    with tarfile.open(request.param) as archive:
        archive.extractall(tmp_path, filter="data")
    return tmp_path


def test_what_they_found_is_read(runs):
    evolution = experiment.load(runs / "evolution")
    assert (len(evolution), evolution.direction, evolution.metrics) == (7, "max", ("accuracy",))
    assert (evolution.best.id, evolution.best.value) == (
        "gen-000/trial-00002",
        0.29948406322091004,
    )
    front = experiment.load(runs / "front")
    assert front.directions == ("max", "min")
    assert [best.values for best in front.front] == [(0.44923640991703784, 0.000763590082962187)]
    repeats = experiment.load(runs / "repeats").best
    assert (repeats.id, repeats.n_runs, repeats.spread) == ("trials/trial-00002", 4, 0.0)
    rungs = experiment.load(runs / "rungs").best
    assert (rungs.id, rungs.value) == ("rung-2/trial-00015", 0.04499155502146646)


def test_a_search_goes_on_as_it_would_have(runs):
    how = {"engine": "inline", "progress": False, "max_trials": None}
    result = experiment.resume(None, train, runs / "evolution", **how)
    assert (len(result), result.best.id) == (12, "gen-002/trial-00008")
    assert result.best.value == 0.29952603662263905
    ran = [trial for trial in result.trials if trial.reused_from is None]
    assert len(session_groups(runs / "evolution")) == len(ran) == 10


def test_a_warm_start(runs):
    how = {"engine": "inline", "progress": False, "metric": "accuracy", "n_trials": 2}
    space = {"learning_rate": [0.005, 0.00005], "num_layers": [1, 3]}
    assert experiment.random_search(None, train, space, warm_start=runs / "evolution", **how)


@pytest.mark.parametrize("command", ["show", "report"])
@pytest.mark.parametrize("name", ["evolution", "front", "repeats", "rungs"])
def test_the_command_line(name, command, runs, capsys, monkeypatch):
    monkeypatch.chdir(runs)  # the report goes there
    assert main([command, str(runs / name)]) == 0
    assert capsys.readouterr().out
