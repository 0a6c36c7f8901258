"""The callbacks by which the workers of a gang start, go on and stop together."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sparkexp.distributed.collectives import Collectives
from sparkexp.distributed.model_building import find_optimizers
from sparkexp.distributed.steps import unique

__all__ = ["closing_callback", "keep_for_worker", "opening_callback", "shared_variables"]

# Other dropout masks on each worker.
SEED_STEP = 7919


def keep_for_worker(callbacks: list[Any], gang: Collectives) -> list[Any]:
    """Return the callbacks that this worker runs: those that write belong to the chief."""
    import keras

    writers = (
        keras.callbacks.BackupAndRestore,
        keras.callbacks.CSVLogger,
        keras.callbacks.ModelCheckpoint,
        keras.callbacks.ProgbarLogger,
        keras.callbacks.RemoteMonitor,
        keras.callbacks.TensorBoard,
    )
    return [c for c in callbacks if gang.is_chief or not isinstance(c, writers)]


def opening_callback(begin_epoch: Callable[[int], None]) -> Any:
    """Return the first callback: it says to the data and the metrics which epoch begins."""
    import keras

    class Opening(keras.callbacks.Callback):  # type: ignore[misc]
        """Runs before the user's callbacks."""

        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
            begin_epoch(epoch)

    return Opening()


def closing_callback(gang: Collectives) -> Any:
    """Return the last callback: what the others did to the model holds for all workers."""
    import keras

    class Closing(keras.callbacks.Callback):  # type: ignore[misc]
        """Runs after the user's callbacks."""

        def on_train_begin(self, logs: Any = None) -> None:
            # Not before: BackupAndRestore has restored the chief's now.
            model = self.model
            gang.broadcast(shared_variables(model))
            _spread_seeds(model, gang)
            epoch = gang.broadcast_values([model._initial_epoch or 0])[0]
            model._initial_epoch = int(epoch) or None
            gang.variables.stop.assign(0.0)
            gang.variables.stopped.assign(0.0)

        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            variables = gang.variables
            if float(variables.stopped) > 0:
                self.model.stop_training = True
            elif self.model.stop_training:
                # It goes with the next gradients, and all stop after them.
                variables.stop.assign(1.0)
                self.model.stop_training = False

        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            variables = gang.variables
            wanted = self.model.stop_training or float(variables.stop) > 0
            self.model.stop_training = bool(gang.sum([float(wanted)])[0] > 0)
            variables.stop.assign(0.0)
            variables.stopped.assign(0.0)

    return Closing()


def shared_variables(model: Any) -> list[Any]:
    """Return the variables of a model and its optimizer of which all workers get the chief's."""
    found = [*model.weights, *(v for each in find_optimizers(model) for v in each.variables)]
    return unique(variable for variable in found if variable.dtype != "string")


def _spread_seeds(model: Any, gang: Collectives) -> None:
    """Give the seed generators of layers rank 0's state, and each rank its own seeds."""
    generators = [g for layer in model._flatten_layers() for g in layer._seed_generators]
    states = unique(generator.state for generator in generators)
    gang.broadcast(states)
    for state in states:
        value = state.numpy()
        value[0] += SEED_STEP * gang.rank
        state.assign(value)
