"""What the members of the tests' asynchronous gangs run."""

from __future__ import annotations

import functools
import logging
import os
import signal
import time
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf  # noqa: F401  loaded before members are forked
from sklearn.datasets import load_digits

from sparkexp.distributed.async_member import AsyncMember
from sparkexp.engine.place import Place

N_TRAIN = 1440


def member(options: dict[str, Any], place: dict[str, Any], **arguments: Any) -> Any:
    """Run a member of a gang, which trains on digits."""
    logging.basicConfig(level=logging.INFO)
    gang = AsyncMember(**options)
    train = functools.partial(train_digits, place["rank"], place["shared"])
    return gang(train, Place(size=gang.size, host="localhost", **place))(**arguments)


class Watch(keras.callbacks.Callback):
    """Counts steps, dies where it is told to, and looks at the weights."""

    def __init__(self, rank: int, shared: str, dies_at: list[int] | None, still_from: int) -> None:
        super().__init__()
        self.rank, self.shared, self.dies_at, self.still_from = rank, shared, dies_at, still_from
        self.steps = 0
        self.still: list[Any] = []

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self.epoch = epoch
        Path(self.shared, f"epoch-{self.rank}").write_text(str(epoch))

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self.steps += 1
        if self.dies_at == [self.epoch, batch]:
            os.kill(os.getpid(), signal.SIGKILL)
        if not self.still and int(self.model.optimizer.iterations) > self.still_from:
            self.still = self.model.get_weights()


def train_digits(
    rank: int,
    shared: str,
    epochs: int = 6,
    optimizer: dict[str, Any] | None = None,
    dies_at: list[int] | None = None,
    still_from: int = 10**9,
    pause_s: float = 0.0,
) -> dict[str, Any]:
    digits = load_digits()
    x, y = (digits.images[..., None] / 16).astype("float32"), digits.target
    keras.utils.set_random_seed(rank)
    model = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            keras.layers.Flatten(),
            keras.layers.Dense(64, activation="relu", kernel_constraint="max_norm"),
            keras.layers.BatchNormalization(),
            keras.layers.Dense(10, activation="softmax"),
        ]
    )
    made = keras.optimizers.get(optimizer or "adam")
    model.compile(made, "sparse_categorical_crossentropy", metrics=["accuracy"])
    watch = Watch(rank, shared, dies_at, still_from)
    pause = keras.callbacks.LambdaCallback(
        on_train_batch_end=lambda batch, logs: time.sleep(pause_s)
    )
    files = keras.callbacks.ModelCheckpoint(str(Path(shared, f"model-{rank}.keras")))
    history = model.fit(
        x[:N_TRAIN],
        y[:N_TRAIN],
        batch_size=32,
        epochs=epochs,
        verbose=0,
        callbacks=[pause, watch, files],
        validation_data=(x[N_TRAIN:], y[N_TRAIN:]),
    )
    final = model.get_weights()
    same = [bool(np.allclose(a, b, atol=1e-4)) for a, b in zip(final, watch.still, strict=False)]
    return {
        "history": history.history,
        "epochs": history.epoch,
        "steps": watch.steps,
        "iterations": int(model.optimizer.iterations),
        "rate": float(model.optimizer.learning_rate),
        # Averages of the batch normalisation go on.
        "stands_still": [same[n] for n in (0, 1, 2, 3, 6, 7)] if same else None,
    }
