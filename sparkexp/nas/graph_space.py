"""The space of Real et al. 2017: networks that grow from nothing, one mutation at a time."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from sparkexp.checks import as_int
from sparkexp.errors import SpaceError
from sparkexp.nas.graph_mutations import MUTATIONS, RESET_WEIGHTS, Layers, Limits, connect
from sparkexp.nas.layer_graph import (
    Layer,
    check_options,
    draw_layers,
    find_option,
    read_layer,
    write_layer,
)
from sparkexp.space.architecture import (
    Architecture,
    ArchitectureSpace,
    Choices,
    Decision,
    Mutation,
)
from sparkexp.space.diagram import Diagram

__all__ = ["GraphSpace"]

_NUMBERS = ("height", "width", "filters", "stride")
_EMPTY = "none"


class GraphSpace(ArchitectureSpace):
    """Networks of up to so many convolutions in a row, with skip connections.

    Each layer's input is the one before it, to which skip connections add the outputs of any
    earlier ones, or the image. The shortest network has no convolution.

    The text of an architecture, such as ``'3x3:16 3x5:32/2 3x3:32<0,1'``, has for each layer
    height, width, filters, the stride if it isn't 1, and where its skip connections come from: 0
    is the image, 1 the first layer. That of no layers is ``'none'``.

    A mutation is one of: insert or remove a convolution, alter a stride, the number of channels
    or a filter's size, add or remove a skip connection, nothing at all (the child trains further),
    or nothing but that the weights are reset. The last two make an equal architecture, which the
    searchers pass over: they train none twice. The learning rate, which mutates in the paper as
    well, is a parameter beside the space.

    Parameters
    ----------
    max_layers : int
        The largest number of layers. The paper has no limit.
    sizes : sequence of int
        Heights and widths of filters.
    filters : sequence of int
        Numbers of filters. A mutation goes to the next larger or smaller one.
    strides : sequence of int
        Strides, of height and width alike.

    Examples
    --------
    >>> space = GraphSpace(max_layers=4)
    >>> architecture = space.parse('3x3:16 3x3:32/2<0')
    >>> space.draw_mutation(architecture.choices, np.random.default_rng(2)).name
    'reset weights'

    References
    ----------
    Real, Moore, Selle, Saxena, Suematsu, Tan, Le, Kurakin 2017, Large-Scale Evolution of Image
    Classifiers.
    """

    def __init__(
        self,
        max_layers: int = 8,
        sizes: Sequence[int] = (1, 3, 5, 7),
        filters: Sequence[int] = (8, 16, 32, 64, 128),
        strides: Sequence[int] = (1, 2),
    ) -> None:
        self.limits = Limits(
            as_int("max_layers", max_layers, at_least=1),
            check_options("sizes", sizes),
            check_options("filters", filters),
            check_options("strides", strides),
        )

    def settings(self) -> dict[str, Any]:
        """Return the arguments that construct an equal space."""
        own = self.limits
        return {
            "max_layers": own.max_layers,
            "sizes": list(own.sizes),
            "filters": list(own.filters),
            "strides": list(own.strides),
        }

    @functools.cached_property
    def decisions(self) -> tuple[Decision, ...]:
        """For each layer whether there is one, its numbers, and its skip connections."""
        slots = range(1, self.limits.max_layers + 1)
        return tuple(decision for k in slots for decision in self._decide(k))

    def _decide(self, k: int) -> Iterator[Decision]:
        own = self.limits
        yield Decision(f"{k}.there", ("no", "yes"))
        options = (own.sizes, own.sizes, own.filters, own.strides)
        for name, numbers in zip(_NUMBERS, options, strict=True):
            yield Decision(f"{k}.{name}", numbers)
        for source in range(k - 1):
            yield Decision(f"{k}.from{source}", ("no", "yes"))

    def list_layers(self, choices: Choices) -> Layers:
        """Return the layers that are there, numbered without gaps."""
        found = []
        numbers = {0: 0}
        given = zip(self.decisions, choices, strict=True)
        for slot in range(1, self.limits.max_layers + 1):
            own = {
                decision.name.partition(".")[2]: decision.options[choice]
                for decision, choice in (next(given) for _ in range(len(_NUMBERS) + slot))
            }
            if own["there"] == "yes":
                height, width, filters, stride = (int(own[name]) for name in _NUMBERS)
                inputs = frozenset(s for s in range(slot - 1) if own[f"from{s}"] == "yes")
                found.append(Layer(height, width, filters, stride, inputs))
                numbers[slot] = len(found)
        return connect(found, numbers)

    def _choose(self, layers: Layers) -> Choices:
        """Return the choices of layers: the inverse of `list_layers`."""
        found: list[int] = []
        for k in range(1, self.limits.max_layers + 1):
            if k > len(layers):
                found += [0] * (len(_NUMBERS) + k)
                continue
            layer = layers[k - 1]
            found.append(1)
            for decision in list(self._decide(k))[1 : 1 + len(_NUMBERS)]:
                name = decision.name.partition(".")[2]
                value = vars(layer)[name]
                found.append(find_option(f"{name} of {write_layer(layer)!r}", decision, value))
            found += [int(source in layer.inputs) for source in range(k - 1)]
        return tuple(found)

    def canonical(self, choices: Choices) -> Choices:
        """Return the same choices for the same layers: those that are there come first."""
        return self._choose(self.list_layers(choices))

    def mutate(self, choices: Choices, rng: np.random.Generator) -> Choices:
        """Return the choices of a neighbour, or the same again."""
        return self.draw_mutation(choices, rng).choices

    def draw_mutation(self, choices: Choices, rng: np.random.Generator) -> Mutation:
        """Return a neighbour after one of the mutations that can be done, drawn alike."""
        layers = self.list_layers(choices)
        tried = {name: mutate(layers, self.limits, rng) for name, mutate in MUTATIONS.items()}
        made = [(name, child) for name, child in tried.items() if child is not None]
        name, child = made[int(rng.integers(len(made)))]
        return Mutation(self._choose(child), name, inherits=name != RESET_WEIGHTS)

    def write(self, choices: Choices) -> str:
        """Return the text of an architecture."""
        return " ".join(map(write_layer, self.list_layers(choices))) or _EMPTY

    def read(self, text: str) -> Choices:
        """Return the choices that a text stands for: the inverse of `write`.

        Raises
        ------
        SpaceError
            If it stands for none.
        """
        words = [] if text == _EMPTY else text.split()
        if (text != _EMPTY and not words) or len(words) > self.limits.max_layers:
            raise SpaceError(
                f"An architecture of {self.describe()} is at most {self.limits.max_layers} layers "
                f"with spaces between them, or {_EMPTY!r}, got {text!r}."
            )
        layers = tuple(map(read_layer, words))
        for k, layer in enumerate(layers):
            if not layer.inputs <= set(range(k)):
                raise SpaceError(
                    f"Skip connections to layer {k + 1} come from layers before layer {k}, got "
                    f"{words[k]!r}."
                )
        return self._choose(layers)

    def draw(self, choices: Choices) -> Diagram:
        """Return a picture of the layers."""
        layers = self.list_layers(choices)
        drawn = [replace(layer, inputs=layer.inputs | {k}) for k, layer in enumerate(layers)]
        return Diagram((draw_layers("graph", drawn, [len(layers)]),))

    def build(self, architecture: Architecture, **settings: Any) -> Any:
        """Return a Keras model of an architecture.

        Each layer is a convolution, batch normalisation and ReLU. The layers' names say the
        shapes of their weights, so that `inherit_weights` finds most of them in a child, too.

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
        from sparkexp.nas.layer_network import build_graph
        from sparkexp.nas.network_settings import NetworkSettings

        layers = self.list_layers(architecture.choices)
        return build_graph(layers, NetworkSettings.check(settings))
