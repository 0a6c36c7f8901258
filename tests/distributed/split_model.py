"""Trains a model on two devices of a process and on one, and prints what came out as JSON."""

from __future__ import annotations

import json
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from sparkexp.distributed.devices import devices, on_device, place_slots, split_cpus

layers = keras.layers
random = np.random.default_rng(0)
words = random.integers(1, 20, (64, 8))
words[:, 5:] = 0
targets = random.normal(size=(64, 4)).astype("float32")


def build(split: bool) -> keras.Model:
    keras.utils.set_random_seed(0)

    def put(number: int, layer: Any) -> Any:
        return on_device(devices()[number], layer) if split else layer

    inputs = keras.Input((8,), dtype="int32")
    embedded = put(1, layers.Embedding(20, 6, mask_zero=True))(inputs)
    states = put(1, layers.LSTM(6, return_sequences=True))(embedded)
    seen = put(0, layers.MultiHeadAttention(2, 3))(states, embedded)
    flat = layers.Flatten()(seen)
    inner = keras.Sequential(
        [
            layers.Dense(16, activation="relu", kernel_regularizer="l2"),
            layers.BatchNormalization(),
            layers.Dropout(0.5),
        ]
    )
    model = keras.Model(inputs, put(0, layers.Dense(4))(put(1, inner)(flat)))
    optimizer = keras.optimizers.LossScaleOptimizer(keras.optimizers.Adam(0.01))
    model.compile(place_slots(optimizer) if split else optimizer, "mse", jit_compile=False)
    return model


def train(split: bool) -> tuple[keras.Model, list[float]]:
    model = build(split)
    history = model.fit(words, targets, batch_size=24, epochs=3, shuffle=False, verbose=0)
    return model, history.history["loss"]


def find_operations(model: keras.Model) -> dict[str, list[str]]:
    """Return the devices of the products of matrices in a train step, forwards and backwards."""

    @tf.function
    def step(x: Any, y: Any) -> Any:
        return model.train_step((x, y))

    graph = step.get_concrete_function(tf.constant(words), tf.constant(targets)).graph
    products = [op for op in graph.get_operations() if op.type == "MatMul"]
    return {op.name: op.device for op in products}


def told(call: Any) -> str:
    try:
        call()
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return ""


if __name__ == "__main__":
    split_cpus(2)
    model, losses = train(split=True)
    _, expected = train(split=False)
    model.save("split.keras")
    loaded = keras.models.load_model("split.keras")
    print(
        json.dumps(
            {
                "devices": devices(),
                "losses": losses,
                "expected": expected,
                "variables": {v.path: v.value.device[-5:] for v in model.variables},
                "slots": {v.path: v.value.device[-5:] for v in model.optimizer.variables},
                "operations": find_operations(model),
                "loaded": float(
                    np.abs(loaded.predict(words) - model.predict(words)).max(),
                ),
                "errors": [
                    told(lambda: split_cpus(3)),
                    told(lambda: on_device("GPU:7", layers.Dense(1))),
                    told(lambda: on_device("CPU:1", model)),
                    told(lambda: on_device("CPU:1", len)),
                ],
            }
        )
    )
