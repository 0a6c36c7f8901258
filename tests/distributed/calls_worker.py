"""Run as a worker of a gang: calls that don't fit together, and devices of its own."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from typing import Any

from sparkexp import experiment
from sparkexp.distributed.member import GangMember
from sparkexp.errors import SparkexpError
from tests.distributed.feature_worker import rows, small
from tests.distributed.processes import answer, give, own_place


def split_over_devices() -> dict[str, Any]:
    """The recipe of docs/distributed.md, in a gang."""
    import keras

    first, second = experiment.gang().devices
    inputs = keras.Input((6,))
    hidden = experiment.on_device(first, keras.layers.Dense(5))(inputs)
    outputs = experiment.on_device(second, keras.layers.Dense(1, activation="sigmoid"))(hidden)
    model = keras.Model(inputs, outputs)
    model.compile(experiment.place_slots(keras.optimizers.Adam()), "binary_crossentropy")
    model.fit(*rows(), batch_size=16, verbose=0)
    return {
        "devices": experiment.gang().devices,
        "variables": [variable.value.device for variable in model.weights],
        "weights": model.get_weights(),
    }


def tell_error(call: Callable[[], Any]) -> str:
    try:
        call()
    except SparkexpError as error:
        return f"{type(error).__name__}: {error}"
    return ""


def call_differently() -> dict[str, str]:
    import keras
    import tensorflow as tf

    gang = experiment.gang()
    rank, chief = gang.rank, gang.is_chief
    x, y = rows(64)
    n = 64 - 32 * rank
    data = tf.data.Dataset.from_tensor_slices((x, y)).batch(16)
    endless = data.repeat()

    class EvaluateOnChief(keras.callbacks.Callback):  # type: ignore[misc]
        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            if chief:
                self.model.evaluate(x, y, verbose=0)

    class Endless(keras.utils.PyDataset):  # type: ignore[misc]
        def __getitem__(self, index: int) -> Any:
            return x[:16], y[:16]

        @property
        def num_batches(self) -> None:
            return None

    def fit(*args: Any, **kwargs: Any) -> Any:
        return small().fit(*args, verbose=0, **kwargs)

    def use_another_backend() -> None:
        os.environ["KERAS_BACKEND"] = "torch"
        try:
            small()
        finally:
            del os.environ["KERAS_BACKEND"]

    calls = {
        "arrays": lambda: fit(x[:n], y[:n], batch_size=16),
        "epochs": lambda: fit(x, y, epochs=1 + rank),
        "steps": lambda: fit(endless, steps_per_epoch=2 + rank),
        "batches": lambda: fit(x, y, batch_size=16 + rank),
        "data sets": lambda: fit(data.take(2 + rank)),
        "validation": lambda: fit(x, y, validation_data=(x[:n], y[:n])),
        "evaluate": lambda: small().evaluate(x[:n], y[:n], verbose=0),
        "shapes": lambda: gang.sum([1.0] * (1 + rank)),
        "other call": lambda: small().evaluate(x, y, verbose=0) if chief else gang.sum(1.0),
        "in an epoch": lambda: fit(x, y, callbacks=[EvaluateOnChief()]),
        "endless": lambda: fit(endless),
        "endless validation": lambda: fit(x, y, validation_data=endless),
        "endless evaluate": lambda: small().evaluate(endless, verbose=0),
        "endless PyDataset": lambda: fit(Endless()),
        "small batch": lambda: small().train_on_batch(x[:1], y[:1]),
        "backend": use_another_backend,
    }
    found = {}
    for name, call in calls.items():
        print(name, flush=True)  # where it hangs, if it does
        found[name] = tell_error(call)
    if chief:
        small()  # a model that the others don't have
    fit(x, y)  # they can still train together
    return found


def train() -> dict[str, Any]:
    return {"split": split_over_devices(), "errors": call_differently()}


if __name__ == "__main__":
    experiment.split_cpus(2)  # before the gang connects, as a worker with two GPUs has two devices
    found = GangMember(heartbeat_s=60)(train, own_place())()
    if own_place().rank == 0:
        answer(found)
    give(found)
    os.kill(os.getpid(), signal.SIGTERM)
    signal.pause()
