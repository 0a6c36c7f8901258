"""What every searcher does in spaces that are more than a box."""

from __future__ import annotations

import json

import numpy as np
import pytest

from sparkexp.errors import InvalidArgumentError
from sparkexp.search.base import Known
from sparkexp.space import Choice, Float, Int, Space
from sparkexp.trial import params_key

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


def check_restoring(make, space, n_told=7, **begin):
    """Asks and tells so many, and goes on in a searcher that took over the state as JSON."""
    searcher, later = make(space), make(space)
    for each in (searcher, later):
        each.start_from(**begin)
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


def some(space: Space, n: int, seed: int = 1) -> list[dict]:
    """So many different configurations of a space."""
    drawn = np.random.default_rng(seed).random((50, space.n_dims))
    found = {params_key(params): params for params in map(space.decode, drawn)}
    return list(found.values())[:n]


@pytest.mark.parametrize(
    "space", [conditional_space(), constrained_space()], ids=["tree", "where"]
)
def test_initial(setup, space):
    make, initial = setup[0], some(space, 3)
    searcher = make(space)
    if searcher._max_initial() == 0:  # a list, or the places of a grid
        assert searcher.name in ("list", "asha")
        with pytest.raises(InvalidArgumentError, match="begins with at most 0"):
            searcher.start_from(initial)
        return
    searcher.start_from(initial)
    asked = trials(searcher, score)
    assert [dict(trial.params) for trial in asked[:3]] == initial
    assert len(asked) == make(space).n_trials
    assert all(space.allows(space.checked(trial.params)) for trial in asked)
    if searcher.name == "grid":
        whole = trials(make(space), score)
        assert {params_key(t.params) for t in asked} == {params_key(t.params) for t in whole}
        assert len({params_key(t.params) for t in asked}) == len(asked)
    for trial in asked[3:]:  # what is promoted is what was asked first
        if trial.rung and trial.parent:
            parent = next(t for t in asked if t.id == trial.parent)
            assert trial.params == parent.params
    check_restoring(make, space, initial=initial)
    check_restoring(make, space, n_told=1, initial=initial)


def test_too_many_initial(setup):
    space = conditional_space()
    searcher = setup[0](space)
    with pytest.raises(InvalidArgumentError, match="Leave some out"):
        searcher.start_from(some(space, 1) * 200)


def test_warm_start(setup):
    """Whoever learns proposes other trials than without, and goes on after a restart."""
    make, space = setup[0], conditional_space()
    known = [Known(params, float(len(str(params)))) for params in some(space, 30)]
    searcher = make(space)
    learns = searcher.start_from((), known)
    asked = trials(searcher, score)
    assert (asked != trials(make(space), score)) is learns
    assert len(asked) == make(space).n_trials
    for trial in asked:
        assert space.checked(trial.params) == trial.params
    check_restoring(make, space, known=known)
    with pytest.raises(InvalidArgumentError, match="another searcher"):
        make(space).restore(searcher.state())


def test_what_is_known_is_what_the_search_goes_on_from(setup):
    """The best known is near 0.9, and so is what a searcher that learns tries first."""
    space = Space({"x": Float(0, 1, step=0.05), "y": Float(0, 1, step=0.1)})
    rng = np.random.default_rng(3)
    drawn = {params_key(p): p for p in map(space.decode, rng.random((60, 2)))}

    def objective(params):
        return -((params["x"] - 0.9) ** 2) - (params["y"] - 0.9) ** 2

    searcher = setup[0](space)
    learns = searcher.start_from((), [Known(p, objective(p)) for p in drawn.values()])
    first = [r.trial for r in drive(searcher, objective, n_trials=14)]
    near = np.mean([-objective(trial.params) < 0.1 for trial in first])
    assert near > 0.3 or not learns
