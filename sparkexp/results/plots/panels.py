"""The content of a plot, independent of the library that draws it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

__all__ = ["Band", "Bars", "Dots", "Line", "Mark", "Panel", "Parallel", "Ticks"]

# Positions and labels of ticks; None leaves them to the library.
Ticks = Sequence[tuple[float, str]] | None
_Change = Callable[[str], str]


@dataclass(frozen=True)
class Line:
    """A line through points; with `steps`, it keeps each value until the next point."""

    x: Sequence[float]
    y: Sequence[float]
    label: str = ""
    steps: bool = False

    def change_texts(self, change: _Change) -> Line:
        """Return the same with each of its texts changed."""
        return replace(self, label=change(self.label))


@dataclass(frozen=True)
class Dots:
    """Points, coloured by the values `colours` (titled `scale`), or emphasised with `strong`.

    Those that lie `beyond` the axis are drawn on its edge.
    """

    x: Sequence[float]
    y: Sequence[float]
    label: str = ""
    colours: Sequence[float] | None = None
    scale: str = ""
    names: Sequence[str] = ()
    crosses: bool = False
    strong: bool = False
    beyond: bool = False

    def change_texts(self, change: _Change) -> Dots:
        """Return the same with each of its texts changed."""
        return replace(self, label=change(self.label), scale=change(self.scale))


@dataclass(frozen=True)
class Band:
    """The area between two lines."""

    x: Sequence[float]
    low: Sequence[float]
    high: Sequence[float]
    label: str = ""

    def change_texts(self, change: _Change) -> Band:
        """Return the same with each of its texts changed."""
        return replace(self, label=change(self.label))


@dataclass(frozen=True)
class Bars:
    """A horizontal bar per name, from top to bottom."""

    names: Sequence[str]
    values: Sequence[float]

    def change_texts(self, change: _Change) -> Bars:
        """Return the same with each of its texts changed."""
        return replace(self, names=[change(name) for name in self.names])


@dataclass(frozen=True)
class Parallel:
    """A line per row through parallel axes.

    Parameters
    ----------
    titles : sequence of str
        The titles of the axes.
    ticks : sequence of Ticks
        The ticks of each axis, at positions from 0 to 1.
    rows : sequence of sequence of float
        For each line, its position from 0 to 1 on each axis.
    colours : sequence of float
        For each line, the value that is shown by its colour.
    scale : str
        The title of the colour scale.
    """

    titles: Sequence[str]
    ticks: Sequence[Ticks]
    rows: Sequence[Sequence[float]]
    colours: Sequence[float]
    scale: str

    def change_texts(self, change: _Change) -> Parallel:
        """Return the same with each of its texts changed."""
        return replace(
            self,
            titles=[change(title) for title in self.titles],
            ticks=[_change_ticks(ticks, change) for ticks in self.ticks],
            scale=change(self.scale),
        )


Mark = Line | Dots | Band | Bars | Parallel


@dataclass(frozen=True)
class Panel:
    """One coordinate system; `y_ends` are the ends of its axis, left to the library by default."""

    title: str
    x_title: str
    y_title: str
    marks: Sequence[Mark]
    x_ticks: Ticks = None
    y_ticks: Ticks = None
    notes: Sequence[str] = field(default=())
    y_ends: tuple[float, float] | None = None

    def change_texts(self, change: _Change) -> Panel:
        """Return the same with each of its texts, and of those of its marks, changed."""
        return replace(
            self,
            title=change(self.title),
            x_title=change(self.x_title),
            y_title=change(self.y_title),
            marks=[mark.change_texts(change) for mark in self.marks],
            x_ticks=_change_ticks(self.x_ticks, change),
            y_ticks=_change_ticks(self.y_ticks, change),
            notes=[change(note) for note in self.notes],
        )


def _change_ticks(ticks: Ticks, change: _Change) -> Ticks:
    return None if ticks is None else [(place, change(text)) for place, text in ticks]
