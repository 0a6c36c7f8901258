"""The train functions of the benchmark; executors of all systems import them from here."""

from __future__ import annotations

import time

__all__ = ["TRAIN", "keras_fit", "no_op", "sleep"]

N_ROWS = 200


def no_op(x: float) -> float:
    """Cost nothing: what is measured is the system."""
    return x


def sleep(x: float) -> float:
    """Last `x` seconds and leave the processor to the others."""
    time.sleep(x)
    return x


def keras_fit(x: float) -> float:
    """Fit a small network once over 200 images of 8 x 8 pixels, with learning rate `x`."""
    import numpy as np
    import tensorflow as tf

    rng = np.random.default_rng(0)
    images = rng.random((N_ROWS, 8, 8, 1), dtype=np.float32)
    labels = rng.integers(0, 10, N_ROWS)
    model = tf.keras.Sequential(
        [
            tf.keras.Input((8, 8, 1)),
            tf.keras.layers.Conv2D(8, 3, activation="relu"),
            tf.keras.layers.Flatten(),
            tf.keras.layers.Dense(10, activation="softmax"),
        ]
    )
    model.compile(tf.keras.optimizers.Adam(x), "sparse_categorical_crossentropy")
    history = model.fit(images, labels, epochs=1, batch_size=32, verbose=0)
    return float(history.history["loss"][-1])


TRAIN = {"a": no_op, "b": sleep, "c": keras_fit}
