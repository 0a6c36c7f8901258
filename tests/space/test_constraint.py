"""where=: which configurations may be tried."""

from __future__ import annotations

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sparkexp import experiment
from sparkexp.errors import InvalidArgumentError, SearchInterrupted, SpaceError
from sparkexp.search import (
    EvolutionSearcher,
    GridSearcher,
    RandomSearcher,
    ShadeSearcher,
    SobolSearcher,
    SurrogateSearcher,
)
from sparkexp.space import Choice, Float, Int, Space, where_function
from sparkexp.testing.driving import trials

from .spaces import spaces

UNIT = {"a": Float(0, 1), "b": Float(0, 1)}


async def _ask_later(params):
    return True


def _one_by_one(params):
    yield True


def test_no_point_decodes_to_what_is_not_allowed():
    space = Space(UNIT, where=lambda p: p["a"] + 0.5 < p["b"])
    for genome in np.random.default_rng(1).random((200, 2)):
        params = space.decode(genome)
        assert params["a"] + 0.5 < params["b"]
        if space.admits(genome):
            assert params == Space(UNIT).decode(genome)
            assert space.repair(genome) is genome
        assert space.decode(space.repair(genome)) == params


def test_random_points_are_drawn_anew_and_not_moved():
    """Moved points would heap up at the border of what is allowed."""
    result = experiment.random_search(
        None, lambda a, b: 0.0, {"a": [0.0, 1.0], "b": [0.0, 1.0]}, n_trials=300, seed=1,
        where=lambda p: p["a"] < p["b"], engine="inline", progress=False,
    )  # fmt: skip
    gaps = [r.trial.params["b"] - r.trial.params["a"] for r in result.trials]
    assert min(gaps) > 0
    # b - a has the density 2 (1 - x) on [0, 1]: mean 1/3, standard error 0.014.
    assert np.mean(gaps) == pytest.approx(1 / 3, abs=0.05)


def test_a_grid_is_filtered():
    space = Space.from_grid_dict({"a": [1, 2, 3], "b": [1, 2, 3]}, where=lambda p: p["a"] < p["b"])
    grid = GridSearcher(space)
    assert grid.n_trials == 3
    found = [tuple(trial.params.values()) for trial in iter(grid.ask, None)]
    assert found == [(1, 2), (1, 3), (2, 3)]
    huge = {"a": Int(1, 2000), "b": Int(1, 2000)}
    with pytest.raises(SpaceError, match="at most 1,000,000 combinations"):
        GridSearcher(Space(huge, where=lambda p: p["a"] < p["b"]))


@pytest.mark.parametrize(
    ("where", "message"),
    [
        (lambda p: False, "of 204,040 configurations tried it allowed none"),
        (lambda p: p["a"] + p["b"] > 2, "configurations tried it allowed none"),
        (lambda p: p["c"] > 0, "where raised KeyError: 'c' for {'a': .* p.get"),
        ("a < b", "where must be a function of a configuration, got 'a < b'"),
        (lambda p: (p[k] < 0.5 for k in p), r"True or False, got <generator .* Write all\(…\)"),
        (_ask_later, "where must be a function of a configuration, got the async function"),
        (_one_by_one, "where must be a function of a configuration, got the generator function"),
        (lambda p: [p["a"] < 0.5], r"where must return True or False, got \[(True|False)\] for"),
    ],
)
def test_what_is_wrong_is_said_before_the_first_trial(where, message, tmp_path):
    def train(a, b):
        raise AssertionError("never called")

    with pytest.raises(SpaceError, match=message):
        experiment.evolutionary_search(
            None, train, {"a": [0.0, 1.0], "b": [0.0, 1.0]}, where=where, engine="inline",
            logdir=tmp_path / "run",
        )  # fmt: skip
    assert not (tmp_path / "run").exists()


def test_few_configurations_are_all_looked_at():
    only = Space({"a": Int(1, 1000)}, where=lambda p: p["a"] == 777)
    assert only.decode(np.array([0.1])) == {"a": 777}
    with pytest.raises(SpaceError, match="of 1,000 configurations it allowed none"):
        Space({"a": Int(1, 1000)}, where=lambda p: p["a"] > 1000)


@pytest.mark.parametrize("kind", [bool, np.bool_, int, float, np.float32, lambda yes: yes or None])
def test_an_answer_is_a_bool_a_number_or_nothing(kind):
    space = Space(UNIT, where=lambda p: kind(p["a"] < p["b"]))
    assert all(
        p["a"] < p["b"] for p in map(space.decode, np.random.default_rng(1).random((20, 2)))
    )


def test_a_slow_function_is_told_of(monkeypatch, caplog):
    monkeypatch.setattr(where_function, "FIRST_LINE_S", 0.2)

    def slow(p):
        time.sleep(0.002)
        return p["a"] < p["b"]

    Space(UNIT, where=slow)
    assert [r.getMessage().split(" has been")[0] for r in caplog.records] == [
        "Looking for allowed configurations: where="
    ]
    caplog.clear()
    Space(UNIT, where=lambda p: p["a"] < p["b"])
    assert not caplog.records


WIDTHS = {f"w{k}": Int(8, 512) for k in range(7)}


def _ascend(params):
    return all(params[f"w{k}"] < params[f"w{k + 1}"] for k in range(6))


def _ascend_by_numpy(params):
    # An array has no trace of its numbers' comparisons: points have to be drawn.
    return bool((np.diff(np.array(list(params.values()))) > 0).all())


