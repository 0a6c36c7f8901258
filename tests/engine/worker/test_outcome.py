from __future__ import annotations

import datetime
import json
import math
import subprocess
import sys
import time
from collections import UserDict
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import numpy as np
import pandas
import pytest

from sparkexp.engine.worker.outcome import Outcome, call_train, failure
from sparkexp.objective import Objective
from sparkexp.trial import Fault, State


class Tensor:
    """Has what an eager tensor has."""

    def __init__(self, value, shape=()):
        self.value, self.shape = value, shape

    def __float__(self) -> float:
        return float(self.value)


class Unprintable:
    def __repr__(self) -> str:
        raise RuntimeError("no repr")

    __str__ = __repr__


def returning(value, metric: str | None = None, *, needs_value: bool = True) -> Outcome:
    return call_train(lambda: value, {}, (Objective(metric),), needs_value)


@pytest.mark.parametrize(
    ("returned", "value"),
    [
        (0.75, 0.75),
        (3, 3.0),
        (-0.0, 0.0),
        (np.float32(0.5), 0.5),
        (np.int64(-3), -3.0),
        (np.array(0.25), 0.25),
        (Fraction(1, 4), 0.25),
        (Tensor(0.125), 0.125),
        ({"loss": 0.5}, 0.5),
        ({"loss": np.float64(0.5)}, 0.5),
        (UserDict(loss=2), 2.0),
    ],
)
def test_a_number(returned, value):
    outcome = returning(returned)
    assert (outcome.state, outcome.value, outcome.error) == (State.SUCCEEDED, value, None)
    assert type(outcome.value) is float


@pytest.mark.parametrize(
    "returned",
    [
        True,
        np.bool_(True),
        "0.75",
        b"1",
        np.str_("0.75"),
        1j,
        np.complex128(1 + 2j),
        [[0.5]],
        [],
        ["0.5"],
        np.array([[0.1, 0.2]]),
        np.array("0.5"),
        Tensor(0.5, (1,)),
        Tensor("text"),
        object(),
        Unprintable(),
        Decimal("0.5"),
        10**400,
    ],
)
@pytest.mark.parametrize("wrap", [lambda value: value, lambda value: {"loss": value}])
def test_no_number(returned, wrap):
    outcome = returning(wrap(returned))
    assert outcome.state is State.FAILED and outcome.value is None
    assert "must return a number or a dict of" in outcome.error
    assert type(returned).__qualname__ in outcome.error


@pytest.mark.parametrize("returned", [[0.5], (0.5,), np.array([0.1, 0.2])])
def test_a_bare_list_is_no_number(returned):
    assert "must return a number" in returning(returned).error


def test_the_shape_is_told():
    assert "numpy.ndarray of shape (2, 3)" in returning(np.zeros((2, 3))).error


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf, np.float32("nan")])
def test_not_finite(number):
    for returned in (number, {"loss": number, "lr": 0.5}):
        outcome = returning(returned, "loss")
        assert outcome.state is State.FAILED and outcome.value is None
        assert f"returned {float(number)}" in outcome.error
        assert all(map(math.isfinite, outcome.metrics.values()))
    assert outcome.metrics == {"lr": 0.5}, "the other metrics are kept"


def test_nothing_returned():
    assert returning(None).error.startswith("The train function returned nothing.")
    assert returning(None, "loss", needs_value=False).state is State.FAILED
    allowed = returning(None, needs_value=False)
    assert (allowed.state, allowed.value, allowed.error) == (State.SUCCEEDED, None, None)


def test_a_dict_with_the_metric():
    outcome = returning({"loss": 1.5, "accuracy": 1}, "accuracy")
    assert (outcome.value, outcome.metrics) == (1.0, {"loss": 1.5, "accuracy": 1.0})
    assert outcome.error is None


def test_a_number_under_the_metric_s_name():
    assert returning(0.5, "accuracy").metrics == {"accuracy": 0.5}
    assert returning(0.5).metrics == {}


def test_a_dict_without_the_metric():
    outcome = returning({"loss": 1.5, "acc": 1}, "accuracy")
    assert outcome.state is State.FAILED
    assert "no 'accuracy' but 'loss', 'acc'" in outcome.error and "metric=" in outcome.error
    assert outcome.metrics == {"loss": 1.5, "acc": 1.0}


def test_a_dict_of_which_nobody_named_an_entry():
    outcome = returning({"loss": 1.5, "accuracy": 1})
    assert outcome.state is State.FAILED
    assert "a dict of 'loss', 'accuracy'" in outcome.error and "metric=" in outcome.error
    kept = returning({"loss": 1.5, "accuracy": 1}, needs_value=False)
    assert (kept.state, kept.value) == (State.SUCCEEDED, None)
    assert kept.metrics == {"loss": 1.5, "accuracy": 1.0}


