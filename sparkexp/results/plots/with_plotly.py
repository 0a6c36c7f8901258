"""Draws panels with plotly, as interactive figures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from sparkexp.results.plots.panels import Band, Bars, Dots, Line, Mark, Panel, Parallel

__all__ = ["render_plotly"]

COLUMNS = 2
PANEL_PX = (620, 400)
MAX_TITLE_CHARS = 110  # with more, the titles of parallel axes are slanted
STRONG = "#1f77b4"
_COLOURS = "Viridis"


def render_plotly(panels: Sequence[Panel]) -> Any:
    """Return a `plotly.graph_objects.Figure`.

    Parameters
    ----------
    panels : sequence of Panel
        The panels, drawn in two columns.
    """
    import plotly.graph_objects as go
    from plotly.subplots import make_subplots

    parallel = [m for panel in panels for m in panel.marks if isinstance(m, Parallel)]
    if parallel:
        figure = go.Figure(_parallel(parallel[0]))
        return figure.update_layout(title=panels[0].title, width=1200, height=PANEL_PX[1] + 60)
    columns = min(COLUMNS, len(panels))
    rows = -(-len(panels) // columns)
    figure = make_subplots(rows, columns, subplot_titles=[panel.title for panel in panels])
    for k, panel in enumerate(panels):
        cell = {"row": k // columns + 1, "col": k % columns + 1}
        for mark in panel.marks:
            for trace in _DRAWERS[type(mark)](mark):
                figure.add_trace(trace, **cell)
            if isinstance(mark, Bars):
                figure.update_yaxes(autorange="reversed", **cell)
        figure.update_xaxes(title_text=panel.x_title, **cell)
        figure.update_yaxes(title_text=panel.y_title, **cell)
        if panel.y_ends is not None:
            figure.update_yaxes(range=list(panel.y_ends), **cell)
        if panel.x_ticks is not None:
            figure.update_xaxes(
                tickvals=[u for u, _ in panel.x_ticks],
                ticktext=[text for _, text in panel.x_ticks],
                range=[-0.09, 1.09],
                **cell,
            )
    return figure.update_layout(
        template="plotly_white",
        width=PANEL_PX[0] * columns + 100,
        height=PANEL_PX[1] * rows,
        coloraxis={"colorscale": _COLOURS, "colorbar": {"title": _scale(panels)}},
    )


def _scale(panels: Sequence[Panel]) -> str:
    marks = (mark for panel in panels for mark in panel.marks)
    return next((mark.scale for mark in marks if isinstance(mark, Dots) and mark.scale), "")


def _line(mark: Line) -> list[Any]:
    import plotly.graph_objects as go

    line = {"shape": "hv"} if mark.steps else {}
    shown = bool(mark.label)
    if not shown:  # it connects dots, which have this colour
        line["color"] = STRONG
    return [
        go.Scatter(x=mark.x, y=mark.y, name=mark.label, mode="lines", line=line, showlegend=shown)
    ]


def _dots(mark: Dots) -> list[Any]:
    import plotly.graph_objects as go

    style: dict[str, Any] = {"size": 6, "color": "#9aa0a6"}
    if mark.crosses:
        style = {"size": 8, "color": "#d93025", "symbol": "x-thin-open"}
    elif mark.beyond:
        style = {"size": 8, "color": "#e8710a", "symbol": "diamond"}
    elif mark.strong:
        style = {"size": 8, "color": STRONG}
    elif mark.colours is not None:
        style = {"size": 6, "color": mark.colours, "coloraxis": "coloraxis"}
    trace = go.Scatter(
        x=mark.x,
        y=mark.y,
        name=mark.label,
        mode="markers",
        marker=style,
        text=list(mark.names) or None,
        showlegend=bool(mark.label),
    )
    return [trace]


def _band(mark: Band) -> list[Any]:
    import plotly.graph_objects as go

    edge = {"mode": "lines", "line": {"width": 0}, "showlegend": False, "hoverinfo": "skip"}
    fill = {**edge, "fill": "tonexty", "fillcolor": "rgba(31,119,180,0.25)", "showlegend": True}
    return [
        go.Scatter(x=mark.x, y=mark.low, **edge),
        go.Scatter(x=mark.x, y=mark.high, name=mark.label, **fill),
    ]


def _bars(mark: Bars) -> list[Any]:
    import plotly.graph_objects as go

    bar = go.Bar(x=list(mark.values), y=list(mark.names), orientation="h", showlegend=False)
    return [bar]


def _parallel(mark: Parallel) -> Any:
    import plotly.graph_objects as go

    columns = list(zip(*mark.rows, strict=True))
    dimensions = [
        {
            "label": title,
            "values": list(column),
            "range": [0, 1],
            "tickvals": [u for u, _ in ticks or ()],
            "ticktext": [text for _, text in ticks or ()],
        }
        for title, ticks, column in zip(mark.titles, mark.ticks, columns, strict=True)
    ]
    line = {
        "color": list(mark.colours),
        "colorscale": _COLOURS,
        "showscale": True,
        "colorbar": {"title": mark.scale},
    }
    crowded = sum(map(len, mark.titles)) > MAX_TITLE_CHARS
    return go.Parcoords(dimensions=dimensions, line=line, labelangle=-15 if crowded else 0)


_DRAWERS: dict[type[Mark], Callable[[Any], list[Any]]] = {
    Line: _line,
    Dots: _dots,
    Band: _band,
    Bars: _bars,
}
