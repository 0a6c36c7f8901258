"""Curves read back from the event files of trials."""

from __future__ import annotations

import math

import pytest

from sparkexp import experiment
from sparkexp.errors import InvalidArgumentError

QUIET = {"engine": "inline", "progress": False}


def train(x):
    for step in range(3):
        experiment.report(step, loss=x / (step + 1))
        if step:
            experiment.report(step, accuracy=float(step))
    if x == 4:
        raise RuntimeError("oh")
    return x


def search(logdir):
    return experiment.launch(None, train, [{"x": x} for x in (2, 4, 1)], logdir=logdir, **QUIET)


@pytest.fixture
def result(new_place):
    return search(new_place)


def test_a_curve_of_the_best_trial(result):
    curve = result.best.curve("loss")
    assert curve.name == "loss" and curve.index.name == "step"
    assert curve.to_dict() == pytest.approx({0: 2.0, 1: 1.0, 2: 2 / 3})
    assert result.best.curve("accuracy").to_dict() == {1: 1.0, 2: 2.0}
    with pytest.raises(InvalidArgumentError, match=r"has reported 'accuracy', 'loss', and not 'l"):
        result.best.curve("los")


def test_all_curves_are_a_table(result):
    frame = result.curves()
    assert list(frame.columns) == ["id", "step", "loss", "accuracy"]
    assert [*frame["id"].unique()] == [f"trials/trial-{n:05d}" for n in range(3)]
    failed = frame[frame["id"] == "trials/trial-00001"]
    assert failed["loss"].tolist() == pytest.approx([4.0, 2.0, 4 / 3])
    assert math.isnan(failed["accuracy"].iloc[0])


def test_of_a_run_that_was_loaded(tmp_path):
    search(tmp_path / "run")
    assert experiment.load(tmp_path / "run").best.curve("loss").iloc[-1] == pytest.approx(2 / 3)


def test_nothing_was_reported(tmp_path):
    result = experiment.launch(None, lambda x: x, {"x": [1]}, logdir=tmp_path / "run", **QUIET)
    assert result.curves().empty and list(result.curves().columns) == ["id", "step"]
    with pytest.raises(InvalidArgumentError, match="has reported none, and not 'loss'"):
        result.best.curve("loss")


def test_what_keras_s_own_callback_wrote(tmp_path):
    def fit(x):
        import keras
        import numpy as np

        model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
        model.compile("sgd", "mse", run_eagerly=True)
        board = keras.callbacks.TensorBoard(experiment.logdir())
        one = np.ones((4, 1))
        model.fit(one, one, epochs=2, verbose=0, callbacks=[board])
        return 1.0

    result = experiment.launch(None, fit, {"x": [1]}, logdir=tmp_path / "run", **QUIET)
    assert len(result.best.curve("train/epoch_loss")) == 2


def test_curves_are_in_single_precision(tmp_path, recwarn):
    def train(x):
        experiment.report(0, a=1e300, b=16777217)
        return {"a": 1e300, "b": 16777217}

    one = experiment.launch(None, train, {"x": [1]}, metric="a", logdir=tmp_path / "r", **QUIET)
    assert not recwarn.list
    assert one.curves()[["a", "b"]].to_numpy().tolist() == [[math.inf, 16777216.0]]
    assert one.best.value == 1e300 and one.best.metrics["b"] == 16777217
