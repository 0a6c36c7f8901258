"""Writes checkpoints while Keras's `fit` runs, and lets it go on from the newest one."""

from __future__ import annotations

import functools
import itertools
import logging
import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from sparkexp.checks import as_float
from sparkexp.context.current import warn_trial
from sparkexp.distributed.fit_state import (
    CallbackStates,
    FitState,
    Progress,
    capture,
    counters,
    restore_metrics,
    restore_model,
    restore_own,
)
from sparkexp.distributed.peers import Peers, send_from_chief
from sparkexp.distributed.state_file import StateFiles, unpack

__all__ = ["FitCheckpoints", "FitStart"]

logger = logging.getLogger(__name__)


class FitCheckpoints:
    """The checkpoints of all calls of `fit` in a train function, which have numbers from 0.

    Parameters
    ----------
    peers : Peers
        The gang.
    shared : str
        Path or URL of the directory of the gang's checkpoints. Only the chief uses it.
    minutes : float, optional
        Writes within an epoch as well, as often as this; by default at each epoch's end only.

    Raises
    ------
    InvalidArgumentError
        If `minutes` is no positive number.
    """

    def __init__(self, peers: Peers, shared: str, minutes: float | None = None) -> None:
        self._peers = peers
        self._files = StateFiles(shared)
        self._seconds = (
            None if minutes is None else 60 * as_float("minutes", minutes, low=0.0, above=True)
        )
        self._numbers = itertools.count()

    def begin(self) -> FitStart:
        """Return where the next `fit` starts from; all workers call it, before `fit`.

        The chief reads the file and sends it to the others, so that all have the same one.

        Raises
        ------
        StorageError
            If the directory can't be read now.
        """
        number = next(self._numbers)
        found = self._files.read_newest(number) if self._peers.rank == 0 else None
        packed = send_from_chief(self._peers, found and found[0])
        content = found[1] if found else None if packed is None else unpack(packed)
        state = None if content is None else FitState.unpack(content)
        return FitStart(self._peers, self._files, number, state, self._seconds)


class FitStart:
    """Where a `fit` starts from. Made by `FitCheckpoints.begin`.

    ::

        start = checkpoints.begin()
        callbacks = start.with_callbacks(callbacks, batch_size)
        history = fit(…, callbacks=callbacks, initial_epoch=start.initial_epoch(epochs))

    and the first epoch leaves out its first `start.position` examples. A `fit` that had ended has
    no epoch to run; it gets its model and its history back, and calls no callback of the user's.
    """

    def __init__(
        self,
        peers: Peers,
        files: StateFiles,
        number: int,
        state: FitState | None,
        seconds: float | None,
    ) -> None:
        self.peers, self.files, self.number = peers, files, number
        self.state, self.seconds = state, seconds
        self._progress = state.progress if state else Progress()

    @property
    def ended(self) -> bool:
        """Whether this `fit` had come to its end in an earlier attempt."""
        return self._progress.ended

    @property
    def position(self) -> int:
        """Examples, all workers together, that the first epoch leaves out."""
        return self._progress.position

    def initial_epoch(self, epochs: int, initial_epoch: int = 0) -> int:
        """Return the epoch to begin with; `epochs` if none is left.

        Parameters
        ----------
        epochs, initial_epoch : int
            As the train function gives them to `fit`.
        """
        if self._progress.ended or self._progress.stopped:
            return epochs
        return min(epochs, max(initial_epoch, self._progress.epoch))

    def with_callbacks(self, callbacks: Sequence[Any], batch_size: int | None = None) -> list[Any]:
        """Return the callbacks for Keras's `fit`; those of the gang belong before or behind them.

        Parameters
        ----------
        callbacks : sequence of keras.callbacks.Callback
            Those of the train function.
        batch_size : int, optional
            Examples of a step, all workers together. Without it nothing is written within epochs.
        """
        import keras

        own = [*callbacks]
        if not any(isinstance(callback, keras.callbacks.History) for callback in own):
            own.append(keras.callbacks.History())  # where Keras would have put it
        checkpoints = _callback_class(self.position > 0)(self, own, batch_size)
        if self.ended:
            own = [callback for callback in own if isinstance(callback, keras.callbacks.History)]
        return [*own, checkpoints]


@functools.cache
def _callback_class(goes_on_within_epoch: bool) -> Any:
    import keras

    own = _MidEpochCheckpointState if goes_on_within_epoch else _CheckpointState
    bases = (own, keras.callbacks.Callback)
    return type("CheckpointState", bases, {"__module__": __name__, "__doc__": own.__doc__})


