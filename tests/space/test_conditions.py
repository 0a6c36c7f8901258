"""Choices whose options have parameters of their own."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sparkexp import experiment
from sparkexp.errors import SpaceError, TrainFunctionError
from sparkexp.results.reproduce import format_call
from sparkexp.search import GridSearcher, RandomSearcher
from sparkexp.search.spec import Search
from sparkexp.space import Choice, Float, Int, Space

from .spaces import spaces

OPTIMIZER = Choice({"sgd": {"momentum": Float(0, 0.99), "nesterov": [True, False]}, "adam": {}})


def space() -> Space:
    return Space.from_search_dict({"rate": [0.1, 0.2], "optimizer": OPTIMIZER, "units": [1, 8]})


def test_the_axes_are_flat_and_the_configurations_have_what_is_there():
    assert space().names == ("rate", "optimizer", "momentum", "nesterov", "units")
    assert space().always == ("rate", "optimizer", "units")
    with_sgd = space().decode(np.array([0.5, 0.1, 1.0, 0.1, 0.0]))
    assert list(with_sgd.items())[1:] == [
        ("optimizer", "sgd"), ("momentum", 0.99), ("nesterov", True), ("units", 1),
    ]  # fmt: skip
    with_adam = space().decode(np.array([0.5, 0.9, 1.0, 0.1, 0.0]))
    assert list(with_adam) == ["rate", "optimizer", "units"]
    assert space().encode(with_adam)[2:4].tolist() == [0.5, 0.5]


@pytest.mark.parametrize(
    ("params", "message"),
    [
        (
            {"rate": 0.1, "optimizer": "adam", "units": 1, "momentum": 0.5},
            "rate, optimizer, units",
        ),
        ({"rate": 0.1, "optimizer": "sgd", "units": 1}, "momentum, nesterov"),
        ({"rate": 0.1, "optimizer": "adamw", "units": 1}, "optimizer: 'adamw' is not one of"),
    ],
)
def test_a_configuration_has_exactly_what_is_there(params, message):
    with pytest.raises(SpaceError, match=message):
        space().check(params)


def test_nested_and_shared_names():
    decay = Float(0, 1)
    nested = Space(
        {
            "a": Choice(
                {
                    1: {"b": Choice({"x": {"c": Int(1, 2)}, "y": {}}), "decay": decay},
                    2: {"decay": decay},
                    3: {},
                }
            )
        }
    )
    assert nested.names == ("a", "b", "c", "decay")
    assert nested.describe()[3] == ("decay", "float in [0.0, 1.0], if a is 1 or 2")
    found = [list(nested.decode(np.array([u, v, 0.0, 0.0]))) for u in (0, 0.5, 1) for v in (0, 1)]
    assert found == [
        ["a", "b", "c", "decay"],
        ["a", "b", "decay"],
        ["a", "decay"],
        ["a", "decay"],
        ["a"],
        ["a"],
    ]
    both = Space({"a": Choice({"x": {"c": Int(1, 2)}, "y": {"c": Int(1, 2)}})})
    assert both.always == ("a", "c")


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"c": Int(1, 2), "a": Choice({"x": {"c": Int(1, 2)}})}, "c: a name must be used once"),
        (
            {"a": Choice({"x": {"c": Int(1, 2)}, "y": {"c": Int(1, 3)}})},
            "c: a parameter under several values",
        ),
        ({"a": Choice({"x": {"c": [1, 2]}})}, "c: a parameter of a Space must be a Float"),
    ],
)
def test_names_that_clash(parameters, message):
    with pytest.raises(SpaceError, match=message):
        Space(parameters)


def test_what_is_no_dict_of_dicts():
    with pytest.raises(SpaceError, match="is a dict of dicts, got 3 for 'sgd'"):
        Choice({"sgd": 3})
    with pytest.raises(SpaceError, match="momentum: A parameter's value must be finite"):
        Space.from_search_dict({"a": Choice({"sgd": {"momentum": [float("nan")]}})})


def test_a_grid_has_the_real_combinations_only():
    grid = Space.from_grid_dict(
        {"optimizer": Choice({"sgd": {"momentum": [0.5, 0.9]}, "adam": {}}), "units": [16, 32]}
    )
    found = [dict(trial.params) for trial in iter(GridSearcher(grid).ask, None)]
    assert found == [
        {"optimizer": "sgd", "momentum": 0.5, "units": 16},
        {"optimizer": "sgd", "momentum": 0.5, "units": 32},
        {"optimizer": "sgd", "momentum": 0.9, "units": 16},
        {"optimizer": "sgd", "momentum": 0.9, "units": 32},
        {"optimizer": "adam", "units": 16},
        {"optimizer": "adam", "units": 32},
    ]


def test_two_numbers_are_bounds_in_a_search_and_values_in_a_grid():
    tree = {"optimizer": Choice({"sgd": {"momentum": [0.5, 0.9]}, "adam": {}})}
    assert Space.from_search_dict(tree).parameters["momentum"] == Float(0.5, 0.9)
    assert Space.from_grid_dict(tree).parameters["momentum"] == Choice([0.5, 0.9])
    assert "momentum" in Space.from_search_dict(tree).plain


def train(optimizer, momentum=0.5):
    return momentum if optimizer == "sgd" else 2.0


def test_a_live_search_passes_what_is_there(tmp_path):
    tree = {"optimizer": Choice({"sgd": {"momentum": [0.5, 0.9]}, "adam": {}})}
    result = experiment.launch(
        None, train, tree, engine="inline", progress=False, logdir=tmp_path / "run"
    )
    assert [r.value for r in result.trials] == [0.5, 0.9, 2.0]
    frame = result.to_pandas()
    assert frame["momentum"].isna().tolist() == [False, False, True]
    assert len(experiment.load(tmp_path / "run")) == 3
    result.plot("parallel")


def test_the_train_function_needs_defaults():
    tree = {"optimizer": Choice({"sgd": {"momentum": [0.5, 0.9]}, "adam": {}})}
    with pytest.raises(TrainFunctionError, match="Not every trial gives its argument 'momentum'"):
        experiment.launch(None, lambda optimizer, momentum: 1.0, tree, engine="inline")
    with pytest.raises(TrainFunctionError, match="no argument 'momentum'"):
        experiment.launch(None, lambda optimizer: 1.0, tree, engine="inline")


def test_the_search_can_be_repeated_from_its_text():
    search = Search(RandomSearcher(space(), 3, 1), space=space())
    names = {"Choice": Choice, "Float": Float, "spark": None, "train": None}
    names["experiment"] = type("E", (), {"random_search": staticmethod(lambda *a, **k: a[2])})
    assert Space.from_search_dict(eval(format_call(search, {}), names)) == space()


def test_tensorboard_shows_what_is_not_there():
    shown = {
        spec.name: spec for spec in Search(RandomSearcher(space()), space=space()).parameters()
    }
    assert [name for name, spec in shown.items() if spec.optional] == ["momentum", "nesterov"]
    assert shown["momentum"].coerce(0.123456) == "0.1235"


@settings(max_examples=60, deadline=None)
@given(space=spaces(), seed=st.integers(0, 2**32))
def test_any_space_there_and_back(space, seed):
    assert Space.from_json(json.loads(json.dumps(space.to_json()))) == space
    for genome in np.random.default_rng(seed).random((5, space.n_dims)):
        params = space.decode(genome)
        assert list(space.check(params)) == list(params)
        assert set(space.always) <= set(params) <= set(space.names)
        for name, value in params.items():
            assert type(value) in (int, float, str, bool)
            parameter = space.parameters[name]
            if not isinstance(parameter, Choice):
                assert parameter.low <= value <= parameter.high
        again = space.decode(space.encode(params))
        assert list(again) == list(params)
        for name, value in params.items():
            assert again[name] == (pytest.approx(value) if type(value) is float else value)
