"""A train function that is killed at several places, each time in a process of its own.

Run as a script: ``python -m tests.distributed.training DIRECTORY``. TensorFlow is loaded once and
the processes are forked before it is used, as the engine does it.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import traceback
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras.src.trainers.data_adapters.data_adapter import DataAdapter

from sparkexp.distributed.checkpointing import FitCheckpoints
from sparkexp.distributed.collectives import Collectives

BATCH = 32
EXAMPLES = 200


class Feed(DataAdapter):
    """Batches in another order each epoch, which can begin at any example."""

    def __init__(self, x: np.ndarray, y: np.ndarray) -> None:
        self.start = tf.Variable([0, 0], dtype="int32")

        def one_epoch(_: Any) -> tf.data.Dataset:
            seed = tf.stack([7, self.start.read_value()[0]])
            order = tf.random.experimental.stateless_shuffle(tf.range(len(x)), seed)
            order = order[self.start.read_value()[1] :]
            return tf.data.Dataset.from_tensor_slices((tf.gather(x, order), tf.gather(y, order)))

        self.dataset = tf.data.Dataset.from_tensors(0).flat_map(one_epoch).batch(BATCH)

    def get_tf_dataset(self) -> tf.data.Dataset:
        return self.dataset

    @property
    def num_batches(self) -> int:
        return -(-EXAMPLES // BATCH)

    @property
    def batch_size(self) -> int:
        return BATCH

    has_partial_batch = True
    partial_batch_size = EXAMPLES % BATCH


class Opening(keras.callbacks.Callback):
    """Says to the feed where to begin."""

    def __init__(self, feed: Feed, position: int) -> None:
        super().__init__()
        self.feed, self.position = feed, position

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self.feed.start.assign([epoch, self.position])
        self.position = 0


class Killer(keras.callbacks.Callback):
    """Kills the process after a batch, and counts what it sees."""

    def __init__(self, place: tuple[int, int] | None) -> None:
        super().__init__()
        self.place, self.epoch, self.seen, self.losses = place, 0, 0, []
        self.sums = np.zeros(2)
        self.file = sys.stderr  # can't be written into a checkpoint

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self.epoch, self.in_epoch = epoch, 0

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self.seen += 1
        self.in_epoch += 1
        self.sums += 1
        if (self.epoch, batch) == self.place:
            os.kill(os.getpid(), signal.SIGKILL)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self.losses.append([self.in_epoch, logs["loss"]])


def train(shared: str, kill: dict[int, tuple[int, int]], width: int = 16) -> dict[str, Any]:
    """Train a model twice, first at whole epochs, then within them."""
    keras.utils.set_random_seed(3)
    x = np.random.default_rng(0).normal(size=(EXAMPLES, 12)).astype("float32")
    y = (x[:, 0] + x[:, 1] ** 2 > 1).astype("int32")
    checkpoints = FitCheckpoints(Collectives(), shared, minutes=1e-9)
    layers = keras.layers
    model = keras.Sequential(  # without an Input: fit builds it
        [layers.Dense(width), layers.BatchNormalization(), layers.Dropout(0.3), layers.Dense(2)]
    )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)

    model.compile(keras.optimizers.SGD(0.1, momentum=0.9), loss, metrics=["accuracy"])
    stopping = keras.callbacks.EarlyStopping(
        "loss", min_delta=0.2, patience=2, restore_best_weights=True
    )
    first_killer = Killer(kill.get(0))
    start = checkpoints.begin()
    plateau = keras.callbacks.ReduceLROnPlateau("loss", patience=1, min_delta=0.1)
    first = model.fit(
        x,
        y,
        batch_size=BATCH,
        epochs=6,
        shuffle=False,
        verbose=0,
        initial_epoch=start.initial_epoch(6),
        callbacks=start.with_callbacks([stopping, plateau, first_killer]),
    )
    between = float(model.evaluate(x, y, verbose=0)[0])

    adam = keras.optimizers.LossScaleOptimizer(keras.optimizers.Adam(0.01))
    model.compile(adam, loss, metrics=["accuracy"])
    feed, killer = Feed(x, y), Killer(kill.get(1))
    start = checkpoints.begin()
    second = model.fit(
        feed,
        epochs=3,
        verbose=0,
        initial_epoch=start.initial_epoch(3),
        callbacks=[
            Opening(feed, start.position),
            *start.with_callbacks([killer], BATCH),
        ],
    )
    variables = [*model.variables, *model.optimizer.variables]
    return {
        "variables": [np.asarray(variable).tolist() for variable in variables],
        "histories": [first.history, second.history],
        "epochs": [first.epoch, second.epoch],
        "between": between,
        "stopping": [stopping.stopped_epoch, stopping.wait, stopping.best, stopping.best_epoch],
        "seen": [[k.seen, k.losses, k.sums.tolist()] for k in (first_killer, killer)],
        "begun_at": [start.initial_epoch(3), start.position],
        "files": sorted(os.listdir(shared)) if Path(shared).is_dir() else [],
    }


def run_phase(directory: Path, name: str, *arguments: Any) -> None:
    """Train in a fork, and write what it returned or raised."""
    pid = os.fork()
    if pid == 0:
        sys.stderr = Path(directory, f"{name}.log").open("w", buffering=1)
        os.dup2(sys.stderr.fileno(), 2)
        try:
            content: Any = train(*arguments)
        except Exception as error:
            traceback.print_exc()
            content = {"error": f"{type(error).__name__}: {error}"}
        Path(directory, f"{name}.json").write_text(json.dumps(content))
        os._exit(0)
    _, status = os.waitpid(pid, 0)
    Path(directory, f"{name}.status").write_text(str(os.waitstatus_to_exitcode(status)))


if __name__ == "__main__":
    here = Path(sys.argv[1])
    run_phase(here, "whole", str(here / "whole"), {})
    run_phase(here, "in-first", str(here / "shared"), {0: (3, 3)})
    run_phase(here, "in-second", str(here / "shared"), {1: (1, 4)})
    run_phase(here, "finished", str(here / "shared"), {})
    run_phase(here, "other-model", str(here / "shared"), {}, 17)
    run_phase(here, "repeated", str(here / "shared"), {})
    run_phase(here, "no-storage", "/dev/null/nothing", {})
