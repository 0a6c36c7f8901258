"""A searcher of the user's own on a real session, with a train function like a user's."""

from __future__ import annotations

import pytest

from sparkexp import experiment
from sparkexp.space import Space
from tests.search.climbing import ClimbingSearcher

pytestmark = pytest.mark.spark

DICT = {"rate": [0.0, 1.0], "units": [1, 8]}


def train(rate, units):
    import numpy as np

    rng = np.random.default_rng(units)
    weights = rng.normal(size=units)
    for step in range(3):
        weights = weights * (1 - rate / 2)
        print(f"step {step}: {np.abs(weights).max():.3f}")
        experiment.report(step, loss=float(np.abs(weights).sum()))
    return float(np.abs(weights).sum())


def new() -> ClimbingSearcher:
    return ClimbingSearcher(Space.from_search_dict(DICT), "min", n_trials=14, seed=2)


def test_it_searches_and_goes_on(spark, tmp_path):
    place = tmp_path / "run"
    first = experiment.search(
        spark, train, DICT, new(), "min", max_trials=6, logdir=place, progress=False
    )
    assert first.failures() == {} and first.stopped
    whole = experiment.resume(spark, train, place, searcher=new(), max_trials=None, progress=False)
    inline = experiment.search(
        None, train, DICT, new(), "min", engine="inline", progress=False,
        logdir=tmp_path / "inline",
    )  # fmt: skip
    assert [(r.trial, r.value) for r in whole.trials] == [
        (r.trial, r.value) for r in inline.trials
    ]
    assert whole.searcher == "climbing" and whole.failures() == {}
