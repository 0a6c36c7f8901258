"""An engine of the user's own, through the front door."""

from __future__ import annotations

import pytest

from sparkexp import experiment
from sparkexp.engine import InlineEngine
from sparkexp.errors import InvalidArgumentError
from sparkexp.space import Space
from sparkexp.trial import State

from ..engine.forking import ForkEngine
from ..search.climbing import ClimbingSearcher

DICT = {"x": [0.0, 1.0]}


def train(x):
    for step in range(3):
        experiment.report(step, accuracy=x)
    if x > 0.95:
        raise RuntimeError("this region fails")
    return x


def new_searcher() -> ClimbingSearcher:
    return ClimbingSearcher(Space.from_search_dict(DICT), n_trials=20, seed=1)


def test_a_search_on_it_is_that_of_any_other(tmp_path, capsys):
    place = tmp_path / "run"
    result = experiment.search(
        None, train, DICT, new_searcher(), engine=ForkEngine(2), logdir=place, metric=None
    )
    said = capsys.readouterr()
    assert "2 in processes of this machine" in said.out + said.err
    inline = experiment.search(None, train, DICT, new_searcher(), engine="inline", progress=False)
    assert [(r.trial, r.value) for r in result.trials] == [
        (r.trial, r.value) for r in inline.trials
    ]
    assert result.best.value > 0.9
    assert len(experiment.load(place)) == 20


def test_data_and_resume(tmp_path):
    how = {"logdir": tmp_path / "run", "progress": False, "data": {"base": 1.0}}

    def with_data(data, x):
        return data["base"] + x

    grid = {"x": [0.0, 1.0, 2.0]}
    first = experiment.launch(None, with_data, grid, max_trials=2, engine=ForkEngine(), **how)
    assert [r.value for r in first.trials] == [1.0, 2.0]
    how["max_trials"] = None
    del how["logdir"]
    whole = experiment.resume(None, with_data, tmp_path / "run", engine=ForkEngine(), **how)
    assert [r.value for r in whole.trials] == [1.0, 2.0, 3.0]


def test_pruning_stops_its_trials(tmp_path):
    from .test_pruning import FloorRule

    def slow(x):
        import time

        for step in range(200 if x < 0.5 else 1):
            experiment.report(step, accuracy=x)
            time.sleep(0.05)
        return x

    result = experiment.launch(
        None, slow, {"x": [0.1, 0.9]}, engine=ForkEngine(), prune=FloorRule(0.5),
        logdir=tmp_path / "run", progress=False,
    )  # fmt: skip
    assert [r.state for r in result.trials] == [State.PRUNED, State.SUCCEEDED]


@pytest.mark.parametrize("make", [ForkEngine, InlineEngine])
def test_it_serves_one_search(tmp_path, make):
    engine = make()
    experiment.launch(None, train, {"x": [0.5]}, engine=engine, progress=False)
    with pytest.raises(InvalidArgumentError, match=f"this {make.__name__} was used before"):
        experiment.launch(
            None, train, {"x": [0.5]}, engine=engine, logdir=tmp_path / "new", progress=False
        )
    assert not (tmp_path / "new").exists()


def test_a_class_is_no_engine():
    with pytest.raises(InvalidArgumentError, match="must be an instance"):
        experiment.launch(None, train, {"x": [0.5]}, engine=ForkEngine)
