"""What each process of a gang with strategy 'async' runs: a worker's or a server's part."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sparkexp.context.current import warn_trial
from sparkexp.distributed.async_model import patch_keras
from sparkexp.distributed.async_sharing import DataShare
from sparkexp.distributed.async_worker import AsyncWorker, WorkerSettings
from sparkexp.distributed.backend import check_backend
from sparkexp.distributed.current import GangApart, activate
from sparkexp.distributed.member import NOT_TOGETHER
from sparkexp.distributed.server_connection import TrainingOver
from sparkexp.distributed.servers import ServerSettings, serve
from sparkexp.engine.gang import BatchSize
from sparkexp.engine.place import Place
from sparkexp.errors import InvalidArgumentError

__all__ = ["AsyncMember"]

logger = logging.getLogger(__name__)

Train = Callable[..., Any]


@dataclass(frozen=True)
class AsyncMember:
    """Wraps the train function in each process of an asynchronous gang.

    Ranks below `workers` are workers, the others parameter servers. A worker calls the train
    function, with Keras patched: the gradients of each step go to the servers, which apply them
    at once and answer with their newest weights. A server calls nothing; it serves until training
    is over, and returns None.

    Worker 0's result is the gang's. A worker that comes when training is over returns None
    without an error. Each worker has its own epochs, metrics and callbacks; files of callbacks
    are worker 0's, and so are changes of the learning rate by callbacks. Weights that aren't
    trained (averages of a batch normalisation) are each worker's own; worker 0's are kept for a
    process that replaces a lost worker. The optimizer's state starts anew, also where a model was
    loaded with one.

    Parameters
    ----------
    workers : int
        How many workers train.
    servers : int
        How many processes hold variables; they share them by size.
    batch_size : {'gang', 'worker'}
        Whether `fit`'s batch_size is the sum over the workers, as the default says: then an
        epoch's share of a worker has as many steps as an epoch on one machine.
    max_steps_behind : int, optional
        Gradients of weights that are more updates old are dropped; each server judges by its own
        count. By default none is dropped.
    checkpoint_s : float
        Seconds between a server's checkpoints.
    lost_s : float
        Seconds of silence after which a worker is no longer waited for.
    reconnect_s : float
        Seconds for which workers wait for a lost server's next start.
    start_s : float
        Seconds for which workers wait for the servers' first start.
    idle_s : float
        Seconds without any worker after which a server gives up.

    Raises
    ------
    InvalidArgumentError
        If a parameter is out of range.

    Examples
    --------
    >>> AsyncMember(workers=2, servers=1).size
    3
    """

    workers: int
    servers: int = 1
    batch_size: BatchSize = "gang"
    max_steps_behind: int | None = None
    checkpoint_s: float = 30.0
    lost_s: float = 60.0
    reconnect_s: float = 120.0
    start_s: float = 600.0
    idle_s: float = 900.0

    def __post_init__(self) -> None:
        for name in ("workers", "servers"):
            if (value := getattr(self, name)) < 1:
                raise InvalidArgumentError(f"{name} must be at least 1, got {value!r}. Give 1.")
        if self.batch_size not in ("gang", "worker"):
            raise InvalidArgumentError(
                f"batch_size must be 'gang' or 'worker', got {self.batch_size!r}. Leave it out "
                "for 'gang'."
            )
        if self.max_steps_behind is not None and self.max_steps_behind < 1:
            raise InvalidArgumentError(
                "max_steps_behind must be at least 1, got "
                f"{self.max_steps_behind!r}: with none behind, no two workers could train. Give "
                "about twice the number of workers, or leave it out."
            )
        for name in ("checkpoint_s", "lost_s", "reconnect_s", "start_s", "idle_s"):
            if not (value := getattr(self, name)) > 0:
                raise InvalidArgumentError(
                    f"{name} must be seconds above 0, got {value!r}. Leave it out for the default."
                )

    @property
    def size(self) -> int:
        """How many processes the gang has."""
        return self.workers + self.servers

    def __call__(self, train: Train, place: Place) -> Train:
        """Return the function that is called in a process, in place of the train function.

        Raises
        ------
        InvalidArgumentError
            If the place isn't one of this gang's.
        """
        if place.size != self.size or not 0 <= place.rank < self.size or not place.shared:
            raise InvalidArgumentError(
                f"A place in a gang of {self.workers} workers and {self.servers} servers must "
                f"have size={self.size}, a rank below it and a shared directory, got {place}. "
                "This is an error in the engine."
            )
        run = self._serve if place.rank >= self.workers else self._work
        return functools.partial(run, train, place)

    def _serve(self, train: Train, place: Place, /, *args: object, **arguments: object) -> None:
        settings = ServerSettings(
            self.workers, self.max_steps_behind, self.checkpoint_s, self.lost_s, self.idle_s
        )
        serve(settings, place)

    def _work(self, train: Train, place: Place, /, *args: Any, **arguments: Any) -> Any:
        settings = WorkerSettings(
            self.workers,
            self.servers,
            self.start_s,
            self.reconnect_s,
            ping_s=self.lost_s / 12,
            # A worker that waits for a server which is gone must not be taken for lost by its next
            # start, which counts silence from its own beginning.
            answer_s=self.lost_s / 2,
        )
        worker = AsyncWorker(settings, place)
        activate(GangApart(place.rank, self.workers))
        share = DataShare(place.rank, self.workers, self.batch_size, seed=0)
        try:
            check_backend()
            with patch_keras(worker, share):
                result = train(*args, **arguments)
            if self.workers > 1 and not worker.has_models:
                warn_trial(f"{NOT_TOGETHER.format(self.workers)} Train with fit.")
            return result
        except TrainingOver as error:
            logger.warning("%s Worker %d came too late, and did nothing.", error, place.rank)
            return None
        finally:
            worker.leave()