class _CheckpointState:
    """Writes checkpoints at the end of each epoch, or also between; the last of the callbacks."""

    model: Any
    params: dict[str, Any]

    def __init__(self, start: FitStart, callbacks: Sequence[Any], batch_size: int | None) -> None:
        super().__init__()
        self._peers, self._files, self._number = start.peers, start.files, start.number
        self._state: FitState | None = start.state
        self._callbacks = callbacks
        self._states = CallbackStates(callbacks)
        self._batch_size = batch_size or 0
        self._meetings = None
        if start.seconds is not None and batch_size:
            self._meetings = _Meetings(start.peers, start.seconds)
        self._epoch = 0
        self._position = 0
        self._batch = self._steps_before = 0
        self._failed = ""

    def on_train_begin(self, logs: Any = None) -> None:
        self._states.begin()
        state = self._state
        if state is None:
            return
        source = f"training {self._number} in {self._files.location}"
        restore_model(self.model, state, self._peers, source)
        self._states.put_back(state.callbacks)
        self._epoch, self._position = state.progress.epoch, state.progress.position
        if state.progress.ended:
            for callback in self._callbacks:  # the train function may look at them
                callback.set_model(self.model)
        elif self._peers.rank == 0:
            logger.info(
                "Training %d goes on from a checkpoint: epoch %d, after %d examples of it.",
                self._number, self._epoch + 1, self._position,
            )  # fmt: skip

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self._epoch = epoch
        self._batch = 0
        if self._state is not None:
            # Again: the gang has sent the chief's weights to all since.
            restore_own(self.model, self._state, self._peers)
            if self._position:
                # What callbacks reset at an epoch's begin, they had at the checkpoint.
                self._states.put_back(self._state.callbacks)

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        # Here, not at a batch's end: Keras would wait for the metrics of each batch.
        self._batch = batch
        if batch and self._meetings and self._meetings.is_due(self._steps_before + batch):
            self._write(Progress(self._epoch, self._position + batch * self._batch_size))

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self._state, self._position = None, 0
        self._steps_before += self._batch + 1
        (stopped,) = self._peers.sum([np.array([float(self.model.stop_training)])])
        self._write(Progress(epoch + 1, stopped=bool(stopped[0] > 0)))

    def on_train_end(self, logs: Any = None) -> None:
        state = self._state
        if state is None or not state.progress.ended:
            self._write(Progress(self._epoch + 1, stopped=True, ended=True), keep=1)

    def _write(self, progress: Progress, keep: int = 2) -> None:
        states = self._states.read() if self._peers.rank == 0 else {}
        state = capture(self.model, self._peers, progress, states)
        if self._peers.rank:
            return
        try:
            self._files.write(self._number, state.pack(), keep)
            self._failed = ""
        except Exception as error:  # clients have their own classes
            if type(error).__name__ != self._failed:
                self._failed = type(error).__name__
                warn_trial(
                    f"No checkpoint could be written to {self._files.location}, the training goes "
                    f"on without: {self._failed}: {error}"
                )
        if self._meetings:
            self._meetings.restart()


class _MidEpochCheckpointState(_CheckpointState):
    """The same, for a training that goes on within an epoch.

    Keras learns that the epoch is shorter when the data end. The step that finds no data has drawn
    random numbers by then and counted itself, or not: that is a race in TensorFlow. So all that
    counts is put back to what it was after the last real step.
    """

    _counts: Sequence[np.ndarray] = ()

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        if self._position:
            if self._state is not None and self._peers.rank == 0:
                restore_metrics(self.model, self._state)
            self._state = None
            self._counts = [np.array(variable) for variable in counters(self.model)]

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        if self._counts:
            for variable, value in zip(counters(self.model), self._counts, strict=True):
                variable.assign(value)
            self._counts = ()
        super().on_epoch_end(epoch, logs)


class _Meetings:
    """Agrees on the steps after which a checkpoint is written, by the chief's clock.

    The workers come together now and then to ask how late it is: after 1, 2, 4 … steps, and once
    the chief knows how long a step takes, when the time has come.
    """

    def __init__(self, peers: Peers, seconds: float) -> None:
        self._peers = peers
        self._seconds = seconds
        self._begun = self._written = time.monotonic()
        self._next = 1

    def restart(self) -> None:
        """Count the time from now on; only the chief's clock matters."""
        self._written = time.monotonic()

    def is_due(self, step: int) -> bool:
        """Tell whether to write now, after so many steps; the same on all workers."""
        if step < self._next:
            return False
        now = time.monotonic()
        own = np.array([now - self._written, (now - self._begun) / step])
        (chief,) = self._peers.sum([own if self._peers.rank == 0 else np.zeros(2)])
        elapsed, per_step = chief.tolist()
        due = elapsed >= self._seconds
        left = self._seconds if due else self._seconds - elapsed
        self._next = step + max(1, min(step, int(left / max(per_step, 1e-6))))
        return bool(due)
