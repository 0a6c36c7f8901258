"""Draws a plot of a search: `draw`."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal, get_args

from sparkexp.errors import EnvironmentUnfitError, InvalidArgumentError
from sparkexp.objective import Objective
from sparkexp.trial import TrialResult

if TYPE_CHECKING:
    from sparkexp.analysis.axes import Axis
    from sparkexp.results.plots.panels import Panel

__all__ = ["BACKENDS", "KINDS", "Backend", "Kind", "draw"]

Kind = Literal["history", "parallel", "slice", "importance", "generations", "front"]
Backend = Literal["matplotlib", "plotly"]
KINDS: tuple[Kind, ...] = get_args(Kind)
BACKENDS: tuple[Backend, ...] = get_args(Backend)
# Larger numbers leave no room for sums and differences of them.
MAX_DRAWN = 1e300


def draw(
    kind: Kind,
    results: Sequence[TrialResult],
    axes: Sequence[Axis],
    objectives: Sequence[Objective],
    backend: Backend = "matplotlib",
    best_trials: bool = False,
) -> Any:
    """Return a figure of a search.

    Parameters
    ----------
    kind : {'history', 'parallel', 'slice', 'importance', 'generations', 'front'}
        The kind of plot.
    results : sequence of TrialResult
        The trials.
    axes : sequence of Axis
        The parameters.
    objectives : sequence of Objective
        The objectives.
    backend : {'matplotlib', 'plotly'}
        The library that draws.
    best_trials : bool
        Whether the population of a generation is shown as the best trials so far.

    Raises
    ------
    InvalidArgumentError
        If there is no such kind or backend, or the trials have nothing for this plot.
    EnvironmentUnfitError
        If the library is not installed.
    """
    if kind not in KINDS:
        raise InvalidArgumentError(
            f"A plot must be one of {', '.join(map(repr, KINDS))}, got {kind!r}. Write for "
            "example result.plot('history')."
        )
    if backend not in BACKENDS:
        raise InvalidArgumentError(
            f"backend must be 'matplotlib' or 'plotly', got {backend!r}. Leave it out for "
            "matplotlib."
        )
    from sparkexp.results.plots import kinds

    makers: dict[Kind, Callable[..., list[Panel]]] = {
        "history": kinds.history,
        "parallel": kinds.parallel,
        "slice": kinds.slices,
        "importance": kinds.importance,
        "generations": functools.partial(kinds.generations, best_trials=best_trials),
        "front": kinds.front,
    }
    limited = [_limit(each) for each in results]
    panels = makers[kind](limited, axes, objectives)
    if any(one is not other for one, other in zip(limited, results, strict=True)):
        told = f"values beyond ±{MAX_DRAWN:g} count as that"
        title = "; ".join(filter(None, [panels[0].title, told]))
        panels = [replace(panels[0], title=title), *panels[1:]]
    try:
        if backend == "plotly":
            from sparkexp.results.plots.with_plotly import render_plotly

            return render_plotly(panels)
        from sparkexp.results.plots.with_matplotlib import render_matplotlib

        return render_matplotlib(panels)
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in BACKENDS:
            raise
        raise EnvironmentUnfitError(
            f"Plots are drawn with {backend}, which is not installed: "
            "pip install 'sparkexp[plots]'."
        ) from error


def _limit(result: TrialResult) -> TrialResult:
    """Return a result whose values can be drawn: the same one, if they can."""
    if all(abs(v) <= MAX_DRAWN for v in (result.value or 0.0, *result.values)):
        return result
    value = None if result.value is None else _clip(result.value)
    return replace(result, value=value, values=tuple(map(_clip, result.values)))


def _clip(value: float) -> float:
    return max(-MAX_DRAWN, min(MAX_DRAWN, value))
