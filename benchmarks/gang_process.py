"""A process of the benchmark of distributed training: stays up, and trains when it is told."""

from __future__ import annotations

import os
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np

from sparkexp.distributed.collectives import Collectives
from sparkexp.distributed.fit import Fit, FitHook
from sparkexp.distributed.member import GangMember
from sparkexp.engine.place import Place

__all__ = [
    "WORKLOADS",
    "Failed",
    "Job",
    "Measured",
    "Prepare",
    "Reduce",
    "Turn",
    "Workload",
    "read_log",
    "serve",
]

CLASSES = 10
# The first steps of a fit fill buffers.
SKIPPED = 3


@dataclass(frozen=True)
class Workload:
    """What is trained.

    Parameters
    ----------
    kind : str
        ``'mlp'`` or ``'cnn'``.
    batch : int
        Examples of a step in each worker.
    steps : int
        Steps in a turn, a good half second.
    """

    kind: str
    batch: int
    steps: int


WORKLOADS = {
    "mlp-64": Workload("mlp", 64, 400),
    "mlp-512": Workload("mlp", 512, 100),
    "cnn-64": Workload("cnn", 64, 120),
    "cnn-256": Workload("cnn", 256, 40),
}


@dataclass(frozen=True)
class Job:
    """What a process is for.

    Parameters
    ----------
    name : str
        For messages.
    core : int
        The core that it is pinned to.
    place : Place or None
        In the gang; None for a process that is in none.
    log : str
        A file for what TensorFlow prints.
    """

    name: str
    core: int
    place: Place | None
    log: str


@dataclass(frozen=True)
class Measured:
    """A turn of one process.

    Parameters
    ----------
    wall_s, processor_s : float
        Of the steps that were measured.
    reduce_s : float
        What the gang's telemetry says of them was spent in the all-reduce, waiting included.
    steps : int
        How many steps.
    begin, end : float
        On the clock that all processes of the machine have.
    """

    wall_s: float
    processor_s: float
    reduce_s: float
    steps: int
    begin: float
    end: float


@dataclass(frozen=True)
class Prepare:
    """Asks a process to build a workload and to trace its step.

    Parameters
    ----------
    name : str
        For later turns.
    workload : Workload
        The workload.
    """

    name: str
    workload: Workload


@dataclass(frozen=True)
class Turn:
    """Asks a process to train a prepared workload for a turn.

    Parameters
    ----------
    name : str
        That of `Prepare`.
    """

    name: str


@dataclass(frozen=True)
class Reduce:
    """Asks the workers of a gang to sum a vector, nothing else.

    Parameters
    ----------
    size : int
        Its bytes.
    repeats : int
        How often; the fastest counts.
    """

    size: int
    repeats: int


@dataclass(frozen=True)
class Failed:
    """What a process says instead of an answer.

    Parameters
    ----------
    traceback : str
        Of its error.
    """

    traceback: str


