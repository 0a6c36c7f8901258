"""What takes part in every fit of a worker: checkpoints, scaled learning rates, and curves."""

from __future__ import annotations

import logging
from typing import Any

from sparkexp.distributed.checkpointing import FitCheckpoints
from sparkexp.distributed.fit import Fit
from sparkexp.distributed.schedule import find_schedule
from sparkexp.distributed.telemetry import Telemetry
from sparkexp.errors import InvalidArgumentError

logger = logging.getLogger(__name__)

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
        return start.with_callbacks(callbacks, fit.batch_size if fit.by_place else None)


class ScheduleHook:
    """Tells the schedules of `scaled` how the gang trains.

    A checkpoint that is put back afterwards lets them count on from its epoch, also where an epoch
    has other steps than before.
    """

    def begin(self, fit: Fit, callbacks: list[Any]) -> list[Any]:
        """Return the same callbacks."""
        schedule = find_schedule(fit.model.optimizer)
        if schedule is None:
            return callbacks
        if fit.steps is None or fit.batch_size is None or fit.own_batch is None:
            raise InvalidArgumentError(
                "A scaled learning rate counts epochs, and needs to know how many steps an epoch "
                "has, and how many examples a step. Give fit arrays, or batches of a fixed size "
                "(drop_remainder=True) and steps_per_epoch."
            )
        schedule.bind(fit.steps, fit.batch_size, fit.own_batch)
        if fit.gang.size > 1 and fit.gang.is_chief and schedule.factor == 1:
            logger.warning(
                "The learning rate is not scaled: a step has %d examples, for which it is right. "
                "Give distribute batch_size='worker' if fit's is that of one worker, or scaled "
                "base_batch=.", fit.batch_size,
            )  # fmt: skip
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
            initial_epoch=fit.given_epoch,
        )
        return [*callbacks, follower]
