"""How fast a gang trains and who is behind: curves for trackers, a file for the terminal."""

from __future__ import annotations

import functools
import json
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sparkexp.context.current import current_trial, has_trial
from sparkexp.context.reporter import Reporter
from sparkexp.distributed.peers import Peers
from sparkexp.storage.regular_files import read_regular, write_whole

__all__ = ["Rates", "Status", "Telemetry", "find_behind", "read_status"]

logger = logging.getLogger(__name__)

STATUS = "status.json"
SECONDS_BETWEEN_WRITES = 2.0
# A worker is behind if its own work takes longer than that of the others by more than this.
TOLERANCE = 0.1


@dataclass(frozen=True)
class Status:
    """Where a training is, for the terminal.

    Parameters
    ----------
    epoch, epochs : int
        The epoch that runs, from 1, and how many there are.
    step, steps : int
        Steps done in the epoch, and how many it has; 0 if that isn't known.
    examples_per_second : float
        Of all workers together; 0 if it isn't known.
    behind : int or None
        The worker that the others wait for, if one is clearly slower.
    warnings : tuple of str
        What the user is to know at once, such as that checkpoints can't be written.
    """

    epoch: int = 0
    epochs: int = 0
    step: int = 0
    steps: int = 0
    examples_per_second: float = 0.0
    behind: int | None = None
    warnings: tuple[str, ...] = ()


def read_status(directory: str | Path) -> Status | None:
    """Return the last status in a trial's directory; None if there is none.

    Parameters
    ----------
    directory : str or path
        The directory of an attempt at a trial.
    """
    try:
        found = json.loads(read_regular(Path(directory, STATUS)))
        behind = found["behind"]
        return Status(
            int(found["epoch"]),
            int(found["epochs"]),
            int(found["step"]),
            int(found["steps"]),
            float(found["examples_per_second"]),
            None if behind is None else int(behind),
            warnings=tuple(str(text) for text in found["warnings"]),
        )
    except (OSError, ValueError, TypeError, KeyError, OverflowError, RecursionError):
        return None


@dataclass(frozen=True)
class Rates:
    """What the workers did in an epoch, validation left out.

    Parameters
    ----------
    seconds : sequence of float
        How long each worker's steps took.
    waited : sequence of float
        What of that was spent in the all-reduce, waiting for others included.
    steps : int
        How many steps.
    examples : float
        Examples in them, all workers together; 0 if that isn't known.
    """

    seconds: Sequence[float]
    waited: Sequence[float]
    steps: int
    examples: float

    @property
    def examples_per_second(self) -> float:
        """Examples a second, all workers together; 0 if that isn't known."""
        return self.examples / max(max(self.seconds), 1e-9)

    @property
    def behind(self) -> int | None:
        """The worker that the others wait for, if there is one."""
        pairs = zip(self.seconds, self.waited, strict=True)
        return find_behind([seconds - waited for seconds, waited in pairs])

    def as_metrics(self) -> dict[str, float]:
        """Return the numbers under the names that trackers get.

        A worker's own examples a second are those of its own work: waiting doesn't count. In step,
        all have the same speed otherwise.
        """
        if not self.steps:
            return {}
        size = len(self.seconds)
        metrics = {"gang/step_seconds": max(self.seconds) / self.steps}
        if self.examples:
            metrics["gang/examples_per_second"] = self.examples_per_second
        if size == 1:
            return metrics
        metrics["gang/all_reduce_share"] = sum(self.waited) / max(sum(self.seconds), 1e-9)
        if self.behind is not None:
            metrics["gang/worker_behind"] = float(self.behind)
        for rank, (seconds, waited) in enumerate(zip(self.seconds, self.waited, strict=True)):
            if self.examples:
                rate = self.examples / size / max(seconds - waited, 1e-9)
                metrics[f"gang/worker_{rank}/examples_per_second"] = rate
        return metrics


def find_behind(work: Sequence[float]) -> int | None:
    """Return the worker whose own work takes longest, if it takes clearly longer.

    Parameters
    ----------
    work : sequence of float
        Seconds of each worker, without those in which it waited.

    Examples
    --------
    >>> find_behind([1.0, 1.5, 1.02]), find_behind([1.0, 1.05]), find_behind([1.0])
    (1, None, None)
    """
    slowest = int(np.argmax(work))
    others = [seconds for rank, seconds in enumerate(work) if rank != slowest]
    if others and work[slowest] > (1 + TOLERANCE) * max(float(np.median(others)), 0.0):
        return slowest
    return None


