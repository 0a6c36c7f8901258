"""Run as a worker of a gang: small models, whose weights must be those of one worker."""

from __future__ import annotations

import sys
import time

import numpy as np

from sparkexp.distributed.current import gang
from sparkexp.distributed.member import GangMember
from tests.distributed.processes import answer, own_place


def digits(n):
    from sklearn.datasets import load_digits

    data = load_digits()
    return (data.images[:n] / 16).astype("float32")[..., None], data.target[:n]


def dense(optimizer, metrics=("accuracy",), **compiled):
    import keras

    keras.utils.set_random_seed(1 + gang().rank)  # rank 0's weights are sent to all
    model = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            keras.layers.Flatten(),
            keras.layers.Dense(16, activation="relu"),
            keras.layers.Dense(10, activation="softmax"),
        ]
    )
    model.compile(optimizer, "sparse_categorical_crossentropy", metrics=list(metrics), **compiled)
    return model


def outcome(model, history):
    return {"weights": model.get_weights(), "history": history.history}


def fit(optimizer, n=500, batch_size=64, epochs=5, **options):
    x, y = digits(n)
    model = dense(optimizer)
    history = model.fit(
        x, y, batch_size=batch_size, epochs=epochs, verbose=0,
        validation_data=digits(333), **options,
    )  # fmt: skip
    return outcome(model, history)


def sgd():
    import keras

    return fit(keras.optimizers.SGD(0.1, momentum=0.9))


def adam():
    import keras

    return fit(keras.optimizers.Adam(1e-3), shuffle=False)


def adamw():
    import keras

    return fit(keras.optimizers.AdamW(1e-3), n=448)


def clipnorm():
    import keras

    return fit(keras.optimizers.SGD(0.1, clipnorm=0.2), validation_batch_size=100)


def global_clipnorm():
    import keras

    return fit(keras.optimizers.SGD(0.1, momentum=0.9, global_clipnorm=0.5))


def last_batch_of_one():
    import keras

    return fit(keras.optimizers.SGD(0.1, momentum=0.9), n=193)


def uneven_batch():
    import keras

    return fit(keras.optimizers.SGD(0.1, momentum=0.9), batch_size=37, validation_split=0.1)


def batch_norm():
    import keras

    x, y = digits(193)
    keras.utils.set_random_seed(1 + gang().rank)
    model = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            keras.layers.Conv2D(8, 3, padding="same", use_bias=False),
            keras.layers.BatchNormalization(synchronized=True),
            keras.layers.Activation("relu"),
            keras.layers.Flatten(),
            keras.layers.Dense(10, activation="softmax"),
        ]
    )
    model.compile(
        keras.optimizers.SGD(0.05, momentum=0.9), "sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )  # fmt: skip
    history = model.fit(x, y, batch_size=64, epochs=5, verbose=0, validation_data=digits(333))
    return outcome(model, history)


QUICK = (sgd, adam, adamw, clipnorm, last_batch_of_one, batch_norm)
SITUATIONS = (*QUICK, global_clipnorm, uneven_batch)


def train(names):
    found = {}
    for situation in SITUATIONS:
        if not names or situation.__name__ in names:
            start = time.monotonic()
            found[situation.__name__] = situation()
            print(situation.__name__, f"{time.monotonic() - start:.1f} s", flush=True)
    return found


if __name__ == "__main__":
    np.seterr(all="ignore")
    answer(GangMember()(train, own_place())(sys.argv[1:]))
