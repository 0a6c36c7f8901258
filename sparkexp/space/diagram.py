"""Pictures of architectures: boxes, and arrows between them, as SVG and PNG."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal
from xml.sax.saxutils import escape

from sparkexp.space.diagram_layout import Arrow, Layout, Point, lay_out

if TYPE_CHECKING:
    from PIL import ImageDraw

__all__ = ["Arrow", "Box", "Diagram", "Graph", "Kind", "Part"]

Kind = Literal["input", "convolution", "pooling", "identity", "output"]

_FILLS: dict[Kind, str] = {
    "input": "#e4e6ea",
    "convolution": "#d3e3fd",
    "pooling": "#d5efdb",
    "identity": "#fdf1cf",
    "output": "#e4e6ea",
}
_INK, _LINE, _RIM = "#202124", "#5f6368", "#9aa0a6"
_FONT_PX = 13
_TITLE_PX = 15
_BOX_HEIGHT = 26.0
# Between two graphs, around them, and below a title.
_GAP, _MARGIN, _TITLE_ROOM = 48.0, 16.0, 32.0
_PER_LETTER, _PADDING = 7.3, 9.0
_ARROW = 4.0
_CURVE_POINTS = 12


@dataclass(frozen=True)
class Part:
    """A part of a box.

    Parameters
    ----------
    text : str
        Its text.
    kind : str
        What it stands for: ``'input'``, ``'convolution'``, ``'pooling'``, ``'identity'`` or
        ``'output'``. It gives the colour.
    """

    text: str
    kind: Kind = "convolution"

    @property
    def width(self) -> float:
        """Its width in pixels."""
        return max(34.0, _PER_LETTER * len(self.text) + 2 * _PADDING)


@dataclass(frozen=True)
class Box:
    """A box of one or several parts, side by side.

    Parameters
    ----------
    parts : tuple of Part
        Its parts.
    """

    parts: tuple[Part, ...]

    @property
    def width(self) -> float:
        """Its width in pixels."""
        return sum(part.width for part in self.parts)

    def middle(self, part: int) -> float:
        """Return where a part's middle is, from 0 (left) to 1 (right)."""
        before = sum(p.width for p in self.parts[:part])
        return (before + self.parts[part].width / 2) / self.width


@dataclass(frozen=True)
class Graph:
    """Boxes and arrows.

    Parameters
    ----------
    title : str
        What stands above it.
    boxes : tuple of Box
        The boxes.
    arrows : tuple of Arrow
        The arrows, each from a box to a later one.
    """

    title: str
    boxes: tuple[Box, ...]
    arrows: tuple[Arrow, ...]

    def lay_out(self) -> Layout:
        """Return where everything stands."""
        return lay_out([box.width for box in self.boxes], _BOX_HEIGHT, self.arrows)


@dataclass(frozen=True)
class _Rectangle:
    corner: Point
    size: Point
    fill: str


@dataclass(frozen=True)
class _Text:
    middle: Point
    text: str
    size_px: int


@dataclass(frozen=True)
class _Curve:
    """Vertical where it begins and ends, and at all points between."""

    points: tuple[Point, ...]


_Shape = _Rectangle | _Text | _Curve


