"""The call that repeats a search, for searchers that are named or constructed."""

from __future__ import annotations

import pytest

from sparkexp import experiment
from sparkexp.results.reproduce import format_call
from sparkexp.runs import open_run
from sparkexp.search import RegularizedEvolutionSearcher
from sparkexp.search.spec import Search
from sparkexp.space import Space

NAMES = ("sobol", "regularized-evolution", "tournament", "reinforcement")
QUIET = {"engine": "inline", "progress": False}
PARAMETERS = {"x": [0.0, 1.0]}


def train(x: float) -> float:
    return x


def call_of(result) -> str:
    run = open_run(result.logdir)
    return format_call(Search.from_json(run.settings), run.settings["options"])


@pytest.mark.parametrize("repeats", [1, 2])
@pytest.mark.parametrize("name", NAMES)
def test_a_named_searcher(name, repeats, tmp_path):
    options = {"max_trials": 24, "seed": 1, "repeats": repeats, **QUIET}
    result = experiment.search(None, train, PARAMETERS, name, logdir=tmp_path, **options)
    text = call_of(result)
    called = text.replace("spark, train", "None, train")[:-1] + ", **QUIET)"
    again = eval(called, {"experiment": experiment, "train": train, "QUIET": QUIET})
    assert [r.trial.params for r in again.trials] == [r.trial.params for r in result.trials]


def test_a_constructed_searcher_has_its_settings(tmp_path):
    space = Space.from_search_dict(PARAMETERS)
    searcher = RegularizedEvolutionSearcher(space, n_trials=12, population=4, sample=3, seed=1)
    result = experiment.search(None, train, PARAMETERS, searcher, logdir=tmp_path, **QUIET)
    assert "searcher=RegularizedEvolutionSearcher(space, directions=['max'], n_trials=12, " in (
        call_of(result)
    )