class Telemetry:
    """Follows all calls of `fit` in a train function.

    Parameters
    ----------
    peers : Peers
        The gang.
    reduce_seconds : Callable
        Returns the seconds that this worker has spent in all-reduces so far.
    reporter : Reporter, optional
        Gets the curves, on the chief.
    directory : str
        The chief's trial directory, for the status; without one it isn't written.
    restarts : int
        How often the gang was started before.
    """

    def __init__(
        self,
        peers: Peers,
        reduce_seconds: Callable[[], float] = lambda: 0.0,
        reporter: Reporter | None = None,
        directory: str = "",
        restarts: int = 0,
    ) -> None:
        self._restarts = restarts
        self.peers, self.reduce_seconds = peers, reduce_seconds
        self._reporter = reporter if peers.rank == 0 else None
        self._path = Path(directory, STATUS) if directory and peers.rank == 0 else None
        self._own_names: set[str] = set()
        self._written = float("-inf")
        self._warned = False
        self._next_step = 0

    def callback(
        self,
        batch_size: int | None = None,
        examples: int | None = None,
        *,
        position: int = 0,
        initial_epoch: int = 0,
    ) -> Any:
        """Return the Keras callback for a `fit`; it belongs behind those of the train function.

        Parameters
        ----------
        batch_size, examples : int, optional
            Examples of a step and of an epoch, all workers together.
        position : int
            Examples that the first epoch leaves out.
        initial_epoch : int
            As the train function gives it to `fit`.
        """
        # A second fit that counts from 0 again continues the curves.
        shift = 0 if initial_epoch >= self._next_step else self._next_step
        return _callback_class()(self, batch_size, examples, position, shift)

    def report(self, step: int, rates: Rates, logs: Mapping[str, Any]) -> None:
        """Report an epoch: its rates, and its logs unless the train function reports them."""
        if self._reporter is None:
            return
        numbers = {k: v for k, v in logs.items() if isinstance(v, int | float)}
        own = {**rates.as_metrics(), "gang/restarts": float(self._restarts)}
        theirs = self._reporter.last.keys() - self._own_names
        metrics = {k: v for k, v in {**own, **numbers}.items() if k not in theirs}
        self._own_names.update(metrics)
        self._reporter.report(step, metrics)

    def end(self, epochs: int) -> None:
        """Take note of a `fit` that has ended, so many epochs from the curves' beginning."""
        self._next_step = max(self._next_step, epochs)

    def show(self, make_status: Callable[[], Status], at_once: bool = False) -> None:
        """Write the status, at most every 2 s unless `at_once`."""
        now = time.monotonic()
        if self._path is None or (not at_once and now - self._written < SECONDS_BETWEEN_WRITES):
            return
        self._written = now
        try:
            write_whole(self._path, json.dumps(asdict(make_status())).encode("ascii"))
        except OSError as error:
            if not self._warned:
                self._warned = True
                logger.warning("The status of the training can't be written: %s", error)


@functools.cache
def _callback_class() -> Any:
    import keras

    bases = (_Follower, keras.callbacks.Callback)
    return type("GangTelemetry", bases, {"__module__": __name__, "__doc__": _Follower.__doc__})


class _Follower:
    """Measures the steps of a `fit`.

    It has no hook at a batch's end: Keras would fetch the metrics of each batch for it.
    """

    model: Any
    params: dict[str, Any]

    def __init__(
        self,
        telemetry: Telemetry,
        batch_size: int | None,
        examples: int | None,
        position: int,
        shift: int,
    ) -> None:
        super().__init__()
        self._telemetry = telemetry
        self._batch_size, self._examples = batch_size or 0, examples
        self._position, self._shift = position, shift
        self._traced = False
        self._epoch = 0
        self._rates: Rates | None = None

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self._epoch = epoch
        self._last, self._stride, self._end = -1, 1, 0.0
        self._start_clock(0)

    def _start_clock(self, step: int) -> None:
        self._first = step
        self._begun, self._waited = time.perf_counter(), self._telemetry.reduce_seconds()

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        if self._last >= 0:
            self._stride = batch - self._last
            if not self._traced:
                # The first step traces the function; that is no time of a step.
                self._traced = True
                self._start_clock(batch)
        self._last = batch
        self._telemetry.show(self._make_status)

    def on_test_begin(self, logs: Any = None) -> None:
        self._stop_clock()

    def _stop_clock(self) -> None:
        if not self._end:
            self._end = time.perf_counter()
            self._waited = self._telemetry.reduce_seconds() - self._waited

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self._stop_clock()
        peers = self._telemetry.peers
        done = self._last + self._stride
        own = np.zeros((peers.size, 2))
        own[peers.rank] = (self._end - self._begun, self._waited)
        (rows,) = peers.sum([own])
        seconds, waited = rows.T.tolist()
        self._rates = Rates(seconds, waited, done - self._first, self._count(self._first, done))
        self._telemetry.report(self._shift + epoch, self._rates, logs or {})
        self._position = 0
        self._telemetry.show(self._make_status, at_once=True)

    def on_train_end(self, logs: Any = None) -> None:
        # Of the history, since a fit that goes on, or had ended before, has earlier epochs.
        epochs = getattr(self.model.history, "epoch", [])
        self._telemetry.end(self._shift + (epochs[-1] + 1 if epochs else 0))

    def _count(self, first: int, done: int) -> float:
        """Return the examples of the epoch's steps from one to another."""
        first, done = (self._position + step * self._batch_size for step in (first, done))
        if self._examples is not None:
            first, done = min(first, self._examples), min(done, self._examples)
        return float(done - first)

    def _make_status(self) -> Status:
        skipped = self._position // self._batch_size if self._batch_size else 0
        done = self._last + (self._stride if self._end else 0)
        seconds = (self._end or time.perf_counter()) - self._begun
        rate = self._count(self._first, done) / max(seconds, 1e-9)
        if done - self._first < 1:
            rate = self._rates.examples_per_second if self._rates else 0.0
        return Status(
            self._epoch + 1,
            int(self.params.get("epochs") or 0),
            skipped + done,
            int(self.params.get("steps") or 0),
            rate,
            self._rates.behind if self._rates else None,
            warnings=tuple(current_trial("distribute()").warnings) if has_trial() else (),
        )
