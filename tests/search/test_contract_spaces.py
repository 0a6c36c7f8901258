"""What every searcher does in spaces that are more than a box."""

from __future__ import annotations

import json

import pytest

from sparkexp.space import Choice, Float, Int, Space

from .driving import SETUPS, drive, score, trials


@pytest.fixture(params=SETUPS)
def setup(request):
    return SETUPS[request.param]


def conditional_space() -> Space:
    return Space(
        {
            "optimizer": Choice(
                {
                    "sgd": {
                        "momentum": Float(0, 0.9, step=0.3),
                        "nesterov": Choice([True, False]),
                    },
                    "adam": {"beta": Choice([0.9, 0.99])},
                    "ftrl": {},
                }
            ),
            "units": Int(1, 6),
        }
    )


def check_restoring(make, space, n_told=7):
    """Asks and tells so many, and goes on in a searcher that took over the state as JSON."""
    searcher, later = make(space), make(space)
    drive(searcher, score, n_trials=n_told)
    later.restore(json.loads(json.dumps(searcher.state())))
    rest = trials(later, score)
    assert [trial.number for trial in rest] == list(range(n_told, searcher.n_trials))
    assert all(space.allows(space.checked(trial.params)) for trial in rest)
    if searcher.restores_exactly:
        assert rest == trials(searcher, score)


def test_conditional_parameters(setup):
    make, space = setup[0], conditional_space()
    asked = trials(make(space), score)
    for trial in asked:
        assert space.checked(trial.params) == trial.params
        assert list(space.checked(trial.params)) == list(trial.params)
    assert {trial.params["optimizer"] for trial in asked} == {"sgd", "adam", "ftrl"}
    assert trials(make(space), score) == asked
    check_restoring(make, space)


def constrained_space() -> Space:
    return Space(
        {
            "low": Int(1, 9),
            "high": Int(1, 9),
            "kind": Choice({"a": {"x": Int(0, 3)}, "b": {}}),
        },
        where=lambda p: p["low"] < p["high"] and p.get("x", 0) != 1,
    )


def test_where(setup):
    make, space = setup[0], constrained_space()
    asked = trials(make(space), score)
    for trial in asked:
        assert space.allows(space.checked(trial.params))
    assert len(asked) == make(space).n_trials
    assert len({tuple(trial.params.items()) for trial in asked}) > len(asked) / 3
    assert trials(make(space), score) == asked
    check_restoring(make, space)


def test_where_that_allows_a_sliver(setup):
    """One configuration in 200, none of which a searcher is likely to draw twice."""
    space = Space({"a": Int(1, 20), "b": Int(1, 20)}, where=lambda p: p["a"] * p["b"] == 36)
    asked = trials(setup[0](space), score)
    assert asked and all(t.params["a"] * t.params["b"] == 36 for t in asked)
