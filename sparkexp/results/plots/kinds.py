"""Makes the panels of each kind of plot from the trials of a search."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from itertools import compress

import numpy as np

from sparkexp.analysis.axes import Axis, choose_round_ticks, format_number
from sparkexp.analysis.cost import describe_fidelity, select_comparable
from sparkexp.analysis.generations import Evolution, Generation
from sparkexp.analysis.importance import (
    MEANING,
    MIN_TRIALS,
    measure_importance,
    select_most_important,
)
from sparkexp.analysis.outliers import choose_ends
from sparkexp.analysis.ranking import (
    Standings,
    find_front_configurations,
    merge_by_configuration,
    merge_by_proposal,
    select_objective,
)
from sparkexp.analysis.specs import Interval
from sparkexp.errors import InvalidArgumentError
from sparkexp.objective import Objective
from sparkexp.results.plots.panels import Band, Bars, Dots, Line, Panel, Parallel
from sparkexp.texts.counts import count
from sparkexp.trial import TrialResult

__all__ = [
    "close_generations",
    "front",
    "generations",
    "history",
    "importance",
    "parallel",
    "slices",
]

# The most parameters that one plot can show, and the most curves that can be told apart.
MAX_AXES, MAX_LINES = 12, 8


def history(
    results: Sequence[TrialResult], axes: Sequence[Axis], objectives: Sequence[Objective]
) -> list[Panel]:
    """Return a panel per objective: its value and the best so far, by trial number."""
    _with_value(results)
    return [
        _history(select_objective(results, k), objective, "" if k else "Optimisation history")
        for k, objective in enumerate(objectives)
    ]


def _history(results: Sequence[TrialResult], objective: Objective, title: str) -> Panel:
    standings = Standings(objective)
    x, y, best, names = [], [], [], []
    for r in results:
        standings.add(r)
        if r.value is not None:
            x.append(r.trial.number)
            y.append(r.value)
            best.append(standings.best.value if standings.best else math.nan)
            names.append(r.trial.id)
    ends = choose_ends(y, objective)
    marks: list[Line | Dots] = [
        *_split_dots(Dots(x, y, "trial", names=names), ends),
        Line(x, best, "best so far", steps=True),
    ]
    failed = [r.trial.number for r in results if r.went_wrong]
    low = ends[0] - 0.04 * ((ends[1] - ends[0]) or 1.0) if failed else ends[0]
    if failed:
        marks.append(Dots(failed, [low] * len(failed), "failed", crosses=True))
    shown = _make_y_ends((low, ends[1])) if max(y) > ends[1] or min(y) < ends[0] else None
    return Panel(title, "trial", objective.label, marks, y_ends=shown)


def _split_dots(dots: Dots, ends: tuple[float, float]) -> list[Dots]:
    """Return the dots on the axis, and on its edge those that lie beyond it."""
    low, high = ends
    inside = [k for k, y in enumerate(dots.y) if low <= y <= high]
    beyond = [k for k, y in enumerate(dots.y) if not low <= y <= high]
    if not beyond:
        return [dots]
    farthest = max((dots.y[k] for k in beyond), key=lambda y: max(low - y, y - high))
    label = f"{len(beyond)} beyond, {'up' if farthest > high else 'down'} to {farthest:.4g}"
    edge = [min(high, max(low, y)) for y in dots.y]
    return [
        _pick_dots(dots, inside),
        replace(_pick_dots(replace(dots, y=edge), beyond), label=label, colours=None, beyond=True),
    ]


def _pick_dots(dots: Dots, chosen: Sequence[int]) -> Dots:
    return replace(
        dots,
        x=[dots.x[k] for k in chosen],
        y=[dots.y[k] for k in chosen],
        colours=None if dots.colours is None else [dots.colours[k] for k in chosen],
        names=[dots.names[k] for k in chosen] if dots.names else (),
    )


def _make_y_ends(ends: tuple[float, float]) -> tuple[float, float]:
    """Return the ends with some room for the dots."""
    room = 0.05 * ((ends[1] - ends[0]) or 1.0)
    return ends[0] - room, ends[1] + room


def parallel(
    results: Sequence[TrialResult], axes: Sequence[Axis], objectives: Sequence[Objective]
) -> list[Panel]:
    """Return one panel with a line per configuration, through its parameters and objectives.

    The lines with the best values of the first objective are on top.
    """
    results = _per_configuration(results)
    varying, title = _select_axes("Parallel coordinates", results, axes, objectives[0])
    by_objective = [select_objective(_with_value(results), k) for k in range(len(objectives))]
    order = np.argsort([-objectives[0].loss(r.value) for r in by_objective[0]], kind="stable")
    valued = [by_objective[0][k] for k in order]
    columns = [
        axis.scale_to_unit(r.trial.params.get(axis.name) for r in valued) for axis in varying
    ]
    ticks = [axis.choose_ticks() for axis in varying]
    for single, objective in zip(by_objective, objectives, strict=True):
        values = [single[k].value or 0.0 for k in order]
        low, high = choose_ends(values, objective)
        places = np.array([(v - low) / ((high - low) or 1.0) for v in values])
        columns.append(np.clip(places, 0.0, 1.0))  # outliers lie on the edge
        marks = choose_round_ticks(low, high, 5)
        ticks.append([(((v - low) / ((high - low) or 1.0)), format_number(v)) for v in marks])
    rows = np.stack(columns, axis=1)
    whole = np.asarray(np.isfinite(rows).all(axis=1))
    mark = Parallel(
        [*map(_axis_title, varying), *(_objective_title(results, each) for each in objectives)],
        ticks,
        rows[whole].tolist(),
        _clip([r.value or 0.0 for r in compress(valued, whole.tolist())], objectives[0]),
        objectives[0].label,
    )
    return [Panel(title, "", "", [mark])]


def _clip(values: Sequence[float], objective: Objective) -> list[float]:
    low, high = choose_ends(values, objective)
    return [min(high, max(low, value)) for value in values]


def slices(
    results: Sequence[TrialResult], axes: Sequence[Axis], objectives: Sequence[Objective]
) -> list[Panel]:
    """Return a panel for each objective and parameter: one against the other."""
    results = _per_configuration(results)
    varying, title = _select_axes("", results, axes, objectives[0])
    panels: list[Panel] = []
    for k, objective in enumerate(objectives):
        valued = select_objective(_with_value(results), k)
        panels += [_slice(valued, axis, objective) for axis in varying]
    return [replace(panels[0], title=title), *panels[1:]]


def _slice(valued: Sequence[TrialResult], axis: Axis, objective: Objective) -> Panel:
    numbers = [r.trial.number for r in valued]
    x = axis.scale_to_unit(r.trial.params.get(axis.name) for r in valued)
    if not isinstance(axis.spec.domain, Interval):
        # Spread points that have the same value.
        width = min(0.12, 0.5 / len(axis.spec.domain))
        x = x + (np.array(numbers) * 0.618034 % 1 - 0.5) * width
    y, names = [r.value or 0.0 for r in valued], [r.trial.id for r in valued]
    ends = choose_ends(y, objective)
    dots = _split_dots(Dots(x.tolist(), y, "", numbers, "trial", names), ends)
    shown = _make_y_ends(ends) if len(dots) > 1 else None
    y_title = _objective_title(valued, objective)
    return Panel("", _axis_title(axis), y_title, dots, axis.choose_ticks(4), y_ends=shown)


def front(
    results: Sequence[TrialResult], axes: Sequence[Axis], objectives: Sequence[Objective]
) -> list[Panel]:
    """Return one panel: all configurations by the first two objectives, with the front marked."""
    if len(objectives) < 2:
        raise InvalidArgumentError(
            "The plot 'front' shows several objectives, and this search has one. Plot 'history'."
        )
    # Without trials that reused the result of an earlier one.
    valued = [r for r in _with_value(merge_by_configuration(results)) if r.reused_from is None]
    on_front = find_front_configurations(results, objectives)
    x, y = ([each.objective(k) for each in on_front] for k in (0, 1))
    best = Dots(x, y, "the front", names=[each.runs[0].trial.id for each in on_front], strong=True)
    ids = {run.trial.id for each in on_front for run in each.runs}
    rest = [r for r in valued if r.trial.id not in ids]
    others = Dots(
        [r.values[0] for r in rest], [r.values[1] for r in rest], "the others",
        names=[r.trial.id for r in rest],
    )  # fmt: skip
    # With more than two objectives, the front is not a line.
    line = [Line(x, y, "")] if len(objectives) == 2 else []
    title = f"The front: {len(on_front)} of {len(valued)} configurations"
    return [
        Panel(
            title,
            objectives[0].heading,
            objectives[1].heading,
            [*([others] if rest else []), *line, best],
        )
    ]


def importance(
    results: Sequence[TrialResult], axes: Sequence[Axis], objectives: Sequence[Objective]
) -> list[Panel]:
    """Return a panel per objective: what tells good trials from bad ones."""
    _select_varying(axes)
    valued = _with_value(_per_configuration(results))
    panels = []
    for k, objective in enumerate(objectives):
        shares = measure_importance(select_objective(valued, k), axes, objective)
        if not shares:
            raise InvalidArgumentError(
                f"The plot 'importance' needs at least {MIN_TRIALS} trials with a value, got "
                f"{len(valued)}. Run more, or plot 'slice'."
            )
        bars = Bars(list(shares)[:MAX_AXES], list(shares.values())[:MAX_AXES])
        title = f"Importance for {objective.label}" if len(objectives) > 1 else "Importance"
        panels.append(Panel(title, MEANING, "", [bars]))
    return panels


def generations(
    results: Sequence[TrialResult],
    axes: Sequence[Axis],
    objectives: Sequence[Objective],
    best_trials: bool = False,
) -> list[Panel]:
    """Return three panels by generation: best, mean and worst; diversity; who entered."""
    if len(objectives) > 1:
        raise InvalidArgumentError(
            "The plot 'generations' is for a search with one objective, and this one has "
            f"{len(objectives)}. Plot 'front'."
        )
    objective = objectives[0]
    closed = close_generations(results, axes, objective, best_trials)
    figures = [(g.number, g.compute_scalars(objective)) for g in closed if g.values]
    if not figures:
        raise InvalidArgumentError(
            "The plot 'generations' shows an evolutionary search, and no trial of this one has a "
            "generation and a value. Plot 'history'."
        )
    x = [number for number, _ in figures]
    of = {tag: [f[tag] for _, f in figures] for tag in figures[0][1]}
    best, mean, worst = (of[f"evolution/{name}"] for name in ("best", "mean", "worst"))
    low, high = (worst, best) if objective.maximised else (best, worst)
    fitness: list[Band | Line] = [
        Band(x, low, high, "worst to best"), Line(x, best, "best"), Line(x, mean, "mean")
    ]  # fmt: skip
    shown, _ = (
        _select_axes("", results, axes, objective, MAX_LINES)
        if any(axis.varies for axis in axes)
        else ([], "")
    )
    names = ["overall", *(axis.name for axis in shown)]
    spread = [Line(x, of[f"diversity/{name}"], name) for name in names]
    accepted = [Line(x, of["evolution/accepted_fraction"], "share that entered the population")]
    every = [r.value for r in results if r.value is not None]
    ends = choose_ends(every, objective)
    flat = objective.better(objective.worst(ends), objective.worst(worst))
    shown_ends = _make_y_ends(ends) if flat else None
    return [
        Panel("Population", "generation", objective.label, fitness, y_ends=shown_ends),
        Panel("Diversity (1: random, 0: all alike)", "generation", "", spread),
        Panel("Share of the trials that entered the population", "generation", "", accepted),
    ]


def close_generations(
    results: Sequence[TrialResult], axes: Sequence[Axis], objective: Objective, best_trials: bool
) -> list[Generation]:
    """Return the generations of a search that has ended; see `Evolution`."""
    results = merge_by_proposal(results)
    popsize = sum(r.trial.generation == 0 for r in results)
    asynchronous = _generations_overlap(results)
    if asynchronous:
        results = sorted(results, key=lambda r: r.ended)
    evolution = Evolution(axes, objective, popsize or None, asynchronous, best_trials)
    for result in results:
        evolution.add(result)
    evolution.finish()
    return evolution.closed


def _generations_overlap(results: Sequence[TrialResult]) -> bool:
    """Return whether a generation began while trials of the one before were still running."""
    ends: dict[int, float] = {}
    for r in results:
        if r.trial.generation is not None:
            ends[r.trial.generation] = max(r.ended, ends.get(r.trial.generation, 0.0))
    return any(
        r.started and r.started < ends.get(r.trial.generation - 1, 0.0)
        for r in results
        if r.trial.generation
    )


def _with_value(results: Sequence[TrialResult]) -> list[TrialResult]:
    valued = [r for r in results if r.value is not None]
    if not valued:
        raise InvalidArgumentError(
            "A plot needs at least one trial with a value, and none of the "
            f"{count(len(results), 'trial')} has one: result.failures() says why."
        )
    return valued


def _select_varying(axes: Sequence[Axis]) -> list[Axis]:
    varying = [axis for axis in axes if axis.varies]
    if not varying:
        raise InvalidArgumentError(
            "This plot needs a parameter with more than one value, and none of this search has. "
            "Plot 'history'."
        )
    return varying


def _per_configuration(results: Sequence[TrialResult]) -> list[TrialResult]:
    """Return a result per configuration, with the mean of its runs; only comparable ones."""
    return select_comparable(merge_by_configuration(results))


def _objective_title(results: Sequence[TrialResult], objective: Objective) -> str:
    return ", ".join(filter(None, [objective.label, describe_fidelity(results)]))


def _select_axes(
    title: str,
    results: Sequence[TrialResult],
    axes: Sequence[Axis],
    objective: Objective,
    n: int = MAX_AXES,
) -> tuple[list[Axis], str]:
    """Return the `n` parameters that matter most, and a title that says so if others are left."""
    varying = _select_varying(axes)
    if len(varying) <= n:
        return varying, title
    shares = measure_importance(results, varying, objective)
    chosen = {axis.name for axis in select_most_important(varying, shares, n)}
    told = f"{title}: {n} of {len(varying)} parameters, those that matter most"
    return [axis for axis in varying if axis.name in chosen], told.removeprefix(": ")


def _axis_title(axis: Axis) -> str:
    return f"{axis.name}, log scale" if axis.log else axis.name
