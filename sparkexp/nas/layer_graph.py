"""Convolutions in a row with connections between them: what chains and graphs share."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from sparkexp.errors import SpaceError
from sparkexp.space.architecture import Decision
from sparkexp.space.diagram import Arrow, Box, Graph, Part

__all__ = [
    "Layer",
    "check_options",
    "draw_layers",
    "find_option",
    "name_layers",
    "read_layer",
    "write_layer",
]

_LAYER = re.compile(r"(\d{1,6})x(\d{1,6}):(\d{1,6})(?:/(\d{1,6}))?(?:<(\d{1,6}(?:,\d{1,6})*))?")


@dataclass(frozen=True)
class Layer:
    """A convolution.

    Parameters
    ----------
    height, width : int
        Of its filters.
    filters : int
        Their number.
    stride : int
        Of height and width.
    inputs : frozenset of int
        The numbers of the layers that it is connected to; 0 is the image, 1 the first layer.
    """

    height: int
    width: int
    filters: int
    stride: int = 1
    inputs: frozenset[int] = frozenset()


def write_layer(layer: Layer) -> str:
    """Return a layer's text.

    Examples
    --------
    >>> write_layer(Layer(3, 5, 32, 2, frozenset({1, 0})))
    '3x5:32/2<0,1'
    """
    stride = f"/{layer.stride}" if layer.stride > 1 else ""
    inputs = f"<{','.join(map(str, sorted(layer.inputs)))}" if layer.inputs else ""
    return f"{layer.height}x{layer.width}:{layer.filters}{stride}{inputs}"


def read_layer(word: str) -> Layer:
    """Return the layer that a text stands for: the inverse of `write_layer`.

    Raises
    ------
    SpaceError
        If it stands for none.
    """
    found = _LAYER.fullmatch(word)
    if found is None:
        raise SpaceError(
            "A layer is written such as '3x5:32/2<0,1' (filters of 3×5, 32 of them, stride 2, "
            f"connected to the image and layer 1), got {word!r}."
        )
    height, width, filters, stride = (int(n or 1) for n in found.groups()[:4])
    inputs = frozenset(map(int, (found[5] or "").split(","))) if found[5] else frozenset[int]()
    return Layer(height, width, filters, stride, inputs)


def check_options(name: str, options: Sequence[int]) -> tuple[int, ...]:
    """Return the options of a decision, in order.

    Raises
    ------
    SpaceError
        If they are no different whole numbers above 0.
    """
    found = tuple(sorted(options)) if isinstance(options, (tuple, list)) else ()
    if not found or len(set(found)) < len(found) or any(type(n) is not int for n in found):
        raise SpaceError(
            f"{name} is a list of different whole numbers, got {options!r}: give for example "
            f"{name}=[1, 3]."
        )
    if found[0] < 1:
        raise SpaceError(f"The numbers in {name} are at least 1, got {found[0]}.")
    return found


def find_option(what: str, decision: Decision, value: int) -> int:
    """Return the index of a decision's option.

    Raises
    ------
    SpaceError
        If it is none.
    """
    if value not in decision.options:
        raise SpaceError(
            f"{what} must be one of {', '.join(map(str, decision.options))}, got {value}."
        )
    return decision.options.index(value)


def name_layers(layers: Sequence[Layer], channels: int) -> list[str]:
    """Return a name for each layer of a chain in which each has its predecessor's channels.

    A name says the shape of the weights, and which of those of this shape it is. So most layers
    keep theirs if one is inserted or removed before them, and can inherit their weights.

    Examples
    --------
    >>> name_layers([Layer(3, 3, 16), Layer(3, 3, 16), Layer(3, 3, 16)], 1)
    ['conv3x3_1_16', 'conv3x3_16_16', 'conv3x3_16_16_2']
    """
    names: list[str] = []
    seen: dict[str, int] = {}
    for layer in layers:
        name = f"conv{layer.height}x{layer.width}_{channels}_{layer.filters}"
        seen[name] = seen.get(name, 0) + 1
        names.append(name if seen[name] == 1 else f"{name}_{seen[name]}")
        channels = layer.filters
    return names


def draw_layers(title: str, layers: Sequence[Layer], outputs: Sequence[int]) -> Graph:
    """Return a picture of layers, of which some lead to the output."""
    boxes = [Box((Part("image", "input"),))]
    arrows = []
    for target, layer in enumerate(layers, 1):
        stride = f" /{layer.stride}" if layer.stride > 1 else ""
        boxes.append(Box((Part(f"{layer.height}x{layer.width}, {layer.filters}{stride}"),)))
        arrows += [Arrow(source, target) for source in sorted(layer.inputs)]
    arrows += [Arrow(source, len(boxes)) for source in outputs]
    boxes.append(Box((Part("output", "output"),)))
    return Graph(title, tuple(boxes), tuple(arrows))
