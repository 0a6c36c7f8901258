"""`experiment.keras_callback` with Keras's own fit: rungs, pruning, several calls of fit."""

from __future__ import annotations

from pathlib import Path

import pytest

from sparkexp import experiment
from sparkexp.errors import EnvironmentUnfitError
from tests.tracking.tensorboard.reading import scalars

QUIET = {"engine": "inline", "progress": False}


def make_data():
    from sklearn.datasets import load_digits

    digits = load_digits()
    return digits.data[:256] / 16, digits.target[:256]


def build(rate: float):
    import keras

    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((64,)), keras.layers.Dense(10, activation="softmax")])
    # Without a graph: to make one takes longer than these trainings.
    loss = "sparse_categorical_crossentropy"
    model.compile(keras.optimizers.Adam(rate), loss, metrics=["accuracy"], run_eagerly=True)
    return model


def fit(model, epochs: int, callbacks=(), **rest):
    x, y = make_data()
    settings = {"validation_split": 0.25, "shuffle": False, "verbose": 0, **rest}
    return model.fit(x, y, epochs=epochs, callbacks=list(callbacks), **settings).history


def curves_of(trial):
    (curves,) = scalars(trial.logdir).values()
    return curves


def train_with_callback(rate: float, epochs: int) -> float:
    callback = experiment.keras_callback()
    return fit(build(rate), epochs, [callback])["val_loss"][-1]


def train_by_hand(rate: float, epochs: int) -> float:
    import keras

    directory = Path(experiment.checkpoint_dir())
    saved, trained = directory / "model.keras", directory / "epochs.txt"
    model, first = build(rate), 0
    if saved.exists():
        model, first = keras.saving.load_model(saved), int(trained.read_text())
    history = fit(model, epochs, initial_epoch=first)
    model.save(saved)
    trained.write_text(str(epochs))
    return history["val_loss"][-1]


def test_a_promoted_trial_goes_on(tmp_path):
    def run(train, name):
        return experiment.random_search(
            None, train, {"rate": experiment.Float(1e-4, 1e-1, log=True)}, "min", 7, seed=1,
            fidelity="epochs", min=1, max=4, eta=2, logdir=tmp_path / name, **QUIET,
        )  # fmt: skip

    result, by_hand = run(train_with_callback, "callback"), run(train_by_hand, "by-hand")
    assert max(trial.trial.rung for trial in result.trials) == 2
    values = [trial.value for trial in result.trials]
    assert values == pytest.approx([trial.value for trial in by_hand.trials], rel=1e-6)
    for trial in result.trials:
        steps = [step for step, _ in curves_of(trial)["val_loss"]]
        last = trial.trial.arguments["epochs"]
        assert steps == list(range(0 if not trial.trial.rung else last // 2, last))


def test_a_bad_trial_is_pruned_by_what_fit_logs(tmp_path):
    def train(rate):
        return fit(build(rate), 6, [experiment.keras_callback()])["val_accuracy"][-1]

    grid = {"rate": [0.01, 0.012, 0.014, 0.016, 1e-9, 0.018]}
    rule = {"min_trials": 3, "warmup": 2}
    result = experiment.launch(None, train, grid, prune=rule, logdir=tmp_path / "run", **QUIET)
    states = {trial.trial.params["rate"]: trial.state.value for trial in result.trials}
    assert [rate for rate, state in states.items() if state == "PRUNED"] == [1e-9]
    assert max(step for step, _ in curves_of(result.trials[4])["loss"]) == 1


def test_what_is_none_of_the_metrics_is_said(tmp_path, caplog):
    def train(rate):
        experiment.report(0, loss=rate, accuracy=1 - rate)
        return 7.0

    experiment.launch(
        None, train, {"rate": [0.1, 0.2]}, prune="median", logdir=tmp_path / "run", **QUIET
    )
    assert caplog.text.count("prune= can't tell which of the metrics") == 1


def test_two_fits_and_early_stopping(tmp_path):
    def train(rate):
        import keras

        model = build(rate)
        fit(model, 2, [experiment.keras_callback()])
        stopping = keras.callbacks.EarlyStopping(min_delta=100, patience=1)
        history = fit(model, 9, [stopping, experiment.keras_callback()])
        return len(history["loss"])

    result = experiment.launch(None, train, {"rate": [0.01]}, logdir=tmp_path / "run", **QUIET)
    assert result.best.value == 2
    curves = curves_of(result.best)
    assert [step for step, _ in curves["loss"]] == [0, 1, 2, 3]
    assert {"loss", "accuracy", "val_loss", "val_accuracy"} <= set(curves)
    assert not list(Path(result.best.logdir).glob("checkpoints*"))


def test_it_belongs_into_a_trial():
    with pytest.raises(EnvironmentUnfitError, match=r"keras_callback\(\) belongs into"):
        experiment.keras_callback()
