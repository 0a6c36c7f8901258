"""Pictures for TensorBoard, drawn with Pillow, which TensorBoard brings along.

One panel and large type, as they are looked at in cards of 400 pixels; 20 ms each.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sparkexp.analysis.axes import Axis, number_text, round_ticks, shortened
from sparkexp.analysis.generations import Generation
from sparkexp.analysis.specs import Interval
from sparkexp.trial import TrialResult

if TYPE_CHECKING:
    from PIL import ImageDraw

__all__ = ["SIZE_PX", "Picture", "colour", "draw_importance", "draw_population", "draw_scatter"]

SIZE_PX = (640, 460)
_SCALE = 2  # drawn larger and shrunk, which smooths the edges
_FONT_PX = 25
_TITLE_PX = 27
MAX_DOTS = 2000
_LEFT, _TOP, _RIGHT, _BOTTOM = 110, 76, 128, 80
_INK, _GRID, _FAINT = "#202124", "#e4e6ea", "#9aa0a6"
# Dark blue over green to yellow: even in lightness, told apart by the colour-blind too.
_COLOURS = ((68, 1, 84), (59, 82, 139), (33, 145, 140), (94, 201, 98), (253, 231, 37))
_Point = tuple[float, float]


@dataclass(frozen=True)
class Picture:
    """A PNG picture of `SIZE_PX`."""

    png: bytes


class _Panel:
    """A plot area whose coordinates run from 0 to 1."""

    def __init__(self, title: str, x_title: str, y_title: str, left: int = _LEFT) -> None:
        from PIL import Image, ImageDraw

        width, height = (_SCALE * n for n in SIZE_PX)
        self._image = Image.new("RGB", (width, height), "white")
        self._draw: ImageDraw.ImageDraw = ImageDraw.Draw(self._image)
        self._area = (left, _TOP, SIZE_PX[0] - _RIGHT, SIZE_PX[1] - _BOTTOM)
        self.text((SIZE_PX[0] / 2, 20), title, "mm", _TITLE_PX)
        x0, y0, x1, y1 = self._area
        self.text(((x0 + x1) / 2, SIZE_PX[1] - 20), x_title, "mm")
        self.text((8, 50), y_title, "lm")

    def ticks(self, x: Sequence[tuple[float, str]], y: Sequence[tuple[float, str]]) -> None:
        x0, y0, x1, y1 = self._area
        for u, label in x:
            left = x0 + u * (x1 - x0)
            self._segment((left, y0), (left, y1), _GRID, 1)
            self.text((left, y1 + 22), label, "mm")
        for u, label in y:
            top = y1 - u * (y1 - y0)
            self._segment((x0, top), (x1, top), _GRID, 1)
            self.text((x0 - 10, top), label, "rm")
        self._draw.rectangle([_SCALE * v for v in self._area], outline=_FAINT, width=_SCALE)

    def dot(self, point: _Point, colour: Any, radius: float, outline: Any = "white") -> None:
        x, y = (_SCALE * v for v in self._place(point))
        r = _SCALE * radius
        self._draw.ellipse((x - r, y - r, x + r, y + r), colour, outline, 2)

    def cross(self, point: _Point, colour: str) -> None:
        x, y = self._place(point)
        for sign in (1, -1):
            self._segment((x - 6, y - 6 * sign), (x + 6, y + 6 * sign), colour, 2)

    def arrow(self, start: _Point, end: _Point, colour: str) -> None:
        (xa, ya), (xb, yb) = self._place(start), self._place(end)
        length = ((xb - xa) ** 2 + (yb - ya) ** 2) ** 0.5
        if length < 24:  # nothing is seen between the dots
            return
        dx, dy = (xb - xa) / length, (yb - ya) / length
        xb, yb = xb - 11 * dx, yb - 11 * dy  # up to the rim of the dot
        self._segment((xa, ya), (xb, yb), colour, 2)
        wings = [(xb - 12 * dx + s * 6 * dy, yb - 12 * dy - s * 6 * dx) for s in (1, -1)]
        self._draw.polygon([(_SCALE * x, _SCALE * y) for x, y in [(xb, yb), *wings]], colour)

    def bar(self, u: float, row: float, height: float, colour: Any) -> None:
        x0, y0, x1, y1 = self._area
        top = y0 + row * (y1 - y0)
        box = (x0, top, x0 + max(u, 0.004) * (x1 - x0), top + height * (y1 - y0))
        self._draw.rectangle([_SCALE * v for v in box], colour)

    def colour_bar(self, low: float, high: float, title: str, n_labels: int = 3) -> None:
        _, y0, x1, y1 = self._area
        left, bottom, top = x1 + 18, y1, y0 + 36
        for step in range(100):
            y = bottom - (bottom - top) * step / 100
            box = (left, y - (bottom - top) / 100 - 1, left + 24, y)
            self._draw.rectangle([_SCALE * v for v in box], colour(step / 99))
        self.text((left - 6, y0 + 12), title, "lm")
        for k in range(n_labels):
            u = k / (n_labels - 1)
            label = number_text(float(f"{low + u * (high - low):.3g}"))
            self.text((left + 28, bottom - u * (bottom - top)), label, "lm")

    def text(self, place: _Point, text: str, anchor: str, size_px: int = _FONT_PX) -> None:
        from PIL import ImageFont

        font = ImageFont.load_default(_SCALE * size_px)
        x, y = place
        self._draw.text((_SCALE * x, _SCALE * y), text, _INK, font, anchor)

    def picture(self) -> Picture:
        from PIL import Image

        buffer = io.BytesIO()
        small = self._image.reduce(_SCALE)
        small.quantize(128, Image.Quantize.FASTOCTREE).save(buffer, "PNG")
        return Picture(buffer.getvalue())

    def _place(self, point: _Point) -> _Point:
        x0, y0, x1, y1 = self._area
        return x0 + point[0] * (x1 - x0), y1 - point[1] * (y1 - y0)

    def _segment(self, start: _Point, end: _Point, colour: str, width: int) -> None:
        points = [_SCALE * v for v in (*start, *end)]
        self._draw.line(points, colour, _SCALE * width)


def draw_population(
    generation: Generation,
    axes: Sequence[Axis],
    parents: Mapping[str, TrialResult],
    colours: tuple[float, float],
) -> Picture:
    """Draw a generation's population in two parameters, or in one and the objective.

    Parameters
    ----------
    generation : Generation
        The generation; arrows lead from parents to the accepted children.
    axes : sequence of Axis
        One or two.
    parents : Mapping[str, TrialResult]
        The trials by id.
    colours : tuple of float
        The objectives at both ends of the colour scale.
    """
    x, y = axes[0], _objective_axis(colours) if len(axes) < 2 else axes[1]
    panel = _Panel(f"Generation {generation.number}", _title(x), _title(y))
    panel.ticks(_inset(x.ticks(4)), _inset(y.ticks(5)))
    for child in generation.accepted:
        parent = parents.get(child.trial.parent or "")
        if parent is not None and (start := _spot(parent, x, y)) and (end := _spot(child, x, y)):
            panel.dot(start, "#ffffff", 6, _FAINT)
            panel.arrow(start, end, _FAINT)
    for member in sorted(generation.population, key=lambda r: r.value or 0.0):
        if (spot := _spot(member, x, y)) is not None and member.value is not None:
            panel.dot(spot, colour(_share(member.value, *colours)), 10)
    panel.colour_bar(*colours, "objective")
    return panel.picture()


def draw_scatter(results: Sequence[TrialResult], axis: Axis) -> Picture:
    """Draw the objective of all trials against one parameter; later trials are brighter."""
    valued = [r for r in results if r.value is not None]
    values = [r.value or 0.0 for r in valued]
    ends = (min(values, default=0.0), max(values, default=1.0))
    y = _objective_axis(ends)
    panel = _Panel(f"Objective by {shortened(axis.name, 28)}", _title(axis), "objective")
    panel.ticks(_inset(axis.ticks(4)), _inset(y.ticks(5)))
    last = max((r.trial.number for r in results), default=0)
    shown = results[:: -(-len(results) // MAX_DOTS) or 1]  # more would hide each other
    for result, x in zip(shown, _places(shown, axis), strict=True):
        if x != x:
            continue
        if result.value is None:
            panel.cross((_in(x), 0.015), "#d93025")
        else:
            place = (_in(x), _in(float(y.unit([result.value])[0])))
            panel.dot(place, colour(result.trial.number / last if last else 1.0), 8)
    panel.colour_bar(0, last, "trial", 2)
    return panel.picture()


def draw_importance(shares: Mapping[str, float]) -> Picture:
    """Draw a bar per parameter."""
    left = 230
    panel = _Panel("What mattered", "share explained alone", "", left)
    rows = list(shares.items())[:10]
    panel.ticks([(u, number_text(u)) for u in (0, 0.5, 1)], [])
    for k, (name, share) in enumerate(rows):
        panel.bar(share, (k + 0.15) / len(rows), 0.7 / len(rows), _COLOURS[1])
        middle = _TOP + (k + 0.5) / len(rows) * (SIZE_PX[1] - _TOP - _BOTTOM)
        panel.text((left - 12, middle), shortened(name, 16), "rm")
    return panel.picture()


def colour(share: float) -> tuple[int, int, int]:
    """Return the colour at a place of the scale from 0 to 1.

    Examples
    --------
    >>> colour(0.0), colour(1.0)
    ((68, 1, 84), (253, 231, 37))
    """
    at = min(1.0, max(0.0, share)) * (len(_COLOURS) - 1)
    k = min(int(at), len(_COLOURS) - 2)
    low, high = _COLOURS[k], _COLOURS[k + 1]
    r, g, b = (round(a + (b - a) * (at - k)) for a, b in zip(low, high, strict=True))
    return r, g, b


def _objective_axis(ends: tuple[float, float]) -> Any:
    return _Objective(*ends)


class _Objective:
    """The objective as an axis."""

    title = "objective"

    def __init__(self, low: float, high: float) -> None:
        self._low, self._high = low, high

    def ticks(self, about: int) -> list[tuple[float, str]]:
        if self._low == self._high:
            return [(0.5, number_text(self._low))]
        marks = round_ticks(self._low, self._high, about)
        return [(_share(mark, self._low, self._high), number_text(mark)) for mark in marks]

    def unit(self, values: Sequence[float]) -> list[float]:
        return [_share(value, self._low, self._high) for value in values]


def _spot(result: TrialResult, x: Axis, y: Any) -> _Point | None:
    across = _places([result], x)[0]
    if isinstance(y, Axis):
        up = _places([result], y)[0]
    else:
        up = y.unit([result.value])[0] if result.value is not None else float("nan")
    return None if across != across or up != up else (_in(across), _in(up))


def _places(results: Sequence[TrialResult], axis: Axis) -> list[float]:
    """Return where trials lie on an axis; beside each other where they share a listed value."""
    places: list[float] = axis.unit(r.trial.params.get(axis.name) for r in results).tolist()
    if isinstance(axis.spec.domain, Interval):
        return places
    # The golden ratio's multiples keep neighbours apart.
    width = min(0.12, 0.5 / len(axis.spec.domain))
    asides = ((r.trial.number * 0.618034 % 1 - 0.5) * width for r in results)
    moved = (u + aside for u, aside in zip(places, asides, strict=True))
    return [u if u != u else min(1.0, max(0.0, u)) for u in moved]


def _title(axis: Any) -> str:
    return f"{axis.name}, log scale" if isinstance(axis, Axis) and axis.log else str(axis.title)


def _in(u: float) -> float:
    """Keep away from the frame, so that dots at the bounds are whole."""
    return 0.03 + 0.94 * u


def _inset(ticks: Sequence[tuple[float, str]]) -> list[tuple[float, str]]:
    return [(_in(u), text) for u, text in ticks]


def _share(value: float, low: float, high: float) -> float:
    return (value - low) / (high - low) if high > low else 1.0
