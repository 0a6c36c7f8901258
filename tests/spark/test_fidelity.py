"""Multi-fidelity search and pruning on a local session, with real training."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from sparkexp import experiment
from sparkexp.trial import State

pytestmark = pytest.mark.spark


def train_digits(learning_rate: float, epochs: int) -> float:
    """Go on from the checkpoint of the lower rung, weights and optimizer; real, and short."""
    import keras
    from sklearn.datasets import load_digits

    digits = load_digits()
    x, y = digits.data[:500] / 16.0, digits.target[:500]
    checkpoint = Path(experiment.checkpoint_dir(), "model.keras")
    done = Path(experiment.checkpoint_dir(), "epochs.txt")
    if checkpoint.exists():
        model, initial = keras.saving.load_model(checkpoint), int(done.read_text())
    else:
        model, initial = keras.Sequential([keras.Input((64,)), keras.layers.Dense(10)]), 0
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile(keras.optimizers.Adam(learning_rate), loss, metrics=["accuracy"])
    assert int(model.optimizer.iterations) == 13 * initial  # 400 samples in batches of 32
    history = model.fit(
        x, y, initial_epoch=initial, epochs=epochs, validation_split=0.2, verbose=0
    ).history
    model.save(checkpoint)
    done.write_text(str(epochs))
    Path(experiment.logdir(), "trained.txt").write_text(str(len(history["loss"])))
    return float(history["val_accuracy"][-1])


def test_promoted_trials_go_on_training(spark: Any, tmp_path: Path) -> None:
    result = experiment.random_search(
        spark, train_digits, {"learning_rate": [0.0001, 0.1]}, n_trials=4, seed=1,
        search="asha", fidelity="epochs", min=1, max=4, eta=2, logdir=tmp_path / "run",
        progress=False,
    )  # fmt: skip
    assert result.failures() == {}
    assert [sum(r.trial.rung == k for r in result.trials) for k in range(3)] == [4, 2, 1]
    trained = {r.trial.id: int(Path(r.logdir, "trained.txt").read_text()) for r in result.trials}
    assert [trained[r.trial.id] for r in result.trials] == [
        {0: 1, 1: 1, 2: 2}[r.trial.rung or 0] for r in result.trials
    ]
    assert f"{sum(trained.values())} epochs of the 16" in repr(result)
    assert result.best.id.startswith("rung-2/")


def test_a_hopeless_trial_is_pruned_and_its_slot_is_free_again(spark: Any, tmp_path: Path) -> None:
    def train(x: float) -> float:
        accuracy = 0.9 if x > 0.5 else 0.1  # equal: any of the good may start last
        for step in range(4 if x > 0.5 else 600):
            experiment.report(step, accuracy=accuracy)
            time.sleep(0.1)
        Path(experiment.logdir(), "whole").touch()
        return accuracy

    listed = [{"x": x} for x in (0.6, 0.7, 0.1, 0.8)]
    result = experiment.launch(
        spark, train, listed, prune={"min_trials": 1, "warmup": 2}, logdir=tmp_path / "run",
        progress=False,
    )  # fmt: skip
    assert [r.state for r in result.trials] == [
        State.SUCCEEDED, State.SUCCEEDED, State.PRUNED, State.SUCCEEDED,
    ]  # fmt: skip
    assert result.trials[2].value == 0.1
    assert [Path(r.logdir, "whole").exists() for r in result.trials] == [True, True, False, True]
