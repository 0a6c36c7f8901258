"""Keras models of convolutions in a row, with connections between them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sparkexp.nas.layer_graph import Layer, name_layers
from sparkexp.nas.network_settings import NetworkSettings

__all__ = ["build_chain", "build_graph"]

# Which trial networks of a few epochs can use; Keras's own 0.99 is for long trainings.
_MOMENTUM = 0.9


def build_chain(layers: Sequence[Layer], outputs: Sequence[int], settings: NetworkSettings) -> Any:
    """Return a Keras model whose layers concatenate their inputs (Zoph & Le 2017, 3.3)."""
    import keras

    image = keras.Input(settings.input_shape, name="image")
    made = [image]
    for k, layer in enumerate(layers, 1):
        inputs = [made[source] for source in sorted(layer.inputs)]
        made.append(_convolve(_join(inputs, f"layer{k}"), layer, f"layer{k}"))
    return settings.classify(image, _join([made[k] for k in outputs], "output"))


def build_graph(layers: Sequence[Layer], settings: NetworkSettings) -> Any:
    """Return a Keras model whose skip connections are added (Real et al. 2017, 3.2)."""
    import keras

    image = keras.Input(settings.input_shape, name="image")
    made = [image]
    names = name_layers(layers, settings.input_shape[2])
    for k, (layer, name) in enumerate(zip(layers, names, strict=True)):
        x = made[k]
        skips = [
            _reshape(made[source], x, f"{name}_skip{source}")
            for source in sorted(layer.inputs - {k})
        ]
        if skips:
            x = keras.layers.Add(name=f"{name}_add")([x, *skips])
        made.append(_convolve(x, layer, name))
    return settings.classify(image, made[-1])


def _convolve(x: Any, layer: Layer, name: str) -> Any:
    import keras

    x = keras.layers.Conv2D(
        layer.filters,
        (layer.height, layer.width),
        layer.stride,
        padding="same",
        use_bias=False,
        kernel_initializer="he_normal",
        name=name,
    )(x)
    x = keras.layers.BatchNormalization(momentum=_MOMENTUM, name=f"{name}_bn")(x)
    return keras.layers.ReLU(name=f"{name}_relu")(x)


def _join(inputs: list[Any], name: str) -> Any:
    """Concatenate; what is smaller is padded with zeros on all sides."""
    import keras

    if len(inputs) == 1:
        return inputs[0]
    height, width = (max(x.shape[axis] for x in inputs) for axis in (1, 2))
    padded = []
    for k, x in enumerate(inputs):
        if (rows := height - x.shape[1]) + (columns := width - x.shape[2]):
            margins = ((rows // 2, rows - rows // 2), (columns // 2, columns - columns // 2))
            x = keras.layers.ZeroPadding2D(margins, name=f"{name}_pad{k}")(x)
        padded.append(x)
    return keras.layers.Concatenate(name=f"{name}_join")(padded)


def _reshape(x: Any, like: Any, name: str) -> Any:
    """Return a tensor as large as another one, which comes after it.

    Pixels are picked; channels are cut off, or padded with zeros.
    """
    import keras

    if x.shape[1:3] != like.shape[1:3]:
        # A stride s makes ceil(n / s) of n pixels, and so does the product of all. Where a
        # product makes m, ceil(n / m), the least that makes m or fewer, makes m as well.
        strides = tuple(-(-x.shape[axis] // like.shape[axis]) for axis in (1, 2))
        x = keras.layers.AveragePooling2D(1, strides, "same", name=f"{name}_pick")(x)
    missing = like.shape[3] - x.shape[3]
    # Of a picture with channels first, the last axis is the width.
    if missing > 0:
        x = keras.layers.ZeroPadding2D(
            ((0, 0), (0, missing)), data_format="channels_first", name=f"{name}_pad"
        )(x)
    elif missing < 0:
        x = keras.layers.Cropping2D(
            ((0, 0), (0, -missing)), data_format="channels_first", name=f"{name}_cut"
        )(x)
    return x
