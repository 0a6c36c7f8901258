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


def restored(make, space, n_told):
    """Asks and tells so many, and goes on in a searcher that took over the state as JSON."""
    searcher, later = make(space), make(space)
    drive(searcher, score, n_trials=n_told)
    later.restore(json.loads(json.dumps(searcher.state())))
    return searcher, later


def test_conditional_parameters(setup):
    make, space = setup[0], conditional_space()
    asked = trials(make(space), score)
    for trial in asked:
        assert space.checked(trial.params) == trial.params
        assert list(space.checked(trial.params)) == list(trial.params)
    assert {trial.params["optimizer"] for trial in asked} == {"sgd", "adam", "ftrl"}
    assert trials(make(space), score) == asked
    searcher, later = restored(make, space, 7)
    assert trials(later, score) == trials(searcher, score)
