"""None, tuples and lists as values of a parameter."""

from __future__ import annotations

import json

import numpy as np
import pytest

from sparkexp import experiment
from sparkexp.errors import SpaceError
from sparkexp.results.reproduce import format_call
from sparkexp.search.spec import Search
from sparkexp.space import Choice, Space

SPACE = {
    "layers": [(64, 32), (128,)],
    "regulariser": [None, "l2"],
    "sizes": Choice([[1, 2], None, [3]]),
    "rate": [0.1, 1.0],
}
FIRST = {"layers": (64, 32), "regulariser": None, "sizes": [3], "rate": 0.1}
QUIET = {"engine": "inline", "progress": False, "trackers": []}


def train(layers, regulariser, sizes, rate):
    assert isinstance(layers, tuple) and regulariser in (None, "l2")
    assert sizes is None or isinstance(sizes, list)
    value = sum(layers) * rate + (regulariser is None) + len(sizes or ())
    if sizes:
        sizes.append(4)  # which no other trial sees
    return value


def _where(params):
    return params["regulariser"] is None or params["layers"] == (64, 32)


@pytest.mark.parametrize("searcher", ["grid", "random", "sobol", "shade", "surrogate", "tpe"])
def test_searches_pass_the_objects_and_record_the_texts(searcher, tmp_path):
    settings = {} if searcher in ("grid", "tpe") else {"seed": 1}
    if searcher == "tpe":
        searcher = pytest.importorskip("optuna").samplers.TPESampler(seed=1)
    result = experiment.search(
        None, train, SPACE, searcher, max_trials=12, where=_where, initial=[FIRST],
        warm_start=[({**FIRST, "layers": (128,)}, 14.0)], logdir=tmp_path / "run",
        **settings, **QUIET,
    )  # fmt: skip
    assert len(result) == 12
    assert all(trial.succeeded for trial in result.trials), result.failures()
    assert result.trials[0].trial.params == {
        "layers": "(64, 32)", "regulariser": "None", "sizes": "[3]", "rate": 0.1,
    }  # fmt: skip
    assert {type(v) for v in result.to_pandas()["layers"]} == {str}
    loaded = experiment.load(tmp_path / "run")
    assert [r.trial for r in loaded.trials] == [r.trial for r in result.trials]
    settings = json.loads((tmp_path / "run" / "experiment.json").read_text())
    assert "[(64, 32), (128,)]" in format_call(Search.from_json(settings | {"given": None}), {})


def test_a_search_goes_on_and_its_trials_start_another(tmp_path):
    def stop(result):
        return len(result) == 3

    how = {"seed": 1, "max_trials": 8, **QUIET}
    begun = experiment.random_search(None, train, SPACE, stop_when=stop, logdir=tmp_path, **how)
    assert len(begun) == 3
    ended = experiment.resume(None, train, tmp_path, engine="inline", progress=False)
    whole = experiment.random_search(None, train, SPACE, **how)
    assert [r.trial.params for r in ended.trials] == [r.trial.params for r in whole.trials]
    assert [r.value for r in ended.trials] == [r.value for r in whole.trials]
    more = experiment.evolutionary_search(
        None, train, SPACE, variant="shade", warm_start=whole, initial=whole.to_pandas()[:1][
            ["layers", "regulariser", "sizes", "rate"]
        ], **how,
    )  # fmt: skip
    assert more.trials[0].trial.params == whole.trials[0].trial.params


def test_an_option_that_is_none_has_parameters_of_its_own():
    space = Space.from_search_dict({"decay": Choice({None: {}, "step": {"every": [1, 9]}})})
    assert space.decode(np.array([0.0, 0.5])) == {"decay": "None"}
    again = Space.from_json(json.loads(json.dumps(space.to_json())))
    assert again == space
    assert again.check({"decay": None}) == {"decay": "None"}
    assert again.parsed["decay"].parse("None") is None
    assert again.parsed["decay"].parse("step") == "step"


def test_a_single_none_is_a_constant():
    space = Space.from_grid_dict({"a": None, "b": [(np.int64(1), np.float64(0.5))]})
    assert [parameter.describe() for parameter in space.parameters.values()] == [
        "always None", "always (1, 0.5)",
    ]  # fmt: skip
    assert space.configuration(0) == {"a": "None", "b": "(1, 0.5)"}
    plain = Space.from_grid_dict({"a": "None", "b": ["(1, 0.5)"]})
    assert plain.to_json() != space.to_json() and not plain.parsed


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([None, "None"], "None, a tuple and a list have the text"),
        ([(1, {2})], "got \\{2\\}"),
        ([(1, float("nan"))], "finite"),
    ],
)
def test_what_is_no_value(options, message):
    with pytest.raises(SpaceError, match=message):
        Choice(options)


def test_a_list_of_configurations_may_have_objects(tmp_path):
    listed = [
        {"layers": None, "regulariser": "l2", "sizes": [3], "rate": 0.5},
        {"layers": (64, 32), "regulariser": None, "sizes": [3, 4], "rate": 0.5},
        {"layers": "plain", "regulariser": "l2", "sizes": 3, "rate": 0.5},
    ]

    def text(**params):
        return {"length": float(len(repr(sorted(params.items()))))}

    how = {"metric": "length", **QUIET}
    begun = experiment.launch(
        None, text, listed, logdir=tmp_path, stop_when=lambda result: len(result) == 1, **how
    )
    assert len(begun) == 1
    ended = experiment.resume(None, text, tmp_path, engine="inline", progress=False)
    assert [r.value for r in ended.trials] == [text(**each)["length"] for each in listed]
    assert [r.trial.params["layers"] for r in ended.trials] == ["None", "(64, 32)", "plain"]
    loaded = experiment.load(tmp_path)
    assert [r.trial for r in loaded.trials] == [r.trial for r in ended.trials]
    settings = json.loads((tmp_path / "experiment.json").read_text())
    assert repr(listed) in format_call(Search.from_json(settings), {})
    on_rungs = experiment.launch(
        None, lambda epochs, **params: text(**params), listed, fidelity="epochs", min=1, max=3,
        **how,
    )  # fmt: skip
    assert {r.value for r in on_rungs.trials} <= {r.value for r in ended.trials}


@pytest.mark.parametrize(
    ("listed", "message"),
    [
        ([{"v": "None"}, {"v": None}], "Configuration 0, v: a text must differ from those of"),
        ([{}, {"v": (1, {2})}], r"Configuration 1, v: A parameter's value .*got \{2\}"),
        ([{"v": {"a": 1}}], "in a list or a Choice also None, a tuple or a list of these, got"),
    ],
)
def test_what_is_no_value_of_a_list(listed, message):
    with pytest.raises(SpaceError, match=message):
        experiment.launch(None, lambda v=0: 0.0, listed, **QUIET)