@pytest.mark.parametrize("where", [_ascend, _ascend_by_numpy])
def test_seven_ascending_widths_are_spread(where):
    """One in 5,040 configurations ascends; the k-th of them has the mean of an order statistic."""
    space = Space(WIDTHS, where=where)
    assert space.is_narrow
    searcher = RandomSearcher(space, n_trials=150, seed=1)
    found = np.array([list(trial.params.values()) for trial in iter(searcher.ask, None)])
    assert (np.diff(found) > 0).all()
    assert len(np.unique(found, axis=0)) > 140
    # The largest standard error is 90 / sqrt(150) = 7; kept points are shared.
    assert found.mean(axis=0) == pytest.approx(8 + 504 * np.arange(1, 8) / 8, abs=35)


def test_a_curved_sliver_is_found_by_its_comparisons():
    """Of Lampinen's sixth problem, 1 in 15,000 points is allowed: drawing 4,000 finds none."""

    def where(p):
        x, y = p["x"], p["y"]
        return (x - 5) ** 2 + (y - 5) ** 2 >= 100 and (x - 6) ** 2 + (y - 5) ** 2 <= 82.81

    axes = {"x": Float(13, 100), "y": Float(0, 100)}
    space, again = Space(axes, where=where), Space(axes, where=where)
    searchers = [ShadeSearcher(each, "min", n_trials=30, seed=1) for each in (space, again)]
    one, other = ([trial.params for trial in trials(each, _mean)] for each in searchers)
    assert one == other
    assert all(map(where, one))
    assert len({params["x"] for params in one}) == 30
    genomes = np.random.default_rng(1).random((20, 2))
    assert all(where(space.decode(genome)) for genome in genomes)


def _mean(params):
    return (params["x"] - 10) ** 3 + (params["y"] - 20) ** 3


@pytest.mark.parametrize(
    "make",
    [
        lambda space: RandomSearcher(space, 24, seed=1),
        lambda space: SobolSearcher(space, 24, seed=1),
        lambda space: EvolutionSearcher(space, "max", popsize=6, generations=3, seed=1),
        lambda space: ShadeSearcher(space, "max", n_trials=24, seed=1),
        lambda space: SurrogateSearcher(space, "max", n_trials=24, seed=1),
    ],
)
def test_searches_of_a_narrow_space_stay_diverse(make):
    space = Space(WIDTHS, where=_ascend)
    first, second = (
        [tuple(t.params.values()) for t in trials(make(space), lambda p: p["w6"] - p["w0"])]
        for _ in range(2)
    )
    assert first == second
    assert len(set(first)) >= 20
    assert (np.diff(np.array(first)) > 0).all()


def test_raising_later_is_not_satisfied(caplog):
    def where(params):
        return 1 / (params["a"] != 0.75) > 0

    space = Space(UNIT, where=where)
    assert space.decode(np.array([0.75, 0.5]))["a"] != 0.75
    assert "counts as not satisfied" in caplog.text


def test_a_list_is_not_filtered():
    with pytest.raises(InvalidArgumentError, match="where needs a dict of lists"):
        experiment.launch(None, lambda a: a, [{"a": 1}], where=bool, engine="inline")


def test_it_is_handed_over_again_on_resume(tmp_path):
    def train(a, b):
        return a - b

    def where(params):
        return params["a"] < params["b"]

    space = {"a": [0.0, 1.0], "b": [0.0, 1.0]}
    how = {"engine": "inline", "progress": False}
    whole = experiment.random_search(None, train, space, n_trials=8, seed=3, where=where, **how)
    left = iter(range(3))

    def stop_after_3(a, b):
        if next(left, None) is None:
            raise KeyboardInterrupt
        return train(a, b)

    with pytest.raises(SearchInterrupted):
        experiment.random_search(
            None, stop_after_3, space, max_trials=8, seed=3, where=where, logdir=tmp_path, **how
        )
    with pytest.raises(InvalidArgumentError, match="Hand the same one over again"):
        experiment.resume(None, train, tmp_path, max_trials=None, **how)
    result = experiment.resume(None, train, tmp_path, max_trials=None, where=where, **how)
    assert [r.trial for r in result.trials] == [r.trial for r in whole.trials]
    assert len(experiment.load(tmp_path)) == 8
    plain = experiment.random_search(None, train, space, n_trials=1, seed=3, **how)
    with pytest.raises(InvalidArgumentError, match="started without where="):
        experiment.resume(None, train, plain.logdir, where=where, **how)


@settings(max_examples=30, deadline=None)
@given(space=spaces(), seed=st.integers(0, 2**32))
def test_any_space_with_a_constraint(space, seed):
    rng = np.random.default_rng(seed)
    example = space.decode(rng.random(space.n_dims))
    name = list(example)[-1]

    def where(params):
        # Half of a number's range, or any value but one of a choice.
        parameter, value = space.parameters[name], params.get(name)
        if value is None or parameter.n_values == 1:
            return True
        if isinstance(parameter, Choice):
            return value != parameter.options[0] or type(value) is not type(parameter.options[0])
        return value >= (parameter.low + parameter.high) / 2

    constrained = Space(space.top_level, where=where)
    for genome in rng.random((5, space.n_dims)):
        params = constrained.decode(genome)
        assert where(params)
        assert constrained.check(params) == params
