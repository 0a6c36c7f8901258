"""Draws panels with matplotlib, without its global state."""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable, Sequence
from typing import Any

from sparkexp.results.plots.panels import Band, Bars, Dots, Line, Mark, Panel, Parallel

__all__ = ["png_of", "render_matplotlib"]

PANEL_INCHES = (6.4, 4.0)
COLUMNS = 2
DPI = 110
# With more characters, the labels below a panel or the titles of axes are slanted.
MAX_TICK_CHARS, MAX_TITLE_CHARS = 50, 110
# Titles of axes that have whole numbers only.
WHOLE = ("generation", "trial")
_COLOURS = "viridis"


def render_matplotlib(panels: Sequence[Panel]) -> Any:
    """Return a `matplotlib.figure.Figure`, which shows itself in notebooks.

    Parameters
    ----------
    panels : sequence of Panel
        The panels, drawn in two columns.
    """
    from matplotlib.figure import Figure

    class ShownFigure(Figure):
        """A figure that notebooks show without pyplot."""

        def _repr_png_(self) -> bytes:
            return png_of(self)

    wide = any(isinstance(mark, Parallel) for panel in panels for mark in panel.marks)
    columns = min(COLUMNS, len(panels))
    rows = -(-len(panels) // columns)
    width = 12.0 if wide else PANEL_INCHES[0] * columns
    figure = ShownFigure((width, PANEL_INCHES[1] * rows), DPI, layout="constrained")
    for k, panel in enumerate(panels):
        _draw_panel(figure.add_subplot(rows, columns, k + 1), panel.change_texts(_escape))
    return figure


def png_of(figure: Any) -> bytes:
    """Return a figure of matplotlib as a PNG picture."""
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        # The font lacks some scripts. Whoever sees the boxes needs no warning about them.
        warnings.filterwarnings("ignore", "Glyph .* missing from")
        figure.savefig(buffer, format="png")
    return buffer.getvalue()


def _draw_panel(plot: Any, panel: Panel) -> None:
    plot.set(title=panel.title, xlabel=panel.x_title, ylabel=panel.y_title)
    if not any(isinstance(mark, Parallel | Bars) for mark in panel.marks):
        plot.grid(True, color="#e4e6ea")
        plot.set_axisbelow(True)
    if panel.x_ticks is not None:
        positions, texts = [u for u, _ in panel.x_ticks], [t for _, t in panel.x_ticks]
        crowded = sum(map(len, texts)) > MAX_TICK_CHARS
        slanted = {"rotation": 25, "ha": "right", "rotation_mode": "anchor"}
        plot.set_xticks(positions, texts, **(slanted if crowded else {}))
        plot.set_xlim(-0.09, 1.09)
    elif panel.x_title in WHOLE:
        plot.xaxis.get_major_locator().set_params(integer=True)
    for mark in panel.marks:
        _DRAWERS[type(mark)](plot, mark)
    if panel.y_ends is not None:
        plot.set_ylim(*panel.y_ends)
    labels = [mark.label for mark in panel.marks if not isinstance(mark, Parallel | Bars)]
    beyond = any(isinstance(mark, Dots) and mark.beyond for mark in panel.marks)
    if sum(map(bool, labels)) > 1 or beyond:
        # With a frame, so that the legend's marks don't look like data.
        plot.legend(framealpha=0.9, edgecolor="#dadce0", loc="best")


def _escape(text: str) -> str:
    """Escape a text, so that matplotlib doesn't read it as a formula."""
    return text.replace("$", r"\$")


def _line(plot: Any, mark: Line) -> None:
    style = "steps-post" if mark.steps else "default"
    marker = "o" if len(mark.x) <= 40 and not mark.steps else ""
    # A label that begins with an underscore would be hidden.
    label = f" {mark.label}" if mark.label.startswith("_") else mark.label
    plot.plot(mark.x, mark.y, label=label, drawstyle=style, marker=marker, markersize=4)


def _dots(plot: Any, mark: Dots) -> None:
    if mark.crosses:
        plot.scatter(mark.x, mark.y, 30, "#d93025", marker="x", label=mark.label)
        return
    if mark.beyond:
        plot.scatter(mark.x, mark.y, 40, "#e8710a", marker="D", label=mark.label)
        return
    many = len(mark.x) > 500
    drawn = plot.scatter(
        mark.x,
        mark.y,
        10 if many else 28,
        mark.colours if mark.colours is not None else "#1f77b4" if mark.strong else "#9aa0a6",
        cmap=_COLOURS if mark.colours is not None else None,
        label=mark.label or None,
        edgecolors="none" if many else "white",
        linewidths=0.5,
    )
    if mark.colours is not None:
        plot.figure.colorbar(drawn, ax=plot, label=mark.scale)


def _band(plot: Any, mark: Band) -> None:
    plot.fill_between(mark.x, mark.low, mark.high, alpha=0.25, label=mark.label, linewidth=0)


def _bars(plot: Any, mark: Bars) -> None:
    positions = range(len(mark.names))
    plot.barh(positions, mark.values, color="#3b528b")
    plot.set_yticks(positions, mark.names)
    plot.invert_yaxis()
    plot.set_xlim(0, max([1e-9, *mark.values]) * 1.12)
    for k, value in enumerate(mark.values):
        plot.text(value, k, f" {value:.2f}", va="center")
    plot.spines[["top", "right"]].set_visible(False)


def _parallel(plot: Any, mark: Parallel) -> None:
    from matplotlib.collections import LineCollection

    positions = range(len(mark.titles))
    paths = [list(zip(positions, row, strict=True)) for row in mark.rows]
    opacity = max(0.12, min(0.9, 60 / max(1, len(paths))))
    lines = LineCollection(paths, cmap=_COLOURS, alpha=opacity, linewidths=1.4)
    lines.set_array(list(mark.colours))
    plot.add_collection(lines)
    for position, ticks in zip(positions, mark.ticks, strict=True):
        plot.axvline(position, color="#202124", linewidth=1)
        for u, text in ticks or ():
            plot.plot([position - 0.015, position + 0.015], [u, u], color="#202124", linewidth=1)
            box = {"facecolor": "white", "alpha": 0.75, "edgecolor": "none", "pad": 0.8}
            plot.text(position - 0.03, u, text, ha="right", va="center", fontsize=9, bbox=box)
    crowded = sum(map(len, mark.titles)) > MAX_TITLE_CHARS
    slanted = {"rotation": 15, "ha": "left", "rotation_mode": "anchor"} if crowded else {}
    plot.set_xticks(positions, mark.titles, **slanted)
    plot.tick_params(axis="x", length=0, top=True, labeltop=True, bottom=False, labelbottom=False)
    plot.set_yticks([])
    plot.set_xlim(-0.4, len(mark.titles) - 0.9)
    plot.set_ylim(-0.04, 1.04)
    plot.spines[:].set_visible(False)
    bar = plot.figure.colorbar(lines, ax=plot, label=mark.scale, pad=0.02)
    bar.solids.set_alpha(1)


_DRAWERS: dict[type[Mark], Callable[[Any, Any], None]] = {
    Line: _line,
    Dots: _dots,
    Band: _band,
    Bars: _bars,
    Parallel: _parallel,
}
