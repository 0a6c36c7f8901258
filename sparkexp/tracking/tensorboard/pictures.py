"""Pictures for TensorBoard of populations, parameters and what mattered; 20 ms each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sparkexp.analysis.axes import Axis, choose_round_ticks, format_number, shorten
from sparkexp.analysis.cost import describe_fidelity
from sparkexp.analysis.generations import Generation
from sparkexp.analysis.outliers import choose_ends
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
    pick_colour,
)
from sparkexp.trial import TrialResult

__all__ = [
    "SIZE_PX",
    "Picture",
    "choose_colour_ends",
    "pick_colour",
    "draw_ancestry",
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
    x, y = axes[0], _make_objective_axis(colours) if len(axes) < 2 else axes[1]
    x_ticks, y_ticks = _inset_ticks(x.choose_ticks(4)), _inset_ticks(y.choose_ticks(5))
    labels = [text for _, text in y_ticks]
    panel = Panel(f"Generation {generation.number}", _make_title(x), _make_title(y), labels)
    panel.draw_ticks(x_ticks, y_ticks, bool(x.categories))
    for child in generation.accepted:
        parent = parents.get(child.trial.parent or "")
        if (
            parent is not None
            and (start := _locate(parent, x, y))
            and (end := _locate(child, x, y))
        ):
            panel.draw_dot(start, "#ffffff", 6, FAINT)
            panel.draw_arrow(start, end, FAINT)
    for member in sorted(generation.population, key=lambda r: r.value or 0.0):
        if (spot := _locate(member, x, y)) is not None and member.value is not None:
            panel.draw_dot(spot, pick_colour(_compute_share(member.value, *colours)), 10)
    panel.draw_colour_bar(*colours, "objective")
    return panel.to_picture()


def draw_front(
    results: Sequence[TrialResult], front: Sequence[Configuration], objectives: Sequence[Objective]
) -> Picture:
    """Draw configurations in the first two objectives, and a line through those on the front.

    Parameters
    ----------
    results : sequence of TrialResult
        One per configuration.
    front : sequence of Configuration
        The configurations that no other dominates.
    objectives : sequence of Objective
        The objectives. With more than two, there is no line.
    """
    best = [(each.objective(0), each.objective(1)) for each in front]
    others = [(r.values[0], r.values[1]) for r in results if r.values]
    x, y = (_make_front_axis(best, others, objectives[k], k) for k in (0, 1))
    y_ticks = _inset_ticks(y.choose_ticks(5))
    panel = Panel(
        f"The front: {len(front)} of {len(others)}", objectives[0].heading, objectives[1].heading,
        [text for _, text in y_ticks],
    )  # fmt: skip
    panel.draw_ticks(_inset_ticks(x.choose_ticks(4)), y_ticks)

    def spot(point: Point) -> Point:
        return _inset(x.scale_to_unit([point[0]])[0]), _inset(y.scale_to_unit([point[1]])[0])

    for point in others[:: -(-len(others) // MAX_DOTS) or 1]:
        panel.draw_dot(spot(point), "#bdc1c6", 6)
    positions = sorted(map(spot, best))
    if len(objectives) == 2:
        panel.draw_line(positions, BAR_COLOUR)
    for position in positions:
        panel.draw_dot(position, BAR_COLOUR, 9)
    return panel.to_picture()


def draw_scatter(
    results: Sequence[TrialResult], axis: Axis, objective: Objective, name: str = "objective"
) -> Picture:
    """Draw the objective of all trials against one parameter; later trials are brighter.

    Outliers lie on the edge.
    """
    y = _make_objective_axis(
        choose_ends((r.value for r in results if r.value is not None), objective)
    )
    y_ticks = _inset_ticks(y.choose_ticks(5))
    title = f"{shorten(name[:1].upper() + name[1:], 20)} by {shorten(axis.name, 28)}"
    y_title = ", ".join(filter(None, [shorten(name, 28), describe_fidelity(results)]))
    panel = Panel(title, _make_title(axis), y_title, [text for _, text in y_ticks])
    panel.draw_ticks(_inset_ticks(axis.choose_ticks(4)), y_ticks, bool(axis.categories))
    last = max((r.trial.number for r in results), default=0)
    shown = results[:: -(-len(results) // MAX_DOTS) or 1]  # more would hide each other
    for result, x in zip(shown, _locate_all(shown, axis), strict=True):
        if x != x:
            continue
        if result.value is None:
            panel.draw_cross((_inset(x), 0.015), "#d93025")
        else:
            position = (_inset(x), _inset(float(y.scale_to_unit([result.value])[0])))
            panel.draw_dot(position, pick_colour(result.trial.number / last if last else 1.0), 8)
    panel.draw_colour_bar(0, last, "trial", 2)
    return panel.to_picture()


def draw_ancestry(
    results: Sequence[TrialResult], lines: Sequence[Sequence[TrialResult]]
) -> Picture:
    """Draw the objective by trial number, with arrows from parents to children.

    Parameters
    ----------
    results : sequence of TrialResult
        All trials.
    lines : sequence of sequence of TrialResult
        The best trials, each with its parent, the parent's parent and so on.
    """
    valued = [r for r in results if r.value is not None]
    values = sorted(r.value or 0.0 for r in valued)
    family = [each.value or 0.0 for line in lines for each in line]
    # A tenth may be so bad that nothing else could be told apart; the best lie on either side.
    cut = len(values) // 10
    low = min([*values[cut:], *family])
    high = max([*values[: len(values) - cut], *family])
    y, last = _make_objective_axis((low, high)), max((r.trial.number for r in results), default=0)
    x = _Objective(0.0, float(last))
    y_ticks = _inset_ticks(y.choose_ticks(5))
    panel = Panel(
        f"Where the best {len(lines)} come from", "trial", "objective", [t for _, t in y_ticks]
    )
    panel.draw_ticks(_inset_ticks(x.choose_ticks(4)), y_ticks)

    def spot(result: TrialResult) -> Point:
        across = x.scale_to_unit([result.trial.number])[0]
        return _inset(across), _inset(y.scale_to_unit([result.value or 0.0])[0])

    for result in valued[:: -(-len(valued) // MAX_DOTS) or 1]:
        panel.draw_dot(spot(result), "#bdc1c6", 6)
    for line in reversed(lines):
        for child, parent in zip(line, line[1:], strict=False):
            panel.draw_arrow(spot(parent), spot(child), FAINT)
    for line in reversed(lines):
        for each in line:
            panel.draw_dot(
                spot(each), pick_colour(_compute_share(each.value or 0.0, low, high)), 9
            )
    return panel.to_picture()


def draw_importance(shares: Mapping[str, float], title: str = "What mattered") -> Picture:
    """Draw a bar per parameter; see `measure_importance`."""
    rows = list(shares.items())[:10]
    largest = max(shares.values(), default=0.0)
    end = next((end for end in (0.2, 0.5) if largest <= end), 1.0)
    panel = Panel(title, "share explained alone", "", [name for name, _ in rows])
    panel.draw_ticks([(u, format_number(u * end)) for u in (0, 0.5, 1)], [])
    for k, (name, share) in enumerate(rows):
        panel.draw_bar(share / end, (k + 0.15) / len(rows), 0.7 / len(rows), BAR_COLOUR)
        panel.draw_row_label((k + 0.5) / len(rows), name)
    return panel.to_picture()


def choose_colour_ends(values: Sequence[float], objective: Objective) -> tuple[float, float]:
    """Return the ends of the colour scale: the worst tenth shares a colour."""
    ordered = sorted(values)
    cut = len(ordered) // 10
    low, high = (
        (ordered[cut], ordered[-1]) if objective.maximised else (ordered[0], ordered[-1 - cut])
    )
    return low, high


def _make_front_axis(
    front: Sequence[Point], others: Sequence[Point], objective: Objective, k: int
) -> _Objective:
    """Return an objective's axis: the front and all others but their worst tenth fit on it."""
    ordered = objective.best_first(point[k] for point in others)
    kept = [*ordered[: len(ordered) - len(ordered) // 10], *(point[k] for point in front)]
    return _Objective(min(kept), max(kept))


def _make_objective_axis(ends: tuple[float, float]) -> Any:
    return _Objective(*ends)


class _Objective:
    """The objective as an axis."""

    title = "objective"

    def __init__(self, low: float, high: float) -> None:
        self._low, self._high = low, high

    def choose_ticks(self, about: int) -> list[tuple[float, str]]:
        if self._low == self._high:
            return [(0.5, format_number(self._low))]
        marks = choose_round_ticks(self._low, self._high, about)
        return [
            (_compute_share(mark, self._low, self._high), format_number(mark)) for mark in marks
        ]

    def scale_to_unit(self, values: Sequence[float]) -> list[float]:
        shares = (_compute_share(value, self._low, self._high) for value in values)
        return [min(1.0, max(0.0, share)) for share in shares]


def _locate(result: TrialResult, x: Axis, y: Any) -> Point | None:
    across = _locate_all([result], x)[0]
    if isinstance(y, Axis):
        up = _locate_all([result], y)[0]
    else:
        up = y.scale_to_unit([result.value])[0] if result.value is not None else float("nan")
    return None if across != across or up != up else (_inset(across), _inset(up))


def _locate_all(results: Sequence[TrialResult], axis: Axis) -> list[float]:
    """Return the trials' positions on an axis; those with the same choice lie side by side."""
    positions: list[float] = axis.scale_to_unit(
        r.trial.params.get(axis.name) for r in results
    ).tolist()
    if isinstance(axis.spec.domain, Interval):
        return positions
    # The golden ratio's multiples keep neighbours apart.
    width = min(0.12, 0.5 / len(axis.spec.domain))
    asides = ((r.trial.number * 0.618034 % 1 - 0.5) * width for r in results)
    moved = (u + aside for u, aside in zip(positions, asides, strict=True))
    return [u if u != u else min(1.0, max(0.0, u)) for u in moved]


def _make_title(axis: Any) -> str:
    return f"{axis.name}, log scale" if isinstance(axis, Axis) and axis.log else str(axis.title)


def _inset(u: float) -> float:
    """Return a position moved away from the frame, so that dots at the bounds are whole."""
    return 0.03 + 0.94 * u


def _inset_ticks(ticks: Sequence[tuple[float, str]]) -> list[tuple[float, str]]:
    return [(_inset(u), text) for u, text in ticks]


def _compute_share(value: float, low: float, high: float) -> float:
    return (value - low) / (high - low) if high > low else 1.0
