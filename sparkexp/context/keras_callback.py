"""The Keras callback that reports each epoch, and goes on from the checkpoints of a trial."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from sparkexp.context.current import CurrentTrial

__all__ = ["make_keras_callback"]


def make_keras_callback(trial: CurrentTrial) -> Any:
    """Return a `keras.callbacks.Callback` for one call of ``fit`` in a trial.

    Parameters
    ----------
    trial : CurrentTrial
        Gets the reports. If it keeps checkpoints, training goes on from them, and the model is
        saved there when training ends.
    """
    import keras

    fit_number = trial.count_fit()

    class TrialCallback(keras.callbacks.Callback):  # type: ignore[misc]
        """Reports and saves what one call of fit trains."""

        def __init__(self) -> None:
            super().__init__()
            self._shift: int | None = None
            self._n_epochs = 0

        def on_train_begin(self, logs: Any = None) -> None:
            self._shift = None
            if trial.keeps_checkpoints:
                self._n_epochs = _restore(self.model, _find_files(trial, fit_number))
                # Keras's fit begins with this epoch, instead of its own initial_epoch.
                self.model._initial_epoch = self._n_epochs or None

        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            self._n_epochs = epoch + 1
            if self._shift is None:  # steps go on growing in a second call of fit
                self._shift = max(0, trial.reporter.next_step - epoch)
            trial.reporter.report(epoch + self._shift, dict(logs or {}))

        def on_train_end(self, logs: Any = None) -> None:
            if trial.keeps_checkpoints:
                self.model._initial_epoch = None
                weights, epochs = _find_files(trial, fit_number)
                self.model.save_weights(weights, overwrite=True)
                epochs.write_text(json.dumps({"epochs": self._n_epochs}), encoding="utf-8")

    return TrialCallback()


def _find_files(trial: CurrentTrial, fit_number: int) -> tuple[Path, Path]:
    directory = Path(trial.checkpoints.make_directory())
    name = f"fit-{fit_number}"
    return directory / f"{name}.weights.h5", directory / f"{name}.json"


def _restore(model: Any, files: tuple[Path, Path]) -> int:
    """Load weights and the optimizer's state; return the number of epochs that were trained."""
    weights, epochs = files
    if not epochs.exists():
        return 0
    if model.optimizer is not None and not model.optimizer.built:
        model.optimizer.build(model.trainable_variables)
    model.load_weights(weights)
    return int(json.loads(epochs.read_text(encoding="utf-8"))["epochs"])
