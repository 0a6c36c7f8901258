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
from sparkexp.distributed.schedule import scaled
from sparkexp.engine.place import Place

N_TRAIN = 1440


def member(
    options: dict[str, Any], place: dict[str, Any], trains: str = "digits", **arguments: Any
) -> Any:
    """Run a member of a gang, which trains on digits, or another train function."""
    logging.basicConfig(level=logging.INFO)
    gang = AsyncMember(**options)
    train = train_unusually
    if trains == "digits":
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
        if batch == 20:
            Path(self.shared, f"middle-{self.rank}").write_text(str(self.epoch))
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


class Deferred(keras.Model):
    """Is built with its first batch; its embedding has sparse gradients, one layer has none."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = keras.layers.Embedding(20, 4)
        self.unused = keras.layers.Dense(3)
        self.out = keras.layers.Dense(1)

    def build(self, shape: Any) -> None:
        self.embed.build(shape)
        self.unused.build((None, 4))
        self.out.build((None, 4))

    def call(self, x: Any) -> Any:
        return self.out(keras.ops.mean(self.embed(x), axis=1))


def train_unusually() -> dict[str, Any]:
    """Train what isn't an ordinary model, one after another; return what came of each."""
    keras.utils.set_random_seed(0)
    words = np.arange(200).reshape(40, 5) % 20
    sums = words.sum(1, keepdims=True).astype("float32") / 20
    found: dict[str, Any] = {}

    model = Deferred()
    decaying = keras.optimizers.AdamW(0.01, weight_decay=0.5, clipnorm=1.0)
    decaying.exclude_from_weight_decay(var_names=["unused", "kernel"])
    model.compile(decaying, "mse")
    stopping = keras.callbacks.EarlyStopping("loss", patience=1, min_delta=100.0)
    stopping.restore_best_weights = True
    history = model.fit(words, sums, batch_size=8, epochs=9, verbose=0, callbacks=[stopping])
    found["stopped after"] = len(history.history["loss"])
    found["unused"] = float(np.abs(model.unused.kernel.numpy()).max())

    again = model.fit(
        tf.data.Dataset.from_tensor_slices((words, sums)).batch(8).repeat(),
        epochs=5,
        steps_per_epoch=7,
        verbose=0,
        callbacks=[keras.callbacks.LearningRateScheduler(lambda epoch: 0.0 if epoch > 1 else 0.1)],
    )
    found["losses"] = again.history["loss"]
    found["iterations"] = int(model.optimizer.iterations)

    dropping = scaled(0.01, warmup_epochs=0, drops=(1,), drop_factor=0.5)
    model.compile(keras.optimizers.SGD(dropping), "mse")
    model.fit(words, sums, batch_size=8, epochs=1, verbose=0)
    found["rates"] = [float(dropping(step)) for step in (4, 5)]

    keras.mixed_precision.set_dtype_policy("mixed_bfloat16")
    half = keras.Sequential([keras.Input((5,)), keras.layers.Dense(1, dtype="bfloat16")])
    rate = scaled(1e-4, warmup_epochs=0)
    half.compile(keras.optimizers.SGD(rate, gradient_accumulation_steps=2), "mse")
    losses = [float(half.train_on_batch(words.astype("float32"), sums)) for _ in range(8)]
    found["on batches"] = losses
    found["half"] = str(half.weights[0].dtype), int(half.optimizer.iterations)
    return found
