"""initial= and warm_start=."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from sparkexp import experiment
from sparkexp.errors import InvalidArgumentError, RunDirectoryError, SpaceError
from sparkexp.experiment import Choice

HOW = {"engine": "inline", "progress": False}
SPACE = {"x": [0.0, 1.0], "units": [1, 8]}


def begin(space, initial, seed=1):
    """The first trials of a random search, as many as there are in `initial`."""
    result = experiment.random_search(
        None, lambda **params: 0.0, space, max_trials=len(initial), seed=seed, initial=initial,
        **HOW,
    )  # fmt: skip
    return [dict(each.trial.params) for each in result.trials]


def train(x, units):
    if units == 7:
        raise RuntimeError("seven")
    return -abs(x - 0.3) - units / 100


def test_initial_comes_first_and_is_resumed(tmp_path):
    initial = [{"x": 0.1, "units": 3}, {"units": 1, "x": 1}]
    how = dict(direction="max", popsize=5, generations=2, seed=4, initial=initial, **HOW)
    whole = experiment.evolutionary_search(None, train, SPACE, **how)
    assert [r.trial.params for r in whole.trials[:2]] == [
        {"x": 0.1, "units": 3}, {"x": 1.0, "units": 1},
    ]  # fmt: skip
    assert whole.trials[0].value == train(0.1, 3)
    experiment.evolutionary_search(None, train, SPACE, max_trials=4, logdir=tmp_path, **how)
    resumed = experiment.resume(None, train, tmp_path, max_trials=None, **HOW)
    assert [r.trial for r in resumed.trials] == [r.trial for r in whole.trials]


@pytest.mark.parametrize(
    ("initial", "message"),
    [
        (
            [{"x": 0.1, "unit": 3}],
            r"initial\[0\]: A configuration of this space must have the names x, units",
        ),
        ([{"x": 0.9}], r"initial\[0\]: where= allows none of 1000 configurations with {'x': 0.9}"),
        (np.zeros((3, 2)), "initial must be a list of configurations, or a DataFrame"),
        ("x", "initial must be a list of configurations"),
        ([{"x": 0.1, "units": 1}, {"x": 2, "units": 1}], r"initial\[1\]: x: 2.0 is not a number"),
        ([{"x": 0.9, "units": 1}], r"initial\[0\]: where= does not allow"),
        ({"x": 0.1, "units": 1}, "initial must be a list of configurations"),
        ([{"x": 0.1, "units": 1}] * 11, r"at most 10 .* or use more trials \(max_trials=\)"),
    ],
)
def test_initial_is_checked_first(initial, message):
    with pytest.raises(InvalidArgumentError, match=message):
        experiment.random_search(
            None, train, SPACE, n_trials=10, initial=initial, where=lambda p: p["x"] < 0.8, **HOW
        )


def test_what_initial_leaves_out_is_drawn(tmp_path):
    space = {
        "x": [0.0, 1.0], "units": [1, 8],
        "optimizer": experiment.Choice({"sgd": {"momentum": [0.0, 0.9]}, "adam": {}}),
    }  # fmt: skip
    initial = [{"x": 0.5}, {}, {"momentum": 0.5, "optimizer": "sgd"}, {"optimizer": "adam"}]

    def run(seed, **more):
        return experiment.random_search(
            None, lambda **params: params["x"], space, max_trials=5, seed=seed, initial=initial,
            **HOW, **more,
        )  # fmt: skip

    first = run(1, logdir=tmp_path / "run")
    params = [trial.trial.params for trial in first.trials]
    assert params[0]["x"] == 0.5 and 1 <= params[0]["units"] <= 8
    assert params[2]["momentum"] == 0.5 and params[2]["optimizer"] == "sgd"
    assert "momentum" not in params[3]
    assert [trial.trial for trial in run(1).trials] == [trial.trial for trial in first.trials]
    assert run(2).trials[1].trial.params != params[1]


def test_initial_may_be_a_table():
    table = pd.DataFrame({"x": [0.25, 0.5, np.nan], "units": [3, np.nan, 2]})
    result = experiment.random_search(
        None, train, SPACE, max_trials=4, seed=1, initial=table, **HOW
    )
    params = [trial.trial.params for trial in result.trials]
    assert params[0] == {"x": 0.25, "units": 3} and type(params[0]["units"]) is int
    assert params[1]["x"] == 0.5 and params[2]["units"] == 2


def test_a_table_keeps_the_types_of_its_columns():
    space = {"m": Choice([1.0, 2.0]), "k": Choice([1, 2.5]), "n": Choice([1, 2, 3])}
    table = pd.DataFrame({"m": [1.0, 2.0], "k": [1.0, 2.5], "n": [3.0, np.nan]})
    first, second = begin(space, table)
    assert first == {"m": 1.0, "k": 1, "n": 3} and type(first["k"]) is int
    assert (second["m"], second["k"]) == (2.0, 2.5)
    result = experiment.random_search(
        None, lambda m: m, {"m": space["m"]}, max_trials=4, seed=1, **HOW
    )
    earlier = result.to_pandas()[["m"]]
    assert begin({"m": space["m"]}, earlier) == [dict(r.trial.params) for r in result.trials]


def test_a_missing_cell_is_drawn_unless_none_is_a_value():
    space = {"x": [0.0, 1.0], "l": Choice([None, (1, 2)]), "s": Choice(["a", "b"])}
    rows = [{"x": 0.5, "l": None, "s": None}, {"x": None, "l": (1, 2), "s": "b"}]
    for seed in range(5):
        first, second = begin(space, pd.DataFrame(rows), seed)
        assert first["x"] == 0.5 and first["l"] == "None" and first["s"] in ("a", "b")
        assert 0 <= second["x"] <= 1 and second["l"] == "(1, 2)" and second["s"] == "b"
    cells = pd.DataFrame({"l": pd.Series([np.nan, pd.NA], dtype=object)})
    drawn = {params["l"] for seed in range(9) for params in begin(space, cells, seed)}
    assert drawn == {"None", "(1, 2)"}


def test_a_cell_of_a_parameter_that_is_not_there_is_left_out():
    optimizer = Choice({"sgd": {"decay": Choice([None, "step"])}, "adam": {}})
    table = pd.DataFrame({"o": ["adam", "sgd"], "decay": pd.Series([None, None], dtype=object)})
    assert begin({"o": optimizer}, table) == [{"o": "adam"}, {"o": "sgd", "decay": "None"}]


@pytest.mark.parametrize("seed", range(6))
def test_what_is_drawn_fits_the_names_that_are_given(seed):
    optimizer = Choice({
        "sgd": {"m": [0.0, 0.99], "s": Choice({"step": {"every": [1, 9]}, "flat": {}})},
        "adam": {"beta": [0.5, 0.9]},
    })  # fmt: skip
    assert begin({"o": optimizer}, [{"m": 0.5}], seed)[0].items() >= {"o": "sgd", "m": 0.5}.items()
    deep = begin({"o": optimizer}, [{"every": 3}], seed)[0]
    assert (deep["o"], deep["s"], deep["every"]) == ("sgd", "step", 3)
    with pytest.raises(SpaceError, match=r"initial\[0\]: No configuration has all of the given.*"):
        begin({"o": optimizer}, [{"m": 0.5, "beta": 0.6}], seed)
    with pytest.raises(SpaceError, match="m is there only if o is 'sgd', and o is 'adam' here"):
        begin({"o": optimizer}, [{"o": "adam", "m": 0.5}], seed)
    with pytest.raises(SpaceError, match="s is there only if o is 'sgd', and o is 'adam' here"):
        begin({"o": optimizer}, [{"o": "adam", "every": 3}], seed)


def test_an_object_calls_for_its_parameters():
    space = {"v": Choice({None: {"z": [0.0, 1.0]}, (1, 2): {}})}
    for value in (None, "None"):
        first = begin(space, [{"v": value}])[0]
        assert first["v"] == "None" and 0 <= first["z"] <= 1
    assert begin(space, [{"v": (1, 2)}]) == [{"v": "(1, 2)"}]


@pytest.mark.parametrize(
    ("search", "more"),
    [
        (lambda **how: experiment.launch(None, train, {"x": [0.1], "units": [1]}, **how), "grid"),
        (
            lambda **how: experiment.evolutionary_search(
                None, train, SPACE, popsize=4, generations=1, **how
            ),
            r"a larger population \(popsize= or max_trials=\)",
        ),
    ],
)  # fmt: skip
def test_it_is_said_what_takes_more(search, more):
    with pytest.raises(InvalidArgumentError, match=f"Leave some out, or use .*{more}"):
        search(initial=[{"x": 0.1, "units": 1}] * 9, **HOW)


def test_points_that_where_does_not_allow_are_left_out(tmp_path, capsys):
    points = [({"x": x / 10, "units": 2}, x / 10) for x in range(11)]
    how = {"popsize": 5, "generations": 0, "seed": 4, "engine": "inline", "max_trials": 2}

    def search(where, **more):
        return experiment.evolutionary_search(
            None, train, SPACE, warm_start=points, where=where, **how, **more
        )

    search(lambda p: p["x"] < 0.2, logdir=tmp_path / "run")
    said = capsys.readouterr()
    assert "note: 2 of 11 configurations known from warm_start" in said.out + said.err
    record = json.loads((tmp_path / "run" / "experiment.json").read_text())
    assert [known["params"]["x"] for known in record["known"]] == [0.0, 0.1]
    with pytest.raises(InvalidArgumentError, match="that where= allows, got none of 11"):
        search(lambda p: 0.11 < p["x"] < 0.19)


def test_points_with_constraints(tmp_path):
    def both(x):
        return {"accuracy": x, "excess": x - 0.5}

    def search(value, **more):
        return experiment.evolutionary_search(
            None, both, {"x": [0.0, 1.0]}, metric="accuracy", max_trials=4, seed=1,
            warm_start=[({"x": 0.9}, value)], **HOW, **more,
        )  # fmt: skip

    search(both(0.9), constraint="excess", logdir=tmp_path / "run")
    known = json.loads((tmp_path / "run" / "experiment.json").read_text())["known"]
    assert known == [{"params": {"x": 0.9}, "value": 0.9, "violation": 0.4}]
    search({"accuracy": 0.9}, logdir=tmp_path / "free")
    for value, message in [
        (0.9, r"Write warm_start=.*{'accuracy': 0.0, 'excess': 0.0}.* or give the result or the"),
        ({"accuracy": 0.9}, "must have the numbers 'accuracy', 'excess', got"),
        (
            {"accuracy": 0.9, "excess": np.nan},
            "a finite number as its 'excess', got nan",
        ),
    ]:
        with pytest.raises(InvalidArgumentError, match=message):
            search(value, constraint="excess")


def test_warm_start_from_points(tmp_path):
    points = [({"x": x / 10, "units": 2}, train(x / 10, 2)) for x in range(11)]
    how = {"popsize": 5, "generations": 1, "seed": 4, **HOW}
    warm = experiment.evolutionary_search(
        None, train, SPACE, warm_start=points, logdir=tmp_path / "run", max_trials=3, **how
    )
    cold = experiment.evolutionary_search(None, train, SPACE, max_trials=3, **how)
    assert [r.trial for r in warm.trials] != [r.trial for r in cold.trials]
    assert len(experiment.resume(None, train, tmp_path / "run", max_trials=5, **HOW)) == 5


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ([{"x": 0.1, "units": 1}], "warm_start must have pairs of a configuration"),
        ([({"x": 0.1, "units": 1},)], "warm_start must have pairs of a configuration"),
        (
            [({"x": 0.1, "units": 1}, "good")],
            r"\[0\] must have a finite number as its value",
        ),
        (
            [({"x": 0.1, "units": 1}, float("nan"))],
            r"warm_start\[0\] must have a finite number as its value, got nan. Leave out",
        ),
        ([({"x": 0.1, "units": 1}, {"loss": 1.0})], "is a number where no metric= is named"),
        ([({"x": 3.0, "units": 1}, 0.5)], r"warm_start\[0\]: x: 3.0 is not a number"),
    ],
)
def test_points_are_checked(given, message):
    with pytest.raises(InvalidArgumentError, match=message):
        experiment.evolutionary_search(None, train, SPACE, warm_start=given, **HOW)


def test_a_grid_begins_with_what_is_said():
    grid = {"x": [0.1, 0.2], "units": [1, 2]}
    result = experiment.launch(None, train, grid, initial=[{"x": 0.2, "units": 1}], **HOW)
    found = [tuple(r.trial.params.values()) for r in result.trials]
    assert found == [(0.2, 1), (0.1, 1), (0.1, 2), (0.2, 2)]
    with pytest.raises(SpaceError, match="0.3 is not one of"):
        experiment.launch(None, train, grid, initial=[{"x": 0.3, "units": 1}], **HOW)
    with pytest.raises(
        InvalidArgumentError, match="Put the configurations to try first at the head"
    ):
        experiment.launch(None, train, [{"x": 0.1, "units": 1}], initial=[{}], **HOW)


def test_warm_start_from_a_result_and_a_directory(tmp_path, capsys):
    earlier = experiment.random_search(
        None, train, SPACE, n_trials=30, seed=1, logdir=tmp_path / "earlier", **HOW
    )
    how = {"popsize": 5, "generations": 1, "seed": 4, **HOW}
    warm = experiment.evolutionary_search(None, train, SPACE, warm_start=earlier, **how)
    cold = experiment.evolutionary_search(None, train, SPACE, **how)
    assert [r.trial for r in warm.trials] != [r.trial for r in cold.trials]
    assert len(warm) == len(cold) == 10
    again = experiment.evolutionary_search(
        None, train, SPACE, warm_start=tmp_path / "earlier", max_trials=3,
        logdir=tmp_path / "later", **how,
    )  # fmt: skip
    record = json.loads((tmp_path / "later" / "experiment.json").read_text())
    n_failed = len(earlier.failures())
    assert n_failed and len(record["known"]) == 30 - n_failed
    again = experiment.resume(None, train, tmp_path / "later", max_trials=None, **HOW)
    assert [r.trial for r in again.trials] == [r.trial for r in warm.trials]


def test_of_a_search_on_rungs_the_full_trainings_are_known(capsys):
    def late(x, epochs):
        return -x if epochs < 9 else x

    rungs = {"fidelity": "epochs", "min": 1, "max": 9, "seed": 1, "engine": "inline"}
    sizes = {"popsize": 4, "generations": 6}
    earlier = experiment.evolutionary_search(None, late, {"x": [0.0, 1.0]}, **sizes, **rungs)
    capsys.readouterr()
    later = experiment.evolutionary_search(
        None, late, {"x": [0.0, 1.0]}, warm_start=earlier, **sizes, **rungs
    )
    n = sum(r.trial.rung == 2 for r in earlier.trials)
    assert f"note: {n} of {n} configurations known from warm_start" in capsys.readouterr().err
    assert later.best.params["x"] > 0.9


def test_what_the_plan_says_about_it(capsys):
    earlier = experiment.random_search(None, train, SPACE, n_trials=6, seed=1, **HOW)
    smaller = {"x": [0.0, 1.0], "units": [1, 4]}
    how = {"warm_start": earlier, "seed": 1, "engine": "inline"}
    experiment.evolutionary_search(None, train, smaller, popsize=4, generations=0, **how)
    said = capsys.readouterr()
    n_inside = sum(r.trial.params["units"] <= 4 for r in earlier.trials)
    n_valued = sum(r.value is not None for r in earlier.trials)
    note = f"note: {n_inside} of {n_valued} configurations known from warm_start"
    assert note in said.out + said.err
    experiment.random_search(None, train, SPACE, n_trials=2, **how)
    said = capsys.readouterr()
    assert "note: a random search does not learn: warm_start" in said.out + said.err


def test_what_can_not_warm(tmp_path):
    earlier = experiment.random_search(None, train, SPACE, n_trials=6, seed=1, **HOW)
    for given, message in [
        ("nowhere", "nowhere"),
        (3, "must be the Result of a search"),
    ]:
        with pytest.raises((InvalidArgumentError, RunDirectoryError), match=message):
            experiment.random_search(None, train, SPACE, warm_start=given, **HOW)
    with pytest.raises(InvalidArgumentError, match="must have the direction of this"):
        experiment.random_search(None, train, SPACE, "min", warm_start=earlier, **HOW)
    with pytest.raises(InvalidArgumentError, match="got none of 6"):
        experiment.random_search(
            None, train, {"x": [3.0, 4.0], "units": [1, 8]}, warm_start=earlier, **HOW
        )
    with pytest.raises(InvalidArgumentError, match="takes no warm_start="):
        experiment.resume(None, train, earlier.logdir, warm_start=earlier, **HOW)
