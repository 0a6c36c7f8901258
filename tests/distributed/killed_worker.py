"""Run as a worker of a gang that writes checkpoints; worker 1 may be killed in mid-epoch."""

from __future__ import annotations

import os
import signal
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from sparkexp.context.current import activate
from sparkexp.context.reporter import Reporter
from sparkexp.distributed.current import gang
from sparkexp.distributed.member import GangMember
from sparkexp.distributed.telemetry import read_status
from sparkexp.errors import SparkexpError
from sparkexp.tracking import AttemptTrackers
from tests.distributed.processes import answer, own_place


def train(kill: bool) -> Any:
    import keras
    from sklearn.datasets import load_digits

    steps = []

    class Killer(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            self.epoch = epoch

        def on_train_batch_end(self, batch, logs=None):
            steps.append(self.epoch)
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
    history = model.fit(
        x, y, batch_size=64, epochs=3, validation_data=(x[:50], y[:50]), callbacks=[Killer()],
        verbose=0,
    )  # fmt: skip
    return {
        "steps": steps,
        "weights": [np.asarray(w) for w in [*model.weights, *model.optimizer.variables]],
        "seeds": [np.asarray(v) for v in model.non_trainable_variables if "int" in v.dtype],
        "history": history.history,
    }


def main(directory: str, kill: str) -> Any:
    # The same name for all gangs, since their seed comes of it.
    os.chdir(directory)
    Path(str(own_place().rank)).mkdir(exist_ok=True)
    place = replace(own_place(), shared="checkpoints", directory=str(own_place().rank))
    with activate(place.directory, Reporter(AttemptTrackers())) as trial:
        try:
            found = GangMember(checkpoint_minutes=1e-9)(train, place)(kill == "kill")
        except SparkexpError as error:
            return f"{type(error).__name__}: {error}"
        reported = dict(trial.reporter.last)
        return {**found, "reported": reported, "status": read_status(place.directory)}


if __name__ == "__main__":
    answer(main(*sys.argv[1:]))
