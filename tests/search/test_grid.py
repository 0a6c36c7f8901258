import itertools

import numpy as np
import pytest

from sparkexp.errors import SpaceError
from sparkexp.search import GridSearcher, ListSearcher
from sparkexp.space import Float, Int, Space

from .driving import trials


def asked(searcher):
    return [dict(trial.params) for trial in trials(searcher, lambda params: 1.0)]


def test_grid_is_the_product_in_its_order():
    lists = {"a": [0.001, 0.005, 0.01], "b": [0.5, 0.6], "c": ["x", "y"], "d": [True]}
    searcher = GridSearcher(Space.from_grid_dict(lists))
    product = [
        dict(zip(lists, values, strict=True)) for values in itertools.product(*lists.values())
    ]
    assert searcher.n_trials == 12
    assert asked(searcher) == product


def test_grid_keeps_the_order_written():
    assert asked(GridSearcher(Space.from_grid_dict({"batch": [64, 16, 32]}))) == [
        {"batch": 64},
        {"batch": 16},
        {"batch": 32},
    ]


def test_grid_of_objects():
    searcher = GridSearcher(Space({"layers": Int(3, 1), "dropout": Float(0.1, 0.3, step=0.1)}))
    assert asked(searcher)[:4] == [
        {"layers": 1, "dropout": 0.1},
        {"layers": 1, "dropout": 0.2},
        {"layers": 1, "dropout": 0.3},
        {"layers": 2, "dropout": 0.1},
    ]


def test_a_large_grid_is_not_built():
    space = Space({name: Int(1, 1000) for name in "abcdefgh"})
    searcher = GridSearcher(space)
    assert searcher.n_trials == 1000**8
    assert dict(searcher.ask().params) == dict.fromkeys("abcdefgh", 1)


def test_grid_refuses_a_continuous_parameter():
    with pytest.raises(SpaceError, match="^rate: a grid needs a list of values"):
        GridSearcher(Space({"rate": Float(0.1, 0.2)}))


def test_trials_have_no_generation():
    trial = GridSearcher(Space.from_grid_dict({"a": [1]})).ask()
    assert (trial.id, trial.generation, trial.parent) == ("trials/trial-00000", None, None)


def test_list_runs_exactly_its_configurations():
    given = [{"a": np.float64(0.5)}, {}, {"b": "x", "a": np.int64(2)}, {}]
    searcher = ListSearcher(given)
    assert asked(searcher) == [{"a": 0.5}, {}, {"b": "x", "a": 2}, {}]
    assert [type(v) for params in asked(ListSearcher(given)) for v in params.values()] == [
        float,
        str,
        int,
    ]


def test_list_is_a_copy():
    given = [{"a": 1}]
    searcher = ListSearcher(given)
    given[0]["a"] = 2
    assert asked(searcher) == [{"a": 1}]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ([], "at least one dict, got \\[\\]"),
        ({"a": [1]}, "a list of at least one dict"),
        ([{"a": 1}, {"b": None}], "^Configuration 1, b: .*got None.*map it"),
        ([{"a-b": 1}], "^Configuration 0: .*'a-b'"),
        ([{"a": 1}, 3], "^Configuration 1: .*got 3"),
        ([{"a": float("nan")}], "finite, got nan"),
    ],
)
def test_list_errors(given, message):
    with pytest.raises(SpaceError, match=message):
        ListSearcher(given)
