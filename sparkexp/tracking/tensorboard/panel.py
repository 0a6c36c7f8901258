"""A plot area to draw on with Pillow, which TensorBoard brings along.

One panel and large type, as it is looked at in cards of 400 pixels.
"""

from __future__ import annotations

import importlib.util
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sparkexp.analysis.axes import number_text

if TYPE_CHECKING:
    from PIL import ImageDraw

__all__ = ["BAR_COLOUR", "FAINT", "SIZE_PX", "Panel", "Picture", "Point", "colour"]

SIZE_PX = (640, 460)
_SCALE = 2  # drawn larger and shrunk, which smooths the edges
_FONT_PX = 25
_TITLE_PX = 27
_LEFT, _TOP, _RIGHT, _BOTTOM = 110, 76, 128, 80
MAX_LEFT = 230
_GAP = 10  # between labels, and between a label and the frame
_INK, _GRID, FAINT = "#202124", "#e4e6ea", "#9aa0a6"
# Dark blue over green to yellow: even in lightness, told apart by the colour-blind too.
_COLOURS = ((68, 1, 84), (59, 82, 139), (33, 145, 140), (94, 201, 98), (253, 231, 37))
BAR_COLOUR = "#{:02x}{:02x}{:02x}".format(*_COLOURS[1])
Point = tuple[float, float]


@dataclass(frozen=True)
class Picture:
    """A PNG picture of `SIZE_PX`."""

    png: bytes


class Panel:
    """A plot area whose coordinates run from 0 to 1.

    Parameters
    ----------
    title, x_title, y_title : str
        Above it, below it, and above its left edge.
    y_labels : sequence of str
        What will stand to its left: it leaves the room for them.
    """

    def __init__(self, title: str, x_title: str, y_title: str, y_labels: Sequence[str]) -> None:
        from PIL import Image, ImageDraw

        width, height = (_SCALE * n for n in SIZE_PX)
        self._image = Image.new("RGB", (width, height), "white")
        self._draw: ImageDraw.ImageDraw = ImageDraw.Draw(self._image)
        longest = max(map(self._width, y_labels), default=0)
        left = round(min(MAX_LEFT, max(_LEFT, longest + 2 * _GAP)))
        self._area = (left, _TOP, SIZE_PX[0] - _RIGHT, SIZE_PX[1] - _BOTTOM)
        self.text((SIZE_PX[0] / 2, 20), title, "mm", _TITLE_PX)
        x0, y0, x1, y1 = self._area
        self.text(((x0 + x1) / 2, SIZE_PX[1] - 20), x_title, "mm")
        self.text((8, 50), y_title, "lm")

    def ticks(
        self,
        x: Sequence[tuple[float, str]],
        y: Sequence[tuple[float, str]],
        x_names: bool = False,
    ) -> None:
        """Mark positions with labels; those of `x` are names or numbers."""
        x0, y0, x1, y1 = self._area
        for u, _ in x:
            left = x0 + u * (x1 - x0)
            self._segment((left, y0), (left, y1), _GRID, 1)
        # Where there is no room: names stand in two rows, of numbers some are left out.
        if not x_names:
            while len(x) > 1 and not self._fit(x):
                x = x[::2]
        rows = 1 if self._fit(x) else 2
        for k, (u, label) in enumerate(x):
            top = y1 + 22 if rows == 1 else y1 + 14 + 22 * (k % 2)
            cut = self._cut(label, rows * (x1 - x0) / max(1, len(x) - 1) - _GAP)
            self.text((x0 + u * (x1 - x0), top), cut, "mm")
        for u, label in y:
            level = y1 - u * (y1 - y0)
            self._segment((x0, level), (x1, level), _GRID, 1)
            self.row_label(1 - u, label)
        self._draw.rectangle([_SCALE * v for v in self._area], outline=FAINT, width=_SCALE)

    def row_label(self, row: float, label: str) -> None:
        """Write to the left of the plot area, at a place from 0 above to 1 below."""
        x0, y0, _, y1 = self._area
        self.text((x0 - _GAP, y0 + row * (y1 - y0)), self._cut(label, x0 - 2 * _GAP), "rm")

    def dot(self, point: Point, colour: Any, radius: float, outline: Any = "white") -> None:
        x, y = (_SCALE * v for v in self._place(point))
        r = _SCALE * radius
        self._draw.ellipse((x - r, y - r, x + r, y + r), colour, outline, 2)

    def line(self, points: Sequence[Point], colour: str) -> None:
        places = [self._place(point) for point in points]
        for start, end in zip(places, places[1:], strict=False):
            self._segment(start, end, colour, 2)

    def cross(self, point: Point, colour: str) -> None:
        x, y = self._place(point)
        for sign in (1, -1):
            self._segment((x - 6, y - 6 * sign), (x + 6, y + 6 * sign), colour, 2)

    def arrow(self, start: Point, end: Point, colour: str) -> None:
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

    def text(self, place: Point, text: str, anchor: str, size_px: int = _FONT_PX) -> None:
        x, y = place
        self._draw.text((_SCALE * x, _SCALE * y), text, _INK, _font(text, size_px), anchor)

    def picture(self) -> Picture:
        from PIL import Image

        buffer = io.BytesIO()
        small = self._image.reduce(_SCALE)
        small.quantize(128, Image.Quantize.FASTOCTREE).save(buffer, "PNG")
        return Picture(buffer.getvalue())

    def _fit(self, x: Sequence[tuple[float, str]]) -> bool:
        x0, _, x1, _ = self._area
        places = zip(x, x[1:], strict=False)
        return all(
            (self._width(a) + self._width(b)) / 2 + _GAP <= (v - u) * (x1 - x0)
            for (u, a), (v, b) in places
        )

    def _width(self, text: str) -> float:
        length: float = self._draw.textlength(text, _font(text, _FONT_PX))
        return length / _SCALE

    def _cut(self, text: str, room: float) -> str:
        """Return as much of the text as there is room for."""
        cut = text
        while len(cut) > 1 and self._width(cut) > room:
            cut = text[: len(cut.rstrip("…")) - 1] + "…"
        return cut

    def _place(self, point: Point) -> Point:
        x0, y0, x1, y1 = self._area
        return x0 + point[0] * (x1 - x0), y1 - point[1] * (y1 - y0)

    def _segment(self, start: Point, end: Point, colour: str, width: int) -> None:
        points = [_SCALE * v for v in (*start, *end)]
        self._draw.line(points, colour, _SCALE * width)


def _font(text: str, size_px: int) -> Any:
    """Return Pillow's font, which is ASCII's, or matplotlib's for more, where it is installed."""
    from PIL import ImageFont

    plots = None if text.isascii() else importlib.util.find_spec("matplotlib")
    if plots is not None and plots.origin is not None:
        path = Path(plots.origin).parent / "mpl-data" / "fonts" / "ttf" / "DejaVuSans.ttf"
        if path.is_file():
            # Its letters are wider.
            return ImageFont.truetype(path, round(0.85 * _SCALE * size_px))
    return ImageFont.load_default(_SCALE * size_px)


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
