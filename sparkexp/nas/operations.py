"""The operations of NASNet's cells (Zoph et al. 2018), by name, and their Keras layers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sparkexp.space.diagram import Kind

__all__ = [
    "KINDS",
    "OPERATIONS",
    "Normalisation",
    "State",
    "apply_operation",
    "convolve",
    "fit_state",
]


@dataclass(frozen=True)
class Normalisation:
    """The settings of all batch normalisations of a network.

    Parameters
    ----------
    momentum : float
        How much of the moving averages a step keeps.
    epsilon : float
        What is added to the variance.
    """

    momentum: float
    epsilon: float

    def apply(self, x: Any, name: str) -> Any:
        """Return the normalised tensor."""
        import keras

        layer = keras.layers.BatchNormalization(
            momentum=self.momentum, epsilon=self.epsilon, name=name
        )
        return layer(x)


@dataclass(frozen=True)
class State:
    """A tensor on its way through a network.

    Parameters
    ----------
    tensor : keras.KerasTensor
        The tensor, of shape ``(batch, height, width, filters)``.
    filters : int
        Its last dimension.
    halvings : int
        How often its height and width were halved since the image.
    """

    tensor: Any
    filters: int
    halvings: int


def convolve(x: Any, layer: Any, norm: Normalisation) -> Any:
    """Return a tensor after ReLU, a convolution without bias, and batch normalisation."""
    import keras

    x = keras.layers.ReLU(name=f"{layer.name}_relu")(x)
    return norm.apply(layer(x), f"{layer.name}_bn")


def _conv(filters: int, size: tuple[int, int], strides: tuple[int, int], name: str) -> Any:
    import keras

    return keras.layers.Conv2D(
        filters,
        size,
        strides,
        padding="same",
        use_bias=False,
        kernel_initializer="he_normal",
        name=name,
    )


def _identity(x: State, filters: int, stride: int, norm: Normalisation, name: str) -> Any:
    if stride == 1 and x.filters == filters:
        return x.tensor
    return _apply_conv(1)(x, filters, stride, norm, name)


def _apply_conv(size: int) -> _Apply:
    def apply(x: State, filters: int, stride: int, norm: Normalisation, name: str) -> Any:
        return convolve(x.tensor, _conv(filters, (size, size), (stride, stride), name), norm)

    return apply


def _apply_factors(size: int) -> _Apply:
    """1×n, then n×1: each halves one of the two dimensions."""

    def apply(x: State, filters: int, stride: int, norm: Normalisation, name: str) -> Any:
        wide = _conv(filters, (1, size), (1, stride), f"{name}_wide")
        high = _conv(filters, (size, 1), (stride, 1), f"{name}_high")
        return convolve(convolve(x.tensor, wide, norm), high, norm)

    return apply


def _apply_separable(size: int) -> _Apply:
    """A separable convolution, twice; the first one has the stride."""

    def apply(x: State, filters: int, stride: int, norm: Normalisation, name: str) -> Any:
        import keras

        y = x.tensor
        for k, step in enumerate((stride, 1)):
            layer = keras.layers.SeparableConv2D(
                filters, size, step, padding="same", use_bias=False, name=f"{name}_{k + 1}"
            )
            y = convolve(y, layer, norm)
        return y

    return apply


def _dilated(x: State, filters: int, stride: int, norm: Normalisation, name: str) -> Any:
    """A separable convolution with a dilation of 2, once."""
    import keras

    y = keras.layers.ReLU(name=f"{name}_relu")(x.tensor)
    y = keras.layers.SeparableConv2D(
        filters, 3, dilation_rate=2, padding="same", use_bias=False, name=name
    )(y)
    if stride > 1:
        # Keras has no convolution with both a stride and a dilation.
        y = keras.layers.AveragePooling2D(1, stride, "same", name=f"{name}_stride")(y)
    return norm.apply(y, f"{name}_bn")


def _apply_pooling(kind: str, size: int) -> _Apply:
    def apply(x: State, filters: int, stride: int, norm: Normalisation, name: str) -> Any:
        import keras

        layers = {"avg": keras.layers.AveragePooling2D, "max": keras.layers.MaxPooling2D}
        y = layers[kind](size, stride, "same", name=name)(x.tensor)
        if x.filters == filters:
            return y
        y = _conv(filters, (1, 1), (1, 1), f"{name}_project")(y)
        return norm.apply(y, f"{name}_project_bn")

    return apply


_Apply = Callable[[State, int, int, Normalisation, str], Any]

_APPLY: dict[str, _Apply] = {
    "identity": _identity,
    "conv1x3_3x1": _apply_factors(3),
    "conv1x7_7x1": _apply_factors(7),
    "dilated3": _dilated,
    "avg3": _apply_pooling("avg", 3),
    "max3": _apply_pooling("max", 3),
    "max5": _apply_pooling("max", 5),
    "max7": _apply_pooling("max", 7),
    "conv1": _apply_conv(1),
    "conv3": _apply_conv(3),
    "sep3": _apply_separable(3),
    "sep5": _apply_separable(5),
    "sep7": _apply_separable(7),
}

#: The 13 operations that NASNet was searched with (Zoph et al. 2018, section 3).
OPERATIONS = tuple(_APPLY)

#: What each of them is, for pictures.
KINDS: dict[str, Kind] = {
    op: "pooling" if op.startswith(("avg", "max")) else "convolution" for op in OPERATIONS
} | {"identity": "identity"}


def apply_operation(
    op: str, x: State, filters: int, stride: int, norm: Normalisation, name: str
) -> State:
    """Return a state after an operation, with so many filters.

    Parameters
    ----------
    op : str
        One of `OPERATIONS`.
    x : State
        What it is applied to.
    filters : int
        Of the result.
    stride : int
        1, or 2 to halve height and width.
    norm : Normalisation
        For the batch normalisations.
    name : str
        What the layers' names begin with.
    """
    tensor = _APPLY[op](x, filters, stride, norm, f"{name}_{op}")
    return State(tensor, filters, x.halvings + (stride == 2))


def fit_state(x: State, filters: int, halvings: int, norm: Normalisation, name: str) -> State:
    """Return a state with so many filters, and half as high and wide if it must be.

    Halving loses nothing (factorised reduction): one 1×1 convolution sees the pixels at even
    places, another one those at odd places.
    """
    import keras

    if x.halvings == halvings and x.filters == filters:
        return x
    if x.halvings == halvings:
        y = convolve(x.tensor, _conv(filters, (1, 1), (1, 1), f"{name}_project"), norm)
        return State(y, filters, halvings)
    y = keras.layers.ReLU(name=f"{name}_relu")(x.tensor)
    shifted = keras.layers.ZeroPadding2D(((0, 1), (0, 1)), name=f"{name}_odd_pad")(y)
    shifted = keras.layers.Cropping2D(((1, 0), (1, 0)), name=f"{name}_odd_crop")(shifted)
    halves = []
    half = filters // 2
    for place, z, n in (("even", y, half), ("odd", shifted, filters - half)):
        if n > 0:
            z = keras.layers.AveragePooling2D(1, 2, name=f"{name}_{place}_pick")(z)
            halves.append(_conv(n, (1, 1), (1, 1), f"{name}_{place}")(z))
    z = keras.layers.Concatenate(name=f"{name}_join")(halves) if len(halves) > 1 else halves[0]
    return State(norm.apply(z, f"{name}_bn"), filters, halvings)
