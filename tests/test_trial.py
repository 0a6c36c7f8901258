from __future__ import annotations

import dataclasses
import json
import math

import pytest

from sparkexp.trial import Fault, Loss, State, Trial, TrialResult, params_key

FULL = TrialResult(
    Trial(
        12,
        {"lr": 0.1, "layers": 3, "name": "é", "augment": True},
        2,
        "gen-001/trial-00003",
        extra={"epochs": 9},
        rung=2,
        repetition=1,
    ),
    State.FAILED,
    value=-0.5,
    metrics={"loss": -0.5, "acc": 1.0},
    error="Traceback …\nValueError: 7",
    submitted=1.0,
    started=2.0,
    ended=4.5,
    host="node-1",
    executor="3",
    gpu="0,1",
    attempt=1,
    logdir="/runs/x/gen-002/trial-00012/attempt-1",
    reused_from="gen-000/trial-00001",
    output="epoch 1\nepoch 2",
    imported=("keras", "scipy"),
    warnings=("the disk is full",),
    continued=True,
    values=(0.5, 2.0),
    kept="node-1:/tmp/trial/x",
    notes={"stopped": True, "curve": [0.1, None]},
    loss=Loss.KILLED,
    fault=Fault.METRIC,
    stops_search="enough",
    violation=0.25,
)


@pytest.mark.parametrize(
    ("trial", "expected"),
    [
        (Trial(0, {}), "trials/trial-00000"),
        (Trial(7, {}, generation=0), "gen-000/trial-00007"),
        (Trial(7, {}, rung=2), "rung-2/trial-00007"),
        (Trial(123456, {}, generation=1234), "gen-1234/trial-123456"),
    ],
)
def test_the_id_is_the_directory(trial, expected):
    assert trial.id == expected


def test_every_field_survives_json():
    for field in dataclasses.fields(TrialResult):
        default = field.default
        if field.default_factory is not dataclasses.MISSING:
            default = field.default_factory()
        assert getattr(FULL, field.name) != default, f"the test lost sight of {field.name}"
    again = TrialResult.from_json(json.loads(json.dumps(FULL.to_json())))
    assert again == FULL
    assert type(again.state) is State
    assert [type(v) for v in again.trial.params.values()] == [float, int, str, bool]


def test_a_record_of_an_earlier_version_has_no_extra_arguments():
    record = FULL.to_json()
    del record["trial"]["extra"]
    again = TrialResult.from_json(record)
    assert again.trial.extra == {} and again.trial.arguments == FULL.trial.params


def test_defaults_survive_json():
    result = TrialResult(Trial(0, {}), State.CANCELLED)
    assert TrialResult.from_json(json.loads(json.dumps(result.to_json()))) == result


def test_json_shares_nothing_with_the_result():
    metrics = {"a": 1.0}
    result = TrialResult(Trial(0, {"x": 1}), State.SUCCEEDED, 1.0, metrics)
    record = result.to_json()
    record["metrics"]["a"] = record["trial"]["params"]["x"] = 2
    assert result.metrics == {"a": 1.0} and result.trial.params == {"x": 1}


@pytest.mark.parametrize(
    "change",
    [
        {"state": "BETTER"},
        {"trial": {"number": 1}},
        {"trial": None},
        {"surprise": 1},
        {"imported": None},
        {"value": math.nan},
    ],
)
def test_a_foreign_record_is_refused(change):
    with pytest.raises((KeyError, TypeError, ValueError)):
        TrialResult.from_json({**FULL.to_json(), **change})


def test_a_record_without_trial_is_refused():
    record = FULL.to_json()
    del record["trial"]
    with pytest.raises(KeyError):
        TrialResult.from_json(record)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_value_is_finite(value):
    with pytest.raises(ValueError, match="finite number or None, got"):
        TrialResult(Trial(0, {}), State.SUCCEEDED, value)


@pytest.mark.parametrize(
    ("started", "ended", "seconds"), [(10.0, 12.5, 2.5), (0.0, 12.5, 0.0), (12.0, 11.0, 0.0)]
)
def test_seconds(started, ended, seconds):
    result = TrialResult(Trial(0, {}), State.SUCCEEDED, started=started, ended=ended)
    assert result.seconds == seconds


def test_only_success_is_success():
    assert {state: TrialResult(Trial(0, {}), state).succeeded for state in State} == {
        State.SUCCEEDED: True,
        State.FAILED: False,
        State.CANCELLED: False,
        State.PRUNED: False,
    }


def test_results_are_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        FULL.value = 2.0  # type: ignore[misc]


def test_equal_parameters_have_equal_keys_whatever_their_order():
    assert params_key({"a": 1, "b": "x"}) == params_key({"b": "x", "a": 1})
    keys = {params_key({"a": value}) for value in (1, 1.0, True, "1", 0, False, 0.5, 1)}
    assert len(keys) == 7
    assert params_key({"a": 1}) != params_key({"b": 1})
