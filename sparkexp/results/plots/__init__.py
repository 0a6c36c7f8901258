"""Plots of a search, without TensorBoard: `draw` makes a figure of matplotlib or plotly.

Importing this package is light; the plotting library is imported when something is drawn.
"""

from sparkexp.results.plots.draw import BACKENDS, KINDS, Backend, Kind, draw

__all__ = ["BACKENDS", "KINDS", "Backend", "Kind", "draw"]
