"""Pictures of architectures."""

from __future__ import annotations

import io
import re
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest
from PIL import Image

from sparkexp.nas import (
    NASNET_A,
    ArchitectureSpace,
    Arrow,
    Box,
    CellSpace,
    ChainSpace,
    Decision,
    Diagram,
    Graph,
    GraphSpace,
    Mutation,
    Part,
)
from sparkexp.space.diagram_layout import lay_out

SPACES = [CellSpace(), ChainSpace(8), GraphSpace(8)]


def draw_some():
    rng = np.random.default_rng(0)
    drawn = [space.random(rng) for space in SPACES for _ in range(5)]
    return [NASNET_A, GraphSpace().parse("none"), *drawn]


@pytest.mark.parametrize("architecture", draw_some(), ids=str)
def test_boxes_stand_apart_and_arrows_lead_down(architecture):
    for graph in architecture.space.draw(architecture.choices).graphs:
        layout = graph.lay_out()
        boxes = list(zip(layout.corners, graph.boxes, strict=True))
        for k, ((x, y), box) in enumerate(boxes):
            assert x > -0.01 and x + box.width < layout.width + 0.01 and y >= 0
            for (u, v), other in boxes[:k]:
                assert y != v or x >= u + other.width + 10 or u >= x + box.width + 10
        for arrow, path in zip(graph.arrows, layout.paths, strict=True):
            (x, y), (u, v) = path[0], path[-1]
            left, _ = layout.corners[arrow.source]
            assert x == pytest.approx(left + graph.boxes[arrow.source].width / 2)
            left, top = layout.corners[arrow.target]
            assert u == pytest.approx(left + arrow.place * graph.boxes[arrow.target].width)
            assert v == top
            assert all(a[1] < b[1] for a, b in zip(path, path[1:], strict=False))


def test_arrows_pass_beside_boxes():
    """The one from the first box to the last has a place of its own in each row."""
    arrows = [Arrow(0, 1), Arrow(1, 2), Arrow(2, 3), Arrow(0, 3)]
    layout = lay_out([50.0] * 4, 20.0, arrows)
    passed = layout.paths[3][1:-1]
    assert len(passed) == 4
    for x, y in passed:
        for left, top in layout.corners:
            assert not (left <= x <= left + 50 and top <= y <= top + 20)


def test_svg_has_all_texts():
    svg = NASNET_A.space.draw_svg(NASNET_A.choices)
    assert svg is not None
    root = ElementTree.fromstring(svg)
    texts = [e.text for e in root.iter() if e.tag.endswith("text")]
    assert texts.count("sep5") == 4 and "normal cell" in texts and "reduction cell" in texts
    assert len(re.findall("<polygon", svg)) == 2 * 10 + 6 + 4


def test_texts_are_escaped():
    graph = Graph("<a & b>", (Box((Part("x < y"),)),), ())
    root = ElementTree.fromstring(Diagram((graph,)).to_svg())
    assert {"<a & b>", "x < y"} <= {e.text for e in root.iter()}


def test_png_is_the_same_picture():
    diagram = NASNET_A.space.draw(NASNET_A.choices)
    svg = ElementTree.fromstring(diagram.to_svg(stacked=True))
    image = Image.open(io.BytesIO(diagram.to_png()))
    size = (2 * float(svg.get("width")), 2 * float(svg.get("height")))
    assert image.size == pytest.approx(size, abs=2)
    side_by_side = Image.open(io.BytesIO(diagram.to_png(stacked=False)))
    assert side_by_side.width > image.width and side_by_side.height < image.height
    colours = {colour for _, colour in image.convert("RGB").getcolors()}
    assert len(colours) > 10 and (255, 255, 255) in colours


class Widths(ArchitectureSpace):
    """A space that draws and mutates nothing of its own."""

    decisions = (Decision("width", (16, 32)),)

    def build(self, architecture, **settings):
        return architecture.options["width"]


def test_a_space_need_not_draw():
    space = Widths()
    assert space.draw((0,)) is None and space.draw_svg((0,)) is None
    assert space.draw_mutation((0,), np.random.default_rng(0)) == Mutation((1,), "", inherits=True)


def test_a_space_of_ones_own_draws():
    class Drawn(Widths):
        def draw(self, choices):
            boxes = (Box((Part("image", "input"),)), Box((Part("dense"),)))
            return Diagram((Graph("mine", boxes, (Arrow(0, 1),)),))

    svg = Drawn().draw_svg((1,))
    assert svg is not None and "dense" in svg
