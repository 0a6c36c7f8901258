"""A plot area to draw on with Pillow, which TensorBoard brings along.

It is one panel with large type, because TensorBoard shows it in cards of 400 pixels.
"""

from __future__ import annotations

import importlib.util
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sparkexp.analysis.axes import format_number

if TYPE_CHECKING:
    from PIL import ImageDraw

__all__ = ["BAR_COLOUR", "FAINT", "SIZE_PX", "Panel", "Picture", "Point", "pick_colour"]

SIZE_PX = (640, 460)
_SCALE = 2  # drawn larger and shrunk, which smooths the edges
_FONT_PX = 25
_TITLE_PX = 27
_LEFT, _TOP, _RIGHT, _BOTTOM = 110, 76, 128, 80
MAX_LEFT = 230
_GAP = 10  # between labels, and between a label and the frame
_INK, _GRID, FAINT = "#202124", "#e4e6ea", "#9aa0a6"
# From dark blue over green to yellow: of even lightness, and clear to the colour-blind too.
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
        The texts above it, below it, and above its left edge.
    y_labels : sequence of str
        The labels to its left, which it leaves room for.
    """

    def __init__(self, title: str, x_title: str, y_title: str, y_labels: Sequence[str]) -> None:
        from PIL import Image, ImageDraw

        width, height = (_SCALE * n for n in SIZE_PX)
        self._image = Image.new("RGB", (width, height), "white")
        self._draw: ImageDraw.ImageDraw = ImageDraw.Draw(self._image)
        longest = max(map(self._measure_width, y_labels), default=0)
        left = round(min(MAX_LEFT, max(_LEFT, longest + 2 * _GAP)))
        self._area = (left, _TOP, SIZE_PX[0] - _RIGHT, SIZE_PX[1] - _BOTTOM)
        self.draw_text((SIZE_PX[0] / 2, 20), title, "mm", _TITLE_PX)
        x0, y0, x1, y1 = self._area
        self.draw_text(((x0 + x1) / 2, SIZE_PX[1] - 20), x_title, "mm")
        self.draw_text((8, 50), y_title, "lm")

    def draw_ticks(
        self,
        x: Sequence[tuple[float, str]],
        y: Sequence[tuple[float, str]],
        x_names: bool = False,
    ) -> None:
        """Mark positions with labels; those of `x` are names or numbers."""
        x0, y0, x1, y1 = self._area
        for u, _ in x:
            left = x0 + u * (x1 - x0)
            self._draw_segment((left, y0), (left, y1), _GRID, 1)
        # Where there is no room, names take two rows, and some of the numbers are left out.
        if not x_names:
            while len(x) > 1 and not self._have_room(x):
                x = x[::2]
        rows = 1 if self._have_room(x) else 2
        for k, (u, label) in enumerate(x):
            top = y1 + 22 if rows == 1 else y1 + 14 + 22 * (k % 2)
            cut = self._cut(label, rows * (x1 - x0) / max(1, len(x) - 1) - _GAP)
            self.draw_text((x0 + u * (x1 - x0), top), cut, "mm")
        for u, label in y:
            level = y1 - u * (y1 - y0)
            self._draw_segment((x0, level), (x1, level), _GRID, 1)
            self.draw_row_label(1 - u, label)
        self._draw.rectangle([_SCALE * v for v in self._area], outline=FAINT, width=_SCALE)

    def draw_row_label(self, row: float, label: str) -> None:
        """Write to the left of the plot area, at a height from 0 (top) to 1 (bottom)."""
        x0, y0, _, y1 = self._area
        self.draw_text((x0 - _GAP, y0 + row * (y1 - y0)), self._cut(label, x0 - 2 * _GAP), "rm")

    def draw_dot(self, point: Point, colour: Any, radius: float, outline: Any = "white") -> None:
        x, y = (_SCALE * v for v in self._to_pixels(point))
        r = _SCALE * radius
        self._draw.ellipse((x - r, y - r, x + r, y + r), colour, outline, 2)

    def draw_line(self, points: Sequence[Point], colour: str) -> None:
        positions = [self._to_pixels(point) for point in points]
        for start, end in zip(positions, positions[1:], strict=False):
            self._draw_segment(start, end, colour, 2)

    def draw_cross(self, point: Point, colour: str) -> None:
        x, y = self._to_pixels(point)
        for sign in (1, -1):
            self._draw_segment((x - 6, y - 6 * sign), (x + 6, y + 6 * sign), colour, 2)

    def draw_arrow(self, start: Point, end: Point, colour: str) -> None:
        (xa, ya), (xb, yb) = self._to_pixels(start), self._to_pixels(end)
        length = ((xb - xa) ** 2 + (yb - ya) ** 2) ** 0.5
        if length < 24:  # nothing is seen between the dots
            return
        dx, dy = (xb - xa) / length, (yb - ya) / length
        xb, yb = xb - 11 * dx, yb - 11 * dy  # up to the rim of the dot
        self._draw_segment((xa, ya), (xb, yb), colour, 2)
        wings = [(xb - 12 * dx + s * 6 * dy, yb - 12 * dy - s * 6 * dx) for s in (1, -1)]
        self._draw.polygon([(_SCALE * x, _SCALE * y) for x, y in [(xb, yb), *wings]], colour)

    def draw_bar(self, u: float, row: float, height: float, colour: Any) -> None:
        x0, y0, x1, y1 = self._area
        top = y0 + row * (y1 - y0)
        box = (x0, top, x0 + max(u, 0.004) * (x1 - x0), top + height * (y1 - y0))
        self._draw.rectangle([_SCALE * v for v in box], colour)

    def draw_colour_bar(self, low: float, high: float, title: str, n_labels: int = 3) -> None:
        _, y0, x1, y1 = self._area
        left, bottom, top = x1 + 18, y1, y0 + 36
        for step in range(100):
            y = bottom - (bottom - top) * step / 100
            box = (left, y - (bottom - top) / 100 - 1, left + 24, y)
            self._draw.rectangle([_SCALE * v for v in box], pick_colour(step / 99))
        self.draw_text((left - 6, y0 + 12), title, "lm")
        for k in range(n_labels):
            u = k / (n_labels - 1)
            label = format_number(float(f"{low + u * (high - low):.3g}"))
            self.draw_text((left + 28, bottom - u * (bottom - top)), label, "lm")

    def draw_text(self, position: Point, text: str, anchor: str, size_px: int = _FONT_PX) -> None:
        x, y = position
        self._draw.text((_SCALE * x, _SCALE * y), text, _INK, _load_font(text, size_px), anchor)

    def to_picture(self) -> Picture:
        from PIL import Image

        buffer = io.BytesIO()
        small = self._image.reduce(_SCALE)
        small.quantize(128, Image.Quantize.FASTOCTREE).save(buffer, "PNG")
        return Picture(buffer.getvalue())

    def _have_room(self, x: Sequence[tuple[float, str]]) -> bool:
        x0, _, x1, _ = self._area
        pairs = zip(x, x[1:], strict=False)
        return all(
            (self._measure_width(a) + self._measure_width(b)) / 2 + _GAP <= (v - u) * (x1 - x0)
            for (u, a), (v, b) in pairs
        )

    def _measure_width(self, text: str) -> float:
        length: float = self._draw.textlength(text, _load_font(text, _FONT_PX))
        return length / _SCALE

    def _cut(self, text: str, room: float) -> str:
        """Return the text, cut so that it is no wider than `room`."""
        cut = text
        while len(cut) > 1 and self._measure_width(cut) > room:
            cut = text[: len(cut.rstrip("…")) - 1] + "…"
        return cut

    def _to_pixels(self, point: Point) -> Point:
        x0, y0, x1, y1 = self._area
        return x0 + point[0] * (x1 - x0), y1 - point[1] * (y1 - y0)

    def _draw_segment(self, start: Point, end: Point, colour: str, width: int) -> None:
        points = [_SCALE * v for v in (*start, *end)]
        self._draw.line(points, colour, _SCALE * width)


def _load_font(text: str, size_px: int) -> Any:
    """Return Pillow's font; for text beyond ASCII matplotlib's, where it is installed."""
    from PIL import ImageFont

    plots = None if text.isascii() else importlib.util.find_spec("matplotlib")
    if plots is not None and plots.origin is not None:
        path = Path(plots.origin).parent / "mpl-data" / "fonts" / "ttf" / "DejaVuSans.ttf"
        if path.is_file():
            # Its letters are wider.
            return ImageFont.truetype(str(path), round(0.85 * _SCALE * size_px))
    return ImageFont.load_default(_SCALE * size_px)


def pick_colour(share: float) -> tuple[int, int, int]:
    """Return the colour at a position of the scale, from 0 to 1.

    Examples
    --------
    >>> pick_colour(0.0), pick_colour(1.0)
    ((68, 1, 84), (253, 231, 37))
    """
    at = min(1.0, max(0.0, share)) * (len(_COLOURS) - 1)
    k = min(int(at), len(_COLOURS) - 2)
    low, high = _COLOURS[k], _COLOURS[k + 1]
    r, g, b = (round(a + (b - a) * (at - k)) for a, b in zip(low, high, strict=True))
    return r, g, b