@dataclass(frozen=True)
class Diagram:
    """A picture of graphs.

    Parameters
    ----------
    graphs : tuple of Graph
        The graphs.

    Examples
    --------
    >>> boxes = Box((Part('image', 'input'),)), Box((Part('conv3'),))
    >>> Diagram((Graph('network', boxes, (Arrow(0, 1),)),)).to_svg()[:4]
    '<svg'
    """

    graphs: tuple[Graph, ...]

    def to_svg(self, stacked: bool = False) -> str:
        """Return the picture as SVG, the graphs side by side or one below the other."""
        shapes, (width, height) = self._compose(stacked)
        drawn = "".join(map(_write_shape, shapes))
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height:.0f}" '
            f'viewBox="0 0 {width:.0f} {height:.0f}" font-family="sans-serif" '
            f'text-anchor="middle"><rect width="100%" height="100%" fill="white"/>{drawn}</svg>'
        )

    def to_png(self, stacked: bool = True, scale: int = 2) -> bytes:
        """Return the picture as PNG, so many times as large; it takes Pillow.

        TensorBoard shows pictures in narrow cards: there graphs are legible one below the other.
        """
        from PIL import Image, ImageDraw

        shapes, size = self._compose(stacked)
        fine = 2 * scale  # drawn larger and shrunk, which smooths the edges
        width, height = (round(fine * n / 2) * 2 for n in size)
        image = Image.new("RGB", (width, height), "white")
        pen: ImageDraw.ImageDraw = ImageDraw.Draw(image)
        for shape in shapes:
            _draw_shape(pen, shape, fine)
        buffer = io.BytesIO()
        image.reduce(2).quantize(64, Image.Quantize.MEDIANCUT).save(buffer, "PNG")
        return buffer.getvalue()

    def _compose(self, stacked: bool) -> tuple[list[_Shape], Point]:
        layouts = [graph.lay_out() for graph in self.graphs]
        # A title may be wider than what it stands above.
        widths = [
            max(layout.width, 1.2 * _PER_LETTER * len(graph.title))
            for graph, layout in zip(self.graphs, layouts, strict=True)
        ]
        widest = max(widths, default=0.0)
        shapes: list[_Shape] = []
        left = top = _MARGIN
        right = bottom = 0.0
        for graph, layout, own in zip(self.graphs, layouts, widths, strict=True):
            width = widest if stacked else own
            shapes.append(_Text((left + width / 2, top + _TITLE_PX / 2), graph.title, _TITLE_PX))
            corner = (left + (width - layout.width) / 2, top + _TITLE_ROOM)
            shapes += _compose_graph(graph, layout, corner)
            right = max(right, left + width)
            bottom = max(bottom, corner[1] + layout.height)
            if stacked:
                top = bottom + _GAP / 2
            else:
                left = right + _GAP
        return shapes, (right + _MARGIN, bottom + _MARGIN)


def _compose_graph(graph: Graph, layout: Layout, corner: Point) -> Iterator[_Shape]:
    x0, y0 = corner
    for path in layout.paths:
        yield _Curve(tuple((x0 + x, y0 + y) for x, y in path))
    for box, (x, y) in zip(graph.boxes, layout.corners, strict=True):
        for part in box.parts:
            yield _Rectangle((x0 + x, y0 + y), (part.width, _BOX_HEIGHT), _FILLS[part.kind])
            middle = (x0 + x + part.width / 2, y0 + y + _BOX_HEIGHT / 2)
            yield _Text(middle, part.text, _FONT_PX)
            x += part.width


def _write_shape(shape: _Shape) -> str:
    match shape:
        case _Rectangle((x, y), (width, height), fill):
            return (
                f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" '
                f'fill="{fill}" stroke="{_RIM}"/>'
            )
        case _Text((x, y), text, size):
            return (
                f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" fill="{_INK}" '
                f'dominant-baseline="central">{escape(text)}</text>'
            )
        case _Curve(points):
            (x, y), *rest = points
            path = f"M{x:.1f} {y:.1f}"
            for u, v in rest:
                middle = (y + v) / 2
                path += f"C{x:.1f} {middle:.1f} {u:.1f} {middle:.1f} {u:.1f} {v:.1f}"
                x, y = u, v
            head = " ".join(f"{u:.1f},{v:.1f}" for u, v in _arrow_head(points[-1]))
            return (
                f'<path d="{path}" fill="none" stroke="{_LINE}" stroke-width="1.3"/>'
                f'<polygon points="{head}" fill="{_LINE}"/>'
            )


def _draw_shape(pen: Any, shape: _Shape, scale: int) -> None:
    from PIL import ImageFont

    def grow(*points: Point) -> list[Point]:
        return [(scale * x, scale * y) for x, y in points]

    match shape:
        case _Rectangle((x, y), (width, height), fill):
            pen.rectangle(grow((x, y), (x + width, y + height)), fill, _RIM, scale)
        case _Text(middle, text, size):
            font = ImageFont.load_default(scale * size)
            pen.text(grow(middle)[0], text, _INK, font, "mm")
        case _Curve(points):
            pen.line(grow(*_trace(points)), _LINE, round(1.3 * scale), "curve")
            pen.polygon(grow(*_arrow_head(points[-1])), _LINE)


def _arrow_head(tip: Point) -> tuple[Point, Point, Point]:
    x, y = tip
    return tip, (x - _ARROW, y - 2 * _ARROW), (x + _ARROW, y - 2 * _ARROW)


def _trace(points: tuple[Point, ...]) -> Iterator[Point]:
    """Yield points of the curve that SVG draws."""
    yield points[0]
    for (x, y), (u, v) in zip(points, points[1:], strict=False):
        for k in range(1, _CURVE_POINTS + 1):
            t = k / _CURVE_POINTS
            across = t * t * (3 - 2 * t)
            # The middle control points are half-way down.
            down = 1.5 * t * (1 - t) + t**3
            yield x + across * (u - x), y + down * (v - y)
