"""The space of Zoph & Le 2017: convolutions, each with any earlier ones as its inputs."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from sparkexp.checks import as_int
from sparkexp.errors import SpaceError
from sparkexp.nas.isomorphism import Node, canonical_order
from sparkexp.nas.layer_graph import (
    Layer,
    check_options,
    draw_layers,
    find_option,
    read_layer,
    write_layer,
)
from sparkexp.space.architecture import Architecture, ArchitectureSpace, Choices, Decision
from sparkexp.space.diagram import Diagram

__all__ = ["ChainSpace"]

# Height, width, filters and stride of a layer; then whether each earlier layer is an input.
_NUMBERS = 4


class ChainSpace(ArchitectureSpace):
    """Networks of a fixed number of convolutions, with skip connections.

    Each layer chooses the height and width of its filters, their number, its stride, and which of
    the earlier layers are its inputs. A layer without any has the image. Several inputs are
    concatenated; the smaller ones are padded with zeros to the size of the largest. All layers
    that are no layer's input are concatenated for the classification.

    The text of an architecture, such as ``'3x3:24 5x3:36/2<1 3x3:24<1,2'``, has for each layer
    height, width, filters, the stride if it isn't 1, and the numbers of its inputs, from 1.
    Architectures whose layers are only numbered differently are one.

    Parameters
    ----------
    layers : int
        The number of layers.
    heights, widths : sequence of int
        Heights and widths of filters.
    filters : sequence of int
        Numbers of filters.
    strides : sequence of int
        Strides, of height and width alike. The paper's best networks have no choice here, or 1, 2
        and 3.

    Examples
    --------
    >>> space = ChainSpace(layers=3)
    >>> str(space.parse('3x3:24 5x3:36/2<1 3x3:24<2,1'))
    '3x3:24 5x3:36/2<1 3x3:24<1,2'

    References
    ----------
    Zoph, Le 2017, Neural Architecture Search with Reinforcement Learning.
    """

    def __init__(
        self,
        layers: int = 6,
        heights: Sequence[int] = (1, 3, 5, 7),
        widths: Sequence[int] = (1, 3, 5, 7),
        filters: Sequence[int] = (24, 36, 48, 64),
        strides: Sequence[int] = (1, 2),
    ) -> None:
        self.layers = as_int("layers", layers, at_least=1)
        self.heights = check_options("heights", heights)
        self.widths = check_options("widths", widths)
        self.filters = check_options("filters", filters)
        self.strides = check_options("strides", strides)

    def settings(self) -> dict[str, Any]:
        """Return the arguments that construct an equal space."""
        found: dict[str, Any] = {"layers": self.layers}
        for name in ("heights", "widths", "filters", "strides"):
            found[name] = list(vars(self)[name])
        return found

    @functools.cached_property
    def decisions(self) -> tuple[Decision, ...]:
        """For each layer height, width, filters, stride, and the earlier layers."""
        return tuple(decision for k in range(1, self.layers + 1) for decision in self._decide(k))

    def _decide(self, k: int) -> Iterator[Decision]:
        yield Decision(f"{k}.height", self.heights)
        yield Decision(f"{k}.width", self.widths)
        yield Decision(f"{k}.filters", self.filters)
        yield Decision(f"{k}.stride", self.strides)
        for source in range(1, k):
            yield Decision(f"{k}.from{source}", ("no", "yes"))

    def list_layers(self, choices: Choices) -> list[Layer]:
        """Return the layers; one without an input has the image, 0."""
        found = []
        for first, own in zip(self._firsts, self._split(choices), strict=True):
            height, width, filters, stride = (
                int(self.decisions[first + k].options[own[k]]) for k in range(_NUMBERS)
            )
            sources = frozenset(k for k, chosen in enumerate(own[_NUMBERS:], 1) if chosen)
            found.append(Layer(height, width, filters, stride, sources or frozenset({0})))
        return found

    @functools.cached_property
    def _firsts(self) -> list[int]:
        # Layer k has k - 1 decisions more than the first one.
        return [k * _NUMBERS + k * (k - 1) // 2 for k in range(self.layers)]

    def _split(self, choices: Choices) -> Iterator[Choices]:
        for k, first in enumerate(self._firsts):
            yield choices[first : first + _NUMBERS + k]

    def canonical(self, choices: Choices) -> Choices:
        """Return the same choices for all numberings of the same layers."""
        split = list(self._split(choices))
        sources = [[k for k, chosen in enumerate(own[_NUMBERS:], 1) if chosen] for own in split]
        nodes = [
            Node(own[:_NUMBERS], tuple((source, 0) for source in from_) or ((0, 0),))
            for own, from_ in zip(split, sources, strict=True)
        ]
        order = canonical_order(1, nodes)
        new = {old: k for k, old in enumerate(order, 1)}
        found: list[int] = []
        for k, old in enumerate(order):
            inputs = {new[source] for source in sources[old - 1]}
            found += split[old - 1][:_NUMBERS]
            found += [int(source in inputs) for source in range(1, k + 1)]
        return tuple(found)

    def write(self, choices: Choices) -> str:
        """Return the text of an architecture."""
        layers = (replace(n, inputs=n.inputs - {0}) for n in self.list_layers(choices))
        return " ".join(map(write_layer, layers))

    def read(self, text: str) -> Choices:
        """Return the choices that a text stands for: the inverse of `write`.

        Raises
        ------
        SpaceError
            If it stands for none.
        """
        words = text.split()
        if len(words) != self.layers:
            raise SpaceError(
                f"An architecture of {self.describe()} is {self.layers} layers with spaces "
                f"between them, got {text!r}."
            )
        return tuple(k for at, word in enumerate(words) for k in self._read(at, word))

    def _read(self, at: int, word: str) -> Iterator[int]:
        layer = read_layer(word)
        numbers = (layer.height, layer.width, layer.filters, layer.stride)
        for k, number in enumerate(numbers):
            decision = self.decisions[self._firsts[at] + k]
            yield find_option(f"{decision.name} of {word!r}", decision, number)
        if not layer.inputs <= set(range(1, at + 1)):
            raise SpaceError(f"Layer {at + 1} has only earlier layers as inputs, got {word!r}.")
        yield from (int(source in layer.inputs) for source in range(1, at + 1))

    def draw(self, choices: Choices) -> Diagram:
        """Return a picture of the layers."""
        layers = self.list_layers(choices)
        return Diagram((draw_layers("chain", layers, _find_unused(layers)),))

    def build(self, architecture: Architecture, **settings: Any) -> Any:
        """Return a Keras model of an architecture.

        Each layer is a convolution, batch normalisation and ReLU.

        Parameters
        ----------
        architecture : Architecture
            The architecture.
        input_shape : tuple of int
            The images' height, width and channels.
        classes : int
            The number of classes.
        classifier_activation : str, optional
            The last layer's activation, by default ``'softmax'``; None for logits.
        name : str, default 'network'
            The model's name.

        Returns
        -------
        keras.Model
            Not compiled.

        Raises
        ------
        InvalidArgumentError
            If an argument is unknown, missing, or out of its range.
        """
        from sparkexp.nas.layer_network import build_chain
        from sparkexp.nas.network_settings import NetworkSettings

        layers = self.list_layers(architecture.choices)
        return build_chain(layers, _find_unused(layers), NetworkSettings.check(settings))


def _find_unused(layers: Sequence[Layer]) -> list[int]:
    """Return the numbers of the layers that are no layer's input."""
    used = {source for layer in layers for source in layer.inputs}
    return [k for k in range(1, len(layers) + 1) if k not in used]
