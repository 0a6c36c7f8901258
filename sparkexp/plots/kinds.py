"""From the trials of a search to the panels of its plots."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sparkexp.analysis.axes import Axis, number_text, round_ticks
from sparkexp.analysis.cost import fidelity_text
from sparkexp.analysis.generations import Evolution, Generation
from sparkexp.analysis.importance import MIN_TRIALS, in_a_forest, most_important
from sparkexp.analysis.specs import Interval
from sparkexp.errors import InvalidArgumentError
from sparkexp.plots.panels import Band, Bars, Dots, Line, Panel, Parallel
from sparkexp.trial import Direction, TrialResult

__all__ = ["closed_generations", "generations", "history", "importance", "parallel", "slices"]

# Parameters that one plot can show, and curves that can be told apart.
MAX_AXES, MAX_LINES = 12, 8


def history(
    results: Sequence[TrialResult], axes: Sequence[Axis], direction: Direction
) -> list[Panel]:
    """Return the objective of every trial, and the best so far, by number."""
    valued = _valued(results)
    x = [r.trial.number for r in valued]
    y = [r.value or 0.0 for r in valued]
    best = np.maximum.accumulate(y) if direction == "max" else np.minimum.accumulate(y)
    names = [r.trial.id for r in valued]
    marks: list[Line | Dots] = [
        Dots(x, y, "trial", names=names),
        Line(x, best.tolist(), "best so far", steps=True),
    ]
    failed = [r.trial.number for r in results if r.went_wrong]
    if failed:
        floor = min(y) - 0.04 * ((max(y) - min(y)) or 1.0)
        marks.append(Dots(failed, [floor] * len(failed), "failed", crosses=True))
    return [Panel("Optimisation history", "trial", "objective", marks)]


def parallel(
    results: Sequence[TrialResult], axes: Sequence[Axis], direction: Direction
) -> list[Panel]:
    """Return a line per trial, from its parameters to its objective, the best ones on top."""
    varying, title = _that_matter("Parallel coordinates", results, axes)
    valued = sorted(
        _valued(results), key=lambda r: (r.value or 0.0) * (1 if direction == "max" else -1)
    )
    values = [r.value or 0.0 for r in valued]
    low, high = min(values), max(values)
    columns = [axis.unit(r.trial.params.get(axis.name) for r in valued) for axis in varying]
    columns.append(np.array([(v - low) / ((high - low) or 1.0) for v in values]))
    marks = round_ticks(low, high, 5)
    ticks = [(((v - low) / ((high - low) or 1.0)), number_text(v)) for v in marks]
    rows = np.stack(columns, axis=1)
    whole = np.asarray(np.isfinite(rows).all(axis=1))
    mark = Parallel(
        [*(_title(axis) for axis in varying), _objective(results)],
        [*(axis.ticks() for axis in varying), ticks],
        rows[whole].tolist(),
        [v for v, there in zip(values, whole.tolist(), strict=True) if there],
        "objective",
    )
    return [Panel(title, "", "", [mark])]


def slices(
    results: Sequence[TrialResult], axes: Sequence[Axis], direction: Direction
) -> list[Panel]:
    """Return the objective against each parameter."""
    valued = _valued(results)
    y = [r.value or 0.0 for r in valued]
    numbers = [r.trial.number for r in valued]
    names = [r.trial.id for r in valued]
    panels: list[Panel] = []
    varying, title = _that_matter("", results, axes)
    y_title = _objective(results)
    for axis in varying:
        x = axis.unit(r.trial.params.get(axis.name) for r in valued)
        if not isinstance(axis.spec.domain, Interval):
            # Side by side where many share a value.
            width = min(0.12, 0.5 / len(axis.spec.domain))
            x = x + (np.array(numbers) * 0.618034 % 1 - 0.5) * width
        dots = Dots(x.tolist(), y, "", numbers, "trial", names)
        heading = "" if panels else title
        panels.append(Panel(heading, _title(axis), y_title, [dots], axis.ticks(4)))
    return panels


def importance(
    results: Sequence[TrialResult], axes: Sequence[Axis], direction: Direction
) -> list[Panel]:
    """Return how much worse a random forest predicts without each parameter."""
    _varying(axes)
    shares = in_a_forest(_valued(results), axes)
    if not shares:
        raise InvalidArgumentError(
            f"The importance of parameters needs {MIN_TRIALS} trials with a value, got "
            f"{len(_valued(results))}. Run more, or plot 'slice'."
        )
    bars = Bars(list(shares)[:MAX_AXES], list(shares.values())[:MAX_AXES])
    return [Panel("Importance", "share of what a random forest loses without it", "", [bars])]


def generations(
    results: Sequence[TrialResult], axes: Sequence[Axis], direction: Direction
) -> list[Panel]:
    """Return best, mean and worst, diversity and acceptance by generation."""
    closed = closed_generations(results, axes, direction)
    figures = [(g.number, g.scalars(direction)) for g in closed if g.values]
    if not figures:
        raise InvalidArgumentError(
            "The plot 'generations' shows an evolutionary search, and no trial of this one has a "
            "generation and a value. Plot 'history'."
        )
    x = [number for number, _ in figures]
    of = {tag: [f[tag] for _, f in figures] for tag in figures[0][1]}
    best, mean, worst = (of[f"evolution/{name}"] for name in ("best", "mean", "worst"))
    low, high = (worst, best) if direction == "max" else (best, worst)
    fitness: list[Band | Line] = [
        Band(x, low, high, "worst to best"), Line(x, best, "best"), Line(x, mean, "mean")
    ]  # fmt: skip
    shown, _ = _that_matter("", results, axes, MAX_LINES) if _there_vary(axes) else ([], "")
    names = ["overall", *(axis.name for axis in shown)]
    spread = [Line(x, of[f"diversity/{name}"], name) for name in names]
    accepted = [Line(x, of["evolution/accepted_fraction"], "accepted share of the children")]
    return [
        Panel("Population", "generation", "objective", fitness),
        Panel("Diversity (1: random, 0: all alike)", "generation", "", spread),
        Panel("Accepted children", "generation", "", accepted),
    ]


def closed_generations(
    results: Sequence[TrialResult], axes: Sequence[Axis], direction: Direction
) -> list[Generation]:
    """Return the generations of a search whose trials have all ended."""
    popsize = sum(r.trial.generation == 0 for r in results)
    asynchronous = _overlap(results)
    if asynchronous:
        results = sorted(results, key=lambda r: r.ended)
    evolution = Evolution(axes, direction, popsize or None, asynchronous)
    for result in results:
        evolution.add(result)
    evolution.finish()
    return evolution.closed


def _overlap(results: Sequence[TrialResult]) -> bool:
    """Tell whether generations began while trials of the last one were still running."""
    ends: dict[int, float] = {}
    for r in results:
        if r.trial.generation is not None:
            ends[r.trial.generation] = max(r.ended, ends.get(r.trial.generation, 0.0))
    return any(
        r.started and r.started < ends.get(r.trial.generation - 1, 0.0)
        for r in results
        if r.trial.generation
    )


def _valued(results: Sequence[TrialResult]) -> list[TrialResult]:
    valued = [r for r in results if r.value is not None]
    if not valued:
        raise InvalidArgumentError(
            f"A plot needs at least one trial with a value, and none of the {len(results)} trials "
            "has one: result.failures() says why."
        )
    return valued


def _varying(axes: Sequence[Axis]) -> list[Axis]:
    varying = [axis for axis in axes if axis.varies]
    if not varying:
        raise InvalidArgumentError(
            "This plot needs a parameter with more than one value, and none of this search has. "
            "Plot 'history'."
        )
    return varying


def _objective(results: Sequence[TrialResult]) -> str:
    return ", ".join(filter(None, ["objective", fidelity_text(results)]))


def _there_vary(axes: Sequence[Axis]) -> bool:
    return any(axis.varies for axis in axes)


def _that_matter(
    title: str, results: Sequence[TrialResult], axes: Sequence[Axis], n: int = MAX_AXES
) -> tuple[list[Axis], str]:
    """Return the parameters to be shown, and the title with how many of them that are."""
    varying = _varying(axes)
    if len(varying) <= n:
        return varying, title
    chosen = {axis.name for axis in most_important(results, varying, n)}
    told = f"{title}: {n} of {len(varying)} parameters, those that matter most"
    return [axis for axis in varying if axis.name in chosen], told.removeprefix(": ")


def _title(axis: Axis) -> str:
    return f"{axis.name}, log scale" if axis.log else axis.name
