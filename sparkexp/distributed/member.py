"""A worker of a gang that trains synchronously: the wrapper around the train function."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from sparkexp.context.current import current_trial, has_trial, warn_trial
from sparkexp.distributed.backend import check_backend
from sparkexp.distributed.checkpointing import FitCheckpoints
from sparkexp.distributed.collectives import Collectives
from sparkexp.distributed.connection import as_peer_loss, connect
from sparkexp.distributed.current import activate
from sparkexp.distributed.fit import FitHook
from sparkexp.distributed.fit_hooks import CheckpointHook, ScheduleHook, TelemetryHook
from sparkexp.distributed.gradients import BUCKET_BYTES
from sparkexp.distributed.keras_model import patch_keras
from sparkexp.distributed.telemetry import Telemetry
from sparkexp.engine.gang import BatchSize
from sparkexp.engine.place import Place

__all__ = ["NOT_TOGETHER", "GangMember"]

NOT_TOGETHER = (
    "no worker trained together with the others: each of the {} workers has called the train "
    "function for itself, and its model is its own (docs/distributed.md)."
)
WAY_OUT = (
    "Train with fit or train_on_batch of a compiled model, or in a loop of your own with "
    "experiment.gang().optimizer(…)."
)


@dataclass(frozen=True)
class GangMember:
    """Makes a train function that trains with the others of its gang.

    Parameters
    ----------
    batch_size : {'gang', 'worker'}
        Whether the batch_size of fit is that of the gang or of each worker.
    heartbeat_s : float
        A worker that was silent for so long is lost.
    connect_s : float
        The time that the workers have to come.
    shutdown_s : float
        How long a worker waits for the others at its end.
    checkpoint_minutes : float, optional
        Minutes between checkpoints within an epoch, beside that after each epoch.
    bucket_bytes : int
        The size of gradients that are summed together.
    """

    batch_size: BatchSize = "gang"
    heartbeat_s: float = 10.0
    connect_s: float = 60.0
    shutdown_s: float = 5.0
    checkpoint_minutes: float | None = None
    bucket_bytes: int = BUCKET_BYTES

    def __call__(self, train: Callable[..., Any], place: Place) -> Callable[..., Any]:
        """Return what the process of a place calls instead of the train function."""

        @functools.wraps(train)
        def train_in_gang(*args: Any, **kwargs: Any) -> Any:
            check_backend()
            import keras

            if place.size > 1:
                connect(place, self.heartbeat_s, self.connect_s, self.shutdown_s)
            gang = Collectives(place.rank, place.size, _seed_of(place))
            keras.utils.set_random_seed(gang.seed)
            activate(gang)
            patch_keras(gang, self.batch_size, self.hooks(gang, place), self.bucket_bytes)
            try:
                result = train(*args, **kwargs)
                if place.size > 1 and not gang.was_used:
                    warn_trial(f"{NOT_TOGETHER.format(place.size)} {WAY_OUT}")
                return result
            except Exception as error:
                lost = as_peer_loss(error) if place.size > 1 else None
                if lost is None:
                    raise
                raise lost from error

        return train_in_gang

    def hooks(self, gang: Collectives, place: Place) -> Sequence[FitHook]:
        """Return what takes part in every fit."""
        found: list[FitHook] = [ScheduleHook()]
        if place.shared:
            checkpoints = FitCheckpoints(gang, place.shared, self.checkpoint_minutes)
            found.append(CheckpointHook(checkpoints))
        telemetry = Telemetry(
            gang,
            lambda: float(gang.variables.reduce_seconds),
            current_trial("distribute()").reporter if has_trial() else None,
            place.directory,
            place.attempt,
        )
        return [*found, TelemetryHook(telemetry)]


def _seed_of(place: Place) -> int:
    """Return a seed that all workers and attempts of a gang have, and other gangs have not."""
    digest = hashlib.sha256(place.shared.encode()).digest()
    return int.from_bytes(digest[:4], "big") % (2**31 - 1)