def test_an_empty_dict():
    assert "a dict of nothing" in returning({}).error
    assert returning({}, needs_value=False).state is State.SUCCEEDED


def test_a_name_that_is_no_text():
    assert "got 0: builtins.float" in returning({0: 1.0}).error


def test_metrics_are_finite_whatever_else_is_wrong():
    # Anything else could not be written as JSON by the driver.
    outcome = returning({"loss": math.nan, "note": "text"}, "loss")
    assert outcome.state is State.FAILED
    assert all(map(math.isfinite, outcome.metrics.values()))
    json.dumps(dict(outcome.metrics), allow_nan=False)


class Stubborn(BaseException):
    pass


@pytest.mark.parametrize(
    "error",
    [
        ValueError("bad rate"),
        SystemExit(3),
        GeneratorExit(),
        Stubborn("x"),
        RecursionError("deep"),
    ],
)
def test_whatever_is_raised_is_data(error):
    def train(x):
        raise error

    outcome = call_train(train, {"x": 1}, needs_value=False)
    assert outcome.state is State.FAILED and outcome.value is None
    assert outcome.error.startswith("Traceback (most recent call last):")
    last = outcome.error.splitlines()[-1]
    assert type(error).__name__ in last and str(error) in last


def test_the_traceback_is_the_user_s():
    def helper():
        return 1 / 0

    def train():
        return helper()

    error = call_train(train, {}, needs_value=False).error
    assert "in train" in error and "in helper" in error and "return 1 / 0" in error
    assert "in call_train" not in error and "sparkexp/engine" not in error


def test_arguments_that_do_not_fit():
    assert (
        "unexpected keyword argument 'x'"
        in call_train(lambda: 1, {"x": 1}, needs_value=False).error
    )


def test_endless_recursion():
    def train():
        return train()

    assert "RecursionError" in call_train(train, {}, needs_value=False).error


def test_a_long_error_keeps_its_end():
    def train():
        raise ValueError("x" * 1_000_000 + " the end")

    error = call_train(train, {}, needs_value=False).error
    assert len(error) < 20_000
    assert error.startswith("…") and error.endswith("the end")


def test_an_error_that_utf8_cannot_encode():
    def train():
        raise ValueError("no file caf\udce9")

    call_train(train, {}, needs_value=False).error.encode("utf-8")


def test_metric_and_return_value_that_misbehave():
    class Liar:
        shape = ()

        def __float__(self):
            raise RuntimeError("the graph is gone")

    class Torn(dict):
        def items(self):
            raise OSError("torn")

    assert "the graph is gone" in returning(Liar()).error
    assert "torn" in returning(Torn(a=1)).error


def test_an_exception_without_a_text():
    class Odd(Exception):
        def __str__(self):
            raise RuntimeError("no text")

    def train():
        raise Odd

    outcome = call_train(train, {}, needs_value=False)
    assert outcome.state is State.FAILED and "Odd" in outcome.error


def test_ctrl_c_is_the_only_thing_raised():
    def train():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        call_train(train, {}, needs_value=False)


def test_times_surround_the_call():
    before = time.time()
    outcome = call_train(lambda: time.sleep(0.05), {}, needs_value=False)
    assert before <= outcome.started <= outcome.ended - 0.05 <= time.time()


def test_parameters_are_keywords():
    seen = []
    call_train(lambda **params: seen.append(params), {"a": 1, "b": "x"}, needs_value=False)
    assert seen == [{"a": 1, "b": "x"}]


def test_the_heavy_modules_that_were_imported(tmp_path):
    (tmp_path / "torch.py").write_text("")
    (tmp_path / "keras.py").write_text("")
    code = """
import keras
from sparkexp.objective import Objective
from sparkexp.engine.worker.outcome import call_train
def train():
    import json, keras, torch
    return 1
print(call_train(train, {}).imported, call_train(train, {}).imported)
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env={"PYTHONPATH": str(tmp_path)},
        timeout=60,
    )
    assert done.stdout.strip() == "('torch',) ()", done.stderr


def test_failure_has_its_time():
    before = time.time()
    outcome = failure("it broke", started=before)
    assert (outcome.state, outcome.error, outcome.started) == (State.FAILED, "it broke", before)
    assert before <= outcome.ended <= time.time()


@pytest.mark.parametrize(
    "outcome",
    [
        Outcome(State.SUCCEEDED, 0.1, {"é": 1 / 3}, None, 1.5, 2.5, ("keras",), ("w",)),
        Outcome(State.FAILED, error="Traceback\n…\0"),
    ],
)
def test_bytes_and_back(outcome):
    again = Outcome.from_bytes(outcome.to_bytes())
    assert again == outcome and type(again.state) is State
    assert b"\n" not in outcome.to_bytes(), "a message is one line"


class History:
    """Has what Keras's has."""

    history = {"accuracy": [0.5, 0.75], "loss": [1.0, np.float32(0.5)]}


