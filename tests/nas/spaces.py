"""A space of a user's own, for the tests."""

from __future__ import annotations

from sparkexp import nas
from sparkexp.space.diagram import Arrow, Box, Diagram, Graph, Part


class Stack(nas.ArchitectureSpace):
    """Up to some layers; those after an empty one don't matter."""

    def __init__(self, layers: int = 3) -> None:
        self.layers = layers

    @property
    def decisions(self):
        return [nas.Decision(f"layer{k}", ("none", "conv3", "conv5")) for k in range(self.layers)]

    def settings(self):
        return {"layers": self.layers}

    def canonical(self, choices):
        n = choices.index(0) if 0 in choices else len(choices)
        return choices[:n] + (0,) * (len(choices) - n)

    def draw(self, choices):
        names = [str(d.options[k]) for d, k in zip(self.decisions, choices, strict=True) if k]
        boxes = [Box((Part("image", "input"),)), *(Box((Part(name),)) for name in names)]
        arrows = tuple(Arrow(k, k + 1) for k in range(len(names)))
        return Diagram((Graph("layers", tuple(boxes), arrows),))

    def build(self, architecture, **settings):
        return [option for option in architecture.options.values() if option != "none"]


def train(architecture, learning_rate=0.0, epochs=1):
    """Prefer large convolutions; it fails if it is given a text."""
    return architecture.build().count("conv5") - learning_rate + epochs / 100
