"""Pictures for TensorBoard of populations, parameters and what mattered; 20 ms each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sparkexp.analysis.axes import Axis, number_text, round_ticks, shortened
from sparkexp.analysis.cost import fidelity_text
from sparkexp.analysis.generations import Generation
from sparkexp.analysis.ranking import Configuration
from sparkexp.analysis.specs import Interval
from sparkexp.objective import Objective
from sparkexp.tracking.tensorboard.panel import (
    BAR_COLOUR,
    FAINT,
    SIZE_PX,
    Panel,
    Picture,
    Point,
    colour,
)
from sparkexp.trial import TrialResult

__all__ = [
    "SIZE_PX",
    "Picture",
    "colour",
    "draw_front",
    "draw_importance",
    "draw_population",
    "draw_scatter",
]

MAX_DOTS = 2000


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
    x_ticks, y_ticks = _inset(x.ticks(4)), _inset(y.ticks(5))
    labels = [text for _, text in y_ticks]
    panel = Panel(f"Generation {generation.number}", _title(x), _title(y), labels)
    panel.ticks(x_ticks, y_ticks, bool(x.categories))
    for child in generation.accepted:
        parent = parents.get(child.trial.parent or "")
        if parent is not None and (start := _spot(parent, x, y)) and (end := _spot(child, x, y)):
            panel.dot(start, "#ffffff", 6, FAINT)
            panel.arrow(start, end, FAINT)
    for member in sorted(generation.population, key=lambda r: r.value or 0.0):
        if (spot := _spot(member, x, y)) is not None and member.value is not None:
            panel.dot(spot, colour(_share(member.value, *colours)), 10)
    panel.colour_bar(*colours, "objective")
    return panel.picture()


def draw_front(
    results: Sequence[TrialResult], front: Sequence[Configuration], objectives: Sequence[Objective]
) -> Picture:
    """Draw configurations in the first two objectives, and a line through those on the front.

    Parameters
    ----------
    results : sequence of TrialResult
        One per configuration.
    front : sequence of Configuration
        Those that no other dominates.
    objectives : sequence of Objective
        The objectives. Of more than two the front is no line.
    """
    best = [(each.objective(0), each.objective(1)) for each in front]
    others = [(r.values[0], r.values[1]) for r in results if r.values]
    x, y = (_front_axis(best, others, objectives[k], k) for k in (0, 1))
    y_ticks = _inset(y.ticks(5))
    panel = Panel(
        f"The front: {len(front)} of {len(others)}", objectives[0].heading, objectives[1].heading,
        [text for _, text in y_ticks],
    )  # fmt: skip
    panel.ticks(_inset(x.ticks(4)), y_ticks)

    def spot(point: Point) -> Point:
        return _in(x.unit([point[0]])[0]), _in(y.unit([point[1]])[0])

    for point in others[:: -(-len(others) // MAX_DOTS) or 1]:
        panel.dot(spot(point), "#bdc1c6", 6)
    places = sorted(map(spot, best))
    if len(objectives) == 2:
        panel.line(places, BAR_COLOUR)
    for place in places:
        panel.dot(place, BAR_COLOUR, 9)
    return panel.picture()


def draw_scatter(results: Sequence[TrialResult], axis: Axis, name: str = "objective") -> Picture:
    """Draw the objective of all trials against one parameter; later trials are brighter."""
    valued = [r for r in results if r.value is not None]
    values = [r.value or 0.0 for r in valued]
    ends = (min(values, default=0.0), max(values, default=1.0))
    y = _objective_axis(ends)
    y_ticks = _inset(y.ticks(5))
    title = f"{shortened(name[:1].upper() + name[1:], 20)} by {shortened(axis.name, 28)}"
    y_title = ", ".join(filter(None, [shortened(name, 28), fidelity_text(results)]))
    panel = Panel(title, _title(axis), y_title, [text for _, text in y_ticks])
    panel.ticks(_inset(axis.ticks(4)), y_ticks, bool(axis.categories))
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


def draw_importance(shares: Mapping[str, float], title: str = "What mattered") -> Picture:
    """Draw a bar per parameter."""
    rows = list(shares.items())[:10]
    panel = Panel(title, "share explained alone", "", [name for name, _ in rows])
    panel.ticks([(u, number_text(u)) for u in (0, 0.5, 1)], [])
    for k, (name, share) in enumerate(rows):
        panel.bar(share, (k + 0.15) / len(rows), 0.7 / len(rows), BAR_COLOUR)
        panel.row_label((k + 0.5) / len(rows), name)
    return panel.picture()


def _front_axis(
    front: Sequence[Point], others: Sequence[Point], objective: Objective, k: int
) -> _Objective:
    """Return an objective's axis over the front and all but the worst tenth."""
    ordered = objective.best_first(point[k] for point in others)
    kept = [*ordered[: len(ordered) - len(ordered) // 10], *(point[k] for point in front)]
    return _Objective(min(kept), max(kept))


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
        shares = (_share(value, self._low, self._high) for value in values)
        return [min(1.0, max(0.0, share)) for share in shares]


def _spot(result: TrialResult, x: Axis, y: Any) -> Point | None:
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