@pytest.mark.parametrize(
    "returned", [History(), History.history, {"accuracy": np.array([0.5, 0.75]), "loss": 0.5}]
)
def test_a_history_counts_by_its_last_epoch(returned):
    outcome = returning(returned, "accuracy")
    assert (outcome.value, outcome.metrics) == (0.75, {"accuracy": 0.75, "loss": 0.5})
    wrong = returning(returned, "acc")
    assert "Did you mean 'accuracy'?" in wrong.error and wrong.fault is Fault.METRIC
    assert wrong.metrics["accuracy"] == 0.75, "a metric that is corrected finds it"


BESIDE = {
    "text": ("warm-up", "warm-up"),
    "bool": (True, True),
    "none": (None, None),
    "curve": ([0.1, math.nan], [0.1, "nan"]),
    "by_class": ({"a": {1: 0.5}}, {"a": {"1": 0.5}}),
    "array": (np.eye(2), [[1.0, 0.0], [0.0, 1.0]]),
    "numpy_bool": (np.bool_(True), True),
    "history": (History(), {"accuracy": [0.5, 0.75], "loss": [1.0, 0.5]}),
    "day": (datetime.date(2026, 1, 2), "2026-01-02"),
    "path": (Path("/models/1"), "/models/1"),
    "state": (State.FAILED, "FAILED"),
    "undecodable": ("a\udcff", "a?"),
}


@pytest.mark.parametrize("name", BESIDE)
def test_what_stands_beside_the_metric_is_kept(name):
    given, kept = BESIDE[name]
    outcome = Outcome.from_bytes(returning({"accuracy": 0.9, name: given}, "accuracy").to_bytes())
    assert (outcome.value, outcome.metrics) == (0.9, {"accuracy": 0.9})
    assert (outcome.notes, outcome.warnings) == ({name: kept}, ())
    json.dumps(outcome.notes, allow_nan=False)
    assert returning({"accuracy": 0.9, name: given}).value == 0.9


def a_loop() -> list:
    loop: list = []
    loop.append(loop)
    return loop


@pytest.mark.parametrize(
    "entry",
    [
        object(), Unprintable(), b"bytes", 1j, "x" * 20_000, np.zeros(10**6), a_loop(),
        {(1, 2): 3}, [1.0] * 10_000, pandas.DataFrame({"a": [1]}), lambda: 1,
    ],
    ids=lambda entry: type(entry).__name__,
)  # fmt: skip
def test_what_no_record_can_hold_is_dropped_and_said(entry):
    outcome = returning({"accuracy": 0.9, "extra": entry, 0: 1.0, "note": "kept"}, "accuracy")
    assert (outcome.state, outcome.value) == (State.SUCCEEDED, 0.9)
    assert outcome.notes == {"note": "kept"} and outcome.metrics == {"accuracy": 0.9}
    (warning,) = outcome.warnings
    assert "'extra'" in warning and "no str" in warning and len(warning) < 1000


def test_what_was_reported_counts_where_nothing_is_returned():
    def call(reported, *names, needs_value=True):
        objectives = [Objective(name) for name in names]
        return call_train(lambda: None, {}, objectives, needs_value, reported)

    outcome = call({"accuracy": 0.5, "loss": 2.0}, "accuracy")
    assert (outcome.value, outcome.metrics) == (0.5, {"accuracy": 0.5, "loss": 2.0})
    assert "reported last of 'accuracy' counts" in outcome.warnings[0]
    assert call({"a": 1.0, "b": 2.0}, "a", "b").metrics == {"a": 1.0, "b": 2.0}
    assert call({"loss": 2.0}, None).value == 2.0
    assert call({"loss": 2.0}, None, needs_value=False).value is None
    assert call({"accuracy": math.nan}, "accuracy").error == "The train function returned nan."
    assert call({"loss": 2.0}, "accuracy").fault is Fault.RETURNED


def imports_nothing():
    import no_such_module_at_all  # noqa: F401


@pytest.mark.parametrize(
    ("train", "fault"),
    [
        (lambda: {"loss": 1.0}, Fault.METRIC),
        (lambda: {"accuracy": None}, Fault.METRIC),
        (lambda: {}, Fault.METRIC),
        (lambda: None, Fault.RETURNED),
        (lambda: "0.9", Fault.RETURNED),
        (imports_nothing, Fault.MODULE),
        (lambda x: x, Fault.ARGUMENTS),
        (lambda: 1 + "1", None),
        (lambda: {"accuracy": math.nan}, None),
        (lambda: 1 / 0, None),
    ],
)
def test_what_lies_in_the_call_is_marked(train, fault):
    outcome = call_train(train, {}, (Objective("accuracy"),))
    assert outcome.state is State.FAILED and outcome.fault is fault
    assert Outcome.from_bytes(outcome.to_bytes()).fault is fault
