"""What a plot shows, whichever library draws it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

__all__ = ["Band", "Bars", "Dots", "Line", "Mark", "Panel", "Parallel", "Ticks"]

# Positions and labels; None leaves them to the library.
Ticks = Sequence[tuple[float, str]] | None


@dataclass(frozen=True)
class Line:
    """A line through points; in steps, each value holds until the next one."""

    x: Sequence[float]
    y: Sequence[float]
    label: str = ""
    steps: bool = False


@dataclass(frozen=True)
class Dots:
    """Points; coloured by `colours`, of which `scale` is the title, or `strong` among others."""

    x: Sequence[float]
    y: Sequence[float]
    label: str = ""
    colours: Sequence[float] | None = None
    scale: str = ""
    names: Sequence[str] = ()
    crosses: bool = False
    strong: bool = False


@dataclass(frozen=True)
class Band:
    """The area between two lines."""

    x: Sequence[float]
    low: Sequence[float]
    high: Sequence[float]
    label: str = ""


@dataclass(frozen=True)
class Bars:
    """A horizontal bar per name, from above."""

    names: Sequence[str]
    values: Sequence[float]


@dataclass(frozen=True)
class Parallel:
    """A line per row through axes that stand side by side.

    Parameters
    ----------
    titles : sequence of str
        Of the axes.
    ticks : sequence of Ticks
        Of each axis, at positions from 0 to 1.
    rows : sequence of sequence of float
        A position from 0 to 1 for each axis.
    colours : sequence of float
        A value for each row.
    scale : str
        What the colours mean.
    """

    titles: Sequence[str]
    ticks: Sequence[Ticks]
    rows: Sequence[Sequence[float]]
    colours: Sequence[float]
    scale: str


Mark = Line | Dots | Band | Bars | Parallel


@dataclass(frozen=True)
class Panel:
    """One coordinate system."""

    title: str
    x_title: str
    y_title: str
    marks: Sequence[Mark]
    x_ticks: Ticks = None
    y_ticks: Ticks = None
    notes: Sequence[str] = field(default=())
