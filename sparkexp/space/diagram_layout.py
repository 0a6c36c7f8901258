"""Where the boxes of a small acyclic graph stand, and how the lines between them run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

__all__ = ["Arrow", "Layout", "lay_out"]

_GAP_X = 18.0
_GAP_Y = 34.0
_SWEEPS = 12


@dataclass(frozen=True)
class Arrow:
    """A line from one box to another.

    Parameters
    ----------
    source, target : int
        The numbers of the boxes.
    place : float
        Where on the target's upper edge it ends, from 0 (left) to 1 (right).
    """

    source: int
    target: int
    place: float = 0.5


Point = tuple[float, float]


@dataclass(frozen=True)
class Layout:
    """What `lay_out` returns.

    Parameters
    ----------
    corners : tuple of (float, float)
        Each box's left upper corner.
    paths : tuple of tuple of (float, float)
        The points that each arrow passes, from its source's lower edge to its target's upper one.
    width, height : float
        The size of it all.
    """

    corners: tuple[Point, ...]
    paths: tuple[tuple[Point, ...], ...]
    width: float
    height: float


def lay_out(widths: Sequence[float], height: float, arrows: Sequence[Arrow]) -> Layout:
    """Place boxes in rows, so that arrows lead downwards.

    A box stands one row below the lowest box that an arrow comes from (layers by the longest
    path). An arrow that passes rows gets a place in each, which it shares with the others of its
    source.

    Parameters
    ----------
    widths : sequence of float
        The boxes' widths. Arrows lead from a box to a later one.
    height : float
        The boxes' height.
    arrows : sequence of Arrow
        The arrows.
    """
    rows = _find_rows(len(widths), arrows)
    # What has a place in a row: a box, or a source's arrows on their way through the row.
    row_of: dict[tuple[int, int], int] = {(k, row): row for k, row in enumerate(rows)}
    links: set[tuple[tuple[int, int], tuple[int, int]]] = set()
    for arrow in arrows:
        stops = [(arrow.source, row) for row in range(rows[arrow.source], rows[arrow.target])]
        row_of.update({stop: stop[1] for stop in stops})
        links.update(zip(stops, [*stops[1:], (arrow.target, rows[arrow.target])], strict=True))
    sizes = {stop: widths[stop[0]] if rows[stop[0]] == stop[1] else 6.0 for stop in row_of}
    lines = [[stop for stop in row_of if stop[1] == row] for row in range(max(rows) + 1)]
    centres = _place(lines, _find_neighbours(links), sizes)
    left = min(centres[stop] - sizes[stop] / 2 for stop in centres)
    right = max(centres[stop] + sizes[stop] / 2 for stop in centres)
    step = height + _GAP_Y

    def pass_row(stop: tuple[int, int]) -> list[Point]:
        x, y = centres[stop] - left, stop[1] * step
        return [(x, y + height)] if rows[stop[0]] == stop[1] else [(x, y), (x, y + height)]

    paths = []
    for arrow in arrows:
        points: list[Point] = []
        for row in range(rows[arrow.source], rows[arrow.target]):
            points += pass_row((arrow.source, row))
        end = centres[arrow.target, rows[arrow.target]] - left
        end += (arrow.place - 0.5) * widths[arrow.target]
        paths.append((*points, (end, rows[arrow.target] * step)))
    corners = [(centres[k, row] - left - widths[k] / 2, row * step) for k, row in enumerate(rows)]
    return Layout(tuple(corners), tuple(paths), right - left, max(rows) * step + height)


def _find_rows(n: int, arrows: Sequence[Arrow]) -> list[int]:
    rows = [0] * n
    for target in range(n):
        above = [rows[arrow.source] + 1 for arrow in arrows if arrow.target == target]
        rows[target] = max(above, default=0)
    return rows


_Stop = tuple[int, int]


def _find_neighbours(links: set[tuple[_Stop, _Stop]]) -> dict[_Stop, list[_Stop]]:
    found: dict[_Stop, list[_Stop]] = {}
    for above, below in sorted(links):
        found.setdefault(above, []).append(below)
        found.setdefault(below, []).append(above)
    return found


def _place(
    lines: list[list[_Stop]],
    neighbours: Mapping[_Stop, Sequence[_Stop]],
    sizes: Mapping[_Stop, float],
) -> dict[_Stop, float]:
    """Return the centres, each near the mean of its neighbours', with few crossings."""
    centres: dict[_Stop, float] = {}
    for line in lines:
        _spread(line, {stop: 0.0 for stop in line}, sizes, centres)
    for sweep in range(2 * _SWEEPS):
        down = sweep % 2 == 0
        for line in lines if down else lines[::-1]:
            wanted = {}
            for stop in line:
                near = [s for s in neighbours.get(stop, ()) if (s[1] < stop[1]) == down]
                near = near if near and sweep < _SWEEPS else list(neighbours.get(stop, ()))
                own = centres[stop]
                wanted[stop] = sum(centres[s] for s in near) / len(near) if near else own
            if sweep < _SWEEPS:  # then the order stays, and the places get better
                line.sort(key=lambda stop: (wanted[stop], centres[stop]))
            _spread(line, wanted, sizes, centres)
    return centres


def _spread(
    line: Sequence[_Stop],
    wanted: Mapping[_Stop, float],
    sizes: Mapping[_Stop, float],
    centres: dict[_Stop, float],
) -> None:
    """Put a row's boxes where they want to be, as far as they have room beside one another."""
    leftmost: list[float] = []
    rightmost: list[float] = []
    for found, stops, sign in ((leftmost, line, 1.0), (rightmost, line[::-1], -1.0)):
        edge = float("-inf")
        for stop in stops:
            centre = max(sign * wanted[stop], edge + sizes[stop] / 2)
            found.append(sign * centre)
            edge = centre + sizes[stop] / 2 + _GAP_X
    # Both keep the distances, so their mean does.
    for stop, a, b in zip(line, leftmost, rightmost[::-1], strict=True):
        centres[stop] = (a + b) / 2
