import numpy as np
import pytest

from sparkexp.errors import InvalidArgumentError
from sparkexp.search import RandomSearcher
from sparkexp.space import Space

from .driving import mixed_space, trials

SPACE = Space.from_search_dict({"x": [0.0, 1.0], "n": [1, 3]})


def test_golden_sequence():
    asked = trials(RandomSearcher(SPACE, n_trials=4, seed=123), lambda params: 0.0)
    assert [dict(trial.params) for trial in asked] == [
        {"x": 0.6823518632481435, "n": 1},
        {"x": 0.22035987277261138, "n": 1},
        {"x": 0.17590590108503035, "n": 3},
        {"x": 0.9233449980270564, "n": 1},
    ]


def test_uniform():
    asked = trials(RandomSearcher(SPACE, n_trials=3000, seed=5), lambda params: 0.0)
    counts = np.histogram([trial.params["x"] for trial in asked], bins=10, range=(0, 1))[0]
    assert counts.min() > 230 and counts.max() < 370
    assert 900 < sum(trial.params["n"] == 1 for trial in asked) < 1100


def test_without_a_limit():
    searcher = RandomSearcher(mixed_space())
    assert searcher.n_trials is None
    assert len(trials(searcher, lambda params: 1.0, n_trials=50)) == 50
    assert not searcher.done


def test_a_drawn_seed_is_told():
    searcher = RandomSearcher(SPACE, n_trials=5)
    again = RandomSearcher(SPACE, **searcher.settings())
    assert trials(searcher, lambda p: 1.0) == trials(again, lambda p: 1.0)
    assert RandomSearcher(SPACE).settings()["seed"] != RandomSearcher(SPACE).settings()["seed"]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"n_trials": 0}, "n_trials is a whole number of at least 1, got 0"),
        ({"n_trials": True}, "n_trials .*got True"),
        ({"n_trials": 2.0}, "n_trials .*got 2.0"),
        ({"seed": -1}, "seed is a whole number of at least 0, got -1"),
        ({"seed": "1"}, "seed .*got '1'"),
    ],
)
def test_errors(settings, message):
    with pytest.raises(InvalidArgumentError, match=message):
        RandomSearcher(SPACE, **settings)
