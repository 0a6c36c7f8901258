"""The mutations of Real et al. 2017, section 3.2, on layers with skip connections.

A layer's inputs are those besides its predecessor.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np

from sparkexp.nas.layer_graph import Layer

__all__ = ["IDENTITY", "MUTATIONS", "RESET_WEIGHTS", "Layers", "Limits", "connect"]

Layers = tuple[Layer, ...]
IDENTITY = "identity"
RESET_WEIGHTS = "reset weights"
_T = TypeVar("_T")
# Of the paper: a new convolution has filters of 3×3.
_NEW_SIZE = 3


@dataclass(frozen=True)
class Limits:
    """What layers there may be.

    Parameters
    ----------
    max_layers : int
        The largest number of layers.
    sizes, filters, strides : tuple of int
        The options, from the smallest.
    """

    max_layers: int
    sizes: tuple[int, ...]
    filters: tuple[int, ...]
    strides: tuple[int, ...]


def connect(layers: Sequence[Layer], new_numbers: dict[int, int]) -> Layers:
    """Return layers whose inputs have new numbers.

    Inputs without one are left out, and so are those that have become the predecessor.
    """
    return tuple(
        replace(
            layer,
            inputs=frozenset(
                new_numbers[source]
                for source in layer.inputs
                if source in new_numbers and new_numbers[source] < k
            ),
        )
        for k, layer in enumerate(layers)
    )


# Each returns None where it can't be done.


def _keep(layers: Layers, limits: Limits, rng: np.random.Generator) -> Layers | None:
    return layers


def _insert(layers: Layers, limits: Limits, rng: np.random.Generator) -> Layers | None:
    if len(layers) == limits.max_layers:
        return None
    at = int(rng.integers(len(layers) + 1))
    size = min(limits.sizes, key=lambda n: abs(n - _NEW_SIZE))
    filters = layers[at - 1].filters if at else limits.filters[0]
    stride = _pick([n for n in limits.strides if n <= 2] or limits.strides, rng)
    numbers = {k: k + (k > at) for k in range(len(layers) + 1)}
    made = Layer(size, size, filters, stride)
    # The layers are numbered from 1, and connected before the new one is among them.
    after = [replace(n, inputs=frozenset(numbers[s] for s in n.inputs)) for n in layers[at:]]
    return (*layers[:at], made, *after)


def _remove(layers: Layers, limits: Limits, rng: np.random.Generator) -> Layers | None:
    if not layers:
        return None
    at = int(rng.integers(len(layers)))
    numbers = {k: k - (k > at + 1) for k in range(len(layers) + 1) if k != at + 1}
    return connect(layers[:at] + layers[at + 1 :], numbers)


def _alter_stride(layers: Layers, limits: Limits, rng: np.random.Generator) -> Layers | None:
    if not layers or len(limits.strides) < 2:
        return None
    at = int(rng.integers(len(layers)))
    others = [n for n in limits.strides if n != layers[at].stride]
    return _change(layers, at, replace(layers[at], stride=_pick(others, rng)))


def _alter_channels(layers: Layers, limits: Limits, rng: np.random.Generator) -> Layers | None:
    if not layers or len(limits.filters) < 2:
        return None
    at = int(rng.integers(len(layers)))
    filters = _pick(_next_to(layers[at].filters, limits.filters), rng)
    return _change(layers, at, replace(layers[at], filters=filters))


def _alter_size(layers: Layers, limits: Limits, rng: np.random.Generator) -> Layers | None:
    if not layers or len(limits.sizes) < 2:
        return None
    at = int(rng.integers(len(layers)))
    layer = layers[at]
    if rng.random() < 0.5:
        changed = replace(layer, height=_pick(_next_to(layer.height, limits.sizes), rng))
    else:
        changed = replace(layer, width=_pick(_next_to(layer.width, limits.sizes), rng))
    return _change(layers, at, changed)


def _add_skip(layers: Layers, limits: Limits, rng: np.random.Generator) -> Layers | None:
    free = [(k, s) for k, n in enumerate(layers) for s in range(k) if s not in n.inputs]
    if not free:
        return None
    at, source = _pick(free, rng)
    return _change(layers, at, replace(layers[at], inputs=layers[at].inputs | {source}))


def _remove_skip(layers: Layers, limits: Limits, rng: np.random.Generator) -> Layers | None:
    there = [(k, s) for k, n in enumerate(layers) for s in sorted(n.inputs)]
    if not there:
        return None
    at, source = _pick(there, rng)
    return _change(layers, at, replace(layers[at], inputs=layers[at].inputs - {source}))


def _pick(options: Sequence[_T], rng: np.random.Generator) -> _T:
    return options[int(rng.integers(len(options)))]


def _next_to(value: int, options: Sequence[int]) -> list[int]:
    k = options.index(value)
    return [options[j] for j in (k - 1, k + 1) if 0 <= j < len(options)]


def _change(layers: Layers, at: int, layer: Layer) -> Layers:
    return (*layers[:at], layer, *layers[at + 1 :])


_Mutate = Callable[[Layers, Limits, np.random.Generator], Layers | None]

#: What each mutation makes of layers, by its name; None where it can't be done.
MUTATIONS: dict[str, _Mutate] = {
    "insert convolution": _insert,
    "remove convolution": _remove,
    "alter stride": _alter_stride,
    "alter channels": _alter_channels,
    "alter filter size": _alter_size,
    "add skip": _add_skip,
    "remove skip": _remove_skip,
    RESET_WEIGHTS: _keep,
    IDENTITY: _keep,
}
