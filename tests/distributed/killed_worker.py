"""Run as a worker of a gang that writes checkpoints; worker 1 may be killed in mid-epoch."""

from __future__ import annotations

import functools
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from sparkexp.context.curve import CurveFile
from sparkexp.context.reporter import Reporter
from sparkexp.distributed.checkpointing import FitCheckpoints
from sparkexp.distributed.current import gang
from sparkexp.distributed.keras_model import Fit
from sparkexp.distributed.member import GangMember
from sparkexp.distributed.telemetry import Telemetry, read_status
from sparkexp.engine.place import Place
from sparkexp.errors import SparkexpError
from sparkexp.tracking import AttemptTrackers
from tests.distributed.processes import answer, own_place

BATCH = 64
EPOCHS = 3


class Start:
    """Lets a fit begin where its checkpoint says."""

    def __init__(self) -> None:
        self.position = 0

    def begin(self, fit: Fit) -> Sequence[Any]:
        fit.first_example = self.position
        return ()


hook = Start()


class Member(GangMember):
    def hooks(self, place: Place) -> Sequence[Any]:
        return [hook]


def train(shared: str, kill: bool) -> Any:
    import keras
    from sklearn.datasets import load_digits

    class Killer(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            self.epoch = epoch

        def on_train_batch_end(self, batch, logs=None):
            if kill and gang().rank == 1 and (self.epoch, batch) == (1, 4):
                os.kill(os.getpid(), signal.SIGKILL)

    data = load_digits()
    x, y = (data.data[:500] / 16).astype("float32"), data.target[:500]
    model = keras.Sequential(
        [
            keras.Input((64,)),
            keras.layers.Dense(32),
            keras.layers.BatchNormalization(),  # each worker has statistics of its own
            keras.layers.Dropout(0.3),  # and masks
            keras.layers.Dense(10, activation="softmax"),
        ]
    )
    optimizer = keras.optimizers.SGD(0.1, momentum=0.9)
    model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
    start = checkpoints(shared).begin()
    hook.position = start.position
    with Reporter(AttemptTrackers(), CurveFile(Path(shared, "curve.json"))) as reporter:
        telemetry = telemetry_of(shared, reporter)
        own = telemetry.callback(BATCH, 500, position=start.position)
        history = model.fit(
            x,
            y,
            batch_size=BATCH,
            epochs=EPOCHS,
            validation_data=(x[:50], y[:50]),
            initial_epoch=start.initial_epoch(EPOCHS),
            callbacks=[*start.with_callbacks([Killer()], BATCH), own],
            verbose=0,
        )
    return {
        "begun": (start.initial_epoch(EPOCHS), start.position),
        "weights": [np.asarray(w) for w in [*model.weights, *model.optimizer.variables]],
        "seeds": [np.asarray(v) for v in model.non_trainable_variables if "int" in v.dtype],
        "history": history.history,
        "reported": dict(reporter.last),
        "status": read_status(shared),
    }


@functools.cache
def checkpoints(shared: str) -> FitCheckpoints:
    return FitCheckpoints(gang(), shared, minutes=1e-9)


def telemetry_of(shared: str, reporter: Reporter) -> Telemetry:
    variables = gang()._inner.variables
    return Telemetry(gang(), lambda: float(variables.reduce_seconds), reporter, shared)


if __name__ == "__main__":
    shared, kill = sys.argv[1:]
    try:
        result = Member()(train, own_place())(shared, kill == "kill")
    except SparkexpError as error:
        result = f"{type(error).__name__}: {error}"
    answer(result)
