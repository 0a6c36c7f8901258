"""What takes part in every fit of a worker: checkpoints, scaled learning rates, and curves."""

from __future__ import annotations

from typing import Any

from sparkexp.distributed.checkpointing import FitCheckpoints, FitStart
from sparkexp.distributed.fit import Fit
from sparkexp.distributed.schedule import find_schedule
from sparkexp.distributed.telemetry import Telemetry
from sparkexp.errors import InvalidArgumentError

__all__ = ["CheckpointHook", "ScheduleHook", "TelemetryHook"]


class CheckpointHook:
    """Lets each fit go on from its newest checkpoint, and write new ones.

    Parameters
    ----------
    checkpoints : FitCheckpoints
        Those of the gang.
    """

    def __init__(self, checkpoints: FitCheckpoints) -> None:
        self._checkpoints = checkpoints

    def begin(self, fit: Fit, callbacks: list[Any]) -> list[Any]:
        """Return the callbacks with that of the checkpoints."""
        start = self._checkpoints.begin()
        fit.initial_epoch = start.initial_epoch(fit.epochs, fit.initial_epoch)
        if fit.initial_epoch < fit.epochs:
            fit.first_example = start.position
        # Within an epoch a training goes on only where its data can.
        found = start.with_callbacks(callbacks, fit.batch_size if fit.by_place else None)
        return [*found, _rebinding(fit, start)] if start.earlier_size else found


def _rebinding(fit: Fit, start: FitStart) -> Any:
    """Return a callback that tells schedules where they are, if there are fewer workers now."""
    import keras

    class Rebinding(keras.callbacks.Callback):  # type: ignore[misc]
        """Runs when the optimizer has the steps of the checkpoint."""

        def on_train_begin(self, logs: Any = None) -> None:
            if start.earlier_size != fit.gang.size and start.number == 0 and fit.examples:
                epoch = start.epoch + start.position / fit.examples
                _bind(fit, epoch=epoch, step=int(self.model.optimizer.iterations))

    return Rebinding()


class ScheduleHook:
    """Tells the schedules of `scaled` how the gang trains."""

    def begin(self, fit: Fit, callbacks: list[Any]) -> list[Any]:
        """Return the same callbacks."""
        _bind(fit)
        return callbacks


class TelemetryHook:
    """Reports how fast the gang trains, and where it is.

    Parameters
    ----------
    telemetry : Telemetry
        That of the worker.
    """

    def __init__(self, telemetry: Telemetry) -> None:
        self._telemetry = telemetry

    def begin(self, fit: Fit, callbacks: list[Any]) -> list[Any]:
        """Return the callbacks with one more."""
        follower = self._telemetry.callback(
            fit.batch_size,
            fit.examples,
            position=fit.first_example,
            initial_epoch=fit.initial_epoch,
        )
        return [*callbacks, follower]


def _bind(fit: Fit, **where: Any) -> None:
    schedule = find_schedule(fit.model.optimizer)
    if schedule is None:
        return
    if fit.steps is None or fit.batch_size is None or fit.own_batch is None:
        raise InvalidArgumentError(
            "A scaled learning rate counts epochs, and needs to know how many steps an epoch has, "
            "and how many examples a step. Give fit arrays, or batches of a fixed size "
            "(drop_remainder=True) and steps_per_epoch."
        )
    schedule.bind(fit.steps, fit.batch_size, fit.own_batch, **where)