def serve(pipe: Connection, job: Job) -> None:
    """Answer what comes through a pipe, until it is None; the process ends with it.

    A `Prepare` is answered by the bytes of its gradients, a `Turn` by `Measured`, a `Reduce` by
    seconds; an error by `Failed`.
    """
    os.sched_setaffinity(0, {job.core})
    os.environ.update(
        OMP_NUM_THREADS="1",
        TF_NUM_INTRAOP_THREADS="1",
        TF_NUM_INTEROP_THREADS="1",
        TF_CPP_MIN_LOG_LEVEL="2",
        CUDA_VISIBLE_DEVICES="",
    )
    log = os.open(job.log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    for stream in (1, 2):
        os.dup2(log, stream)
    keep = _KeepGang()
    commands: Callable[..., None] = _answer_all
    if job.place is not None:
        commands = _Member("worker", 60.0, 300.0, keep=keep)(_answer_all, job.place)
    try:
        commands(pipe, keep, job.place)
    except EOFError:
        pass  # the benchmark is gone
    except BaseException:
        pipe.send(Failed(traceback.format_exc()))
    # As a trial's process ends: nothing waits for the others of the gang.
    os._exit(0)


@dataclass
class _KeepGang:
    """Takes part in fit to know its gang."""

    gang: Collectives | None = None

    def begin(self, fit: Fit, callbacks: list[Any]) -> list[Any]:
        self.gang = fit.gang
        return callbacks


@dataclass(frozen=True)
class _Member(GangMember):
    """A worker whose gang the benchmark knows."""

    keep: _KeepGang = field(default_factory=_KeepGang)

    def hooks(self, gang: Collectives, place: Place) -> list[FitHook]:
        return [*super().hooks(gang, place), self.keep]


def _answer_all(pipe: Connection, keep: _KeepGang, place: Place | None) -> None:
    runs: dict[str, _Run] = {}
    pipe.send(True)
    while (command := pipe.recv()) is not None:
        match command:
            case Prepare(name, workload):
                runs[name] = _prepare(workload, keep, place)
                pipe.send(runs[name].gradient_bytes)
            case Turn(name):
                pipe.send(runs[name].take_turn())
            case Reduce(size, repeats):
                pipe.send(_reduce(keep, size, repeats))


def _reduce(keep: _KeepGang, size: int, repeats: int) -> float:
    """Return the shortest time of a sum over the gang, in a graph as in training."""
    import tensorflow as tf

    gang = keep.gang
    if gang is None:
        raise RuntimeError("a workload must be prepared before")
    key = gang.key("benchmark", size)
    vector = tf.zeros([size // 4])
    add = tf.function(lambda value: gang.reduce(value, key))
    times = []
    for _ in range(repeats + 1):
        gang.sum([0.0])  # all begin together
        begun = time.perf_counter()
        add(vector)
        times.append(time.perf_counter() - begun)
    return min(times[1:])


class _Run:
    """Trains a model for some steps, and measures them."""

    def __init__(self, model: Any, data: Any, workload: Workload, keep: _KeepGang) -> None:
        self._model, self._data, self._workload, self._keep = model, data, workload, keep
        self.gradient_bytes = sum(4 * int(np.prod(v.shape)) for v in model.trainable_variables)

    def take_turn(self) -> Measured:
        """Train, and return what it took."""
        clock = _make_clock(self._workload.steps, self._keep)
        before = int(self._model.optimizer.iterations)
        x, y = self._data
        self._model.fit(
            x, y, batch_size=self._workload.batch, epochs=1, verbose=0, callbacks=[clock]
        )
        done = int(self._model.optimizer.iterations) - before
        if done != self._workload.steps + SKIPPED + 1:
            raise RuntimeError(f"{done} steps instead of {self._workload.steps + SKIPPED + 1}")
        measured: Measured = clock.measured
        return measured


def _prepare(workload: Workload, keep: _KeepGang, place: Place | None) -> _Run:
    """Return a workload, traced and warm."""
    import keras

    keras.utils.set_random_seed(1)
    model, shape = _build(workload.kind)
    model.compile(
        keras.optimizers.SGD(0.01, momentum=0.9),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
        jit_compile=False,
    )
    # One that is measured ends when the next begins. fit counts a gang's examples.
    n = workload.batch * (workload.steps + SKIPPED + 1) * (place.size if place else 1)
    rng = np.random.default_rng(0)
    data = rng.random((n, *shape), dtype=np.float32), rng.integers(0, CLASSES, n)
    run = _Run(model, data, workload, keep)
    run.take_turn()
    return run


def _build(kind: str) -> tuple[Any, tuple[int, ...]]:
    from keras import Input, Sequential
    from keras.layers import Conv2D, Dense, Flatten, MaxPooling2D

    if kind == "mlp":
        hidden = [Dense(256, activation="relu"), Dense(256, activation="relu")]
        return Sequential([Input((784,)), *hidden, Dense(CLASSES)]), (784,)
    layers = [
        *(Conv2D(16, 3, activation="relu"), MaxPooling2D()),
        *(Conv2D(32, 3, activation="relu"), MaxPooling2D()),
    ]
    return Sequential([Input((28, 28, 1)), *layers, Flatten(), Dense(CLASSES)]), (28, 28, 1)


def _make_clock(steps: int, keep: _KeepGang) -> Any:
    import keras

    class Clock(keras.callbacks.Callback):  # type: ignore[misc]
        """Reads the clocks at two beginnings of steps; at ends Keras would fetch metrics."""

        measured: Measured

        def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
            if batch == SKIPPED:
                self._first = _read_clocks(keep)
            elif batch == SKIPPED + steps:
                last = _read_clocks(keep)
                wall, processor, reduce = (b - a for a, b in zip(self._first, last, strict=True))
                self.measured = Measured(wall, processor, reduce, steps, self._first[0], last[0])

    return Clock()


def _read_clocks(keep: _KeepGang) -> tuple[float, float, float]:
    gang = keep.gang
    # reduce_seconds first: to read it takes time.
    reduce = float(gang.variables.reduce_seconds) if gang is not None and gang.size > 1 else 0.0
    return time.monotonic(), time.process_time(), reduce


def read_log(file: str | Path) -> str:
    """Return the end of what a process printed."""
    path = Path(file)
    return path.read_text(errors="replace")[-3000:] if path.exists() else ""
