"""What a search shows of itself in TensorBoard: its progress, its generations, what mattered.

One run, written by the driver. A generation is one record; a search that is taken up again goes
on after the last step that it finds.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from sparkexp.analysis.axes import Axis
from sparkexp.analysis.cost import comparable
from sparkexp.analysis.generations import Evolution, Generation, best_of, by_value
from sparkexp.analysis.importance import alone, most_important
from sparkexp.analysis.specs import HParamSpec
from sparkexp.tracking.events import EventFile
from sparkexp.tracking.layout import DESCRIPTIONS, MAX_CHARTS, evolution_layout, search_layout
from sparkexp.tracking.pictures import SIZE_PX, draw_importance, draw_population, draw_scatter
from sparkexp.tracking.reading import last_steps
from sparkexp.tracking.summaries import (
    add_histogram,
    add_image,
    add_layout,
    add_scalars,
    add_text,
    new_summary,
)
from sparkexp.tracking.texts import about_text, leaderboard_text
from sparkexp.trial import Direction, TrialResult

if TYPE_CHECKING:
    from tensorboard.compat.proto.summary_pb2 import Summary

__all__ = ["SearchViews"]

# Of each kind; TensorBoard's slider has a step per picture.
MAX_PICTURES = 12
MAX_SCATTERS = 6
POPULATION, IMPORTANCE, SCATTER = (
    "pictures/generation",
    "pictures/importance",
    "pictures/objective by",
)
LEADERS = 10
# Without generations: a leaderboard after so many trials, and each time a fifth has been added.
TRIALS_BETWEEN_LEADERBOARDS = 10


class SearchViews:
    """Writes the views of one search.

    Parameters
    ----------
    events : EventFile
        Where to write; what its directory holds already is not written again.
    specs : iterable of HParamSpec
        The parameters.
    direction : {'max', 'min'}
        Which value is the best.
    objective : str
        What the objective is called.
    evolution : bool
        Whether the trials have generations.
    popsize : int, optional
        Trials of a generation.
    about : str
        Markdown: what the search is, and how to repeat it.
    asynchronous : bool
        Whether trials enter the population one by one.
    rungs : sequence of str
        What trials get on the rungs of a multi-fidelity search.

    Raises
    ------
    OSError
        By all methods, where the file system refuses.
    """

    def __init__(
        self,
        events: EventFile,
        specs: Iterable[HParamSpec],
        direction: Direction,
        objective: str,
        evolution: bool,
        popsize: int | None,
        about: str,
        asynchronous: bool = False,
        rungs: Sequence[str] = (),
    ) -> None:
        self._rungs = tuple(rungs)
        self._axes = [Axis(spec) for spec in specs]
        self._direction: Direction = direction
        self._objective = objective
        self._about = about
        self._evolution = (
            Evolution(self._axes, direction, popsize, asynchronous) if evolution else None
        )
        self._results: list[TrialResult] = []
        self._by_id: dict[str, TrialResult] = {}
        self._best: TrialResult | None = None
        self._n_failed = 0
        self._pending: list[Generation] = []
        self._next_leaderboard = TRIALS_BETWEEN_LEADERBOARDS
        self._steps = last_steps(events.directory)
        self._described: set[str] = set()
        self._events = events

    def known(self, result: TrialResult) -> None:
        """Take in a trial that ended in an earlier process."""
        self._take(result)

    def ended(self, result: TrialResult) -> None:
        """Write that a trial ended, and the generation that it closes."""
        self._write_layout()
        self._take(result)
        self._write_trial(result)
        self._write_pending()
        if self._evolution is None and len(self._results) >= self._next_leaderboard:
            self._write_leaderboard()
        self._events.flush()

    def finish(self, complete: bool) -> None:
        """Write the summary and the pictures.

        Parameters
        ----------
        complete : bool
            Whether the search came to its end, and so its last generation.
        """
        if not self._results:
            return
        self._write_layout()
        if complete and self._evolution is not None:
            self._pending += self._evolution.finish()
        self._write_pending()
        self._write_end()

    def _take(self, result: TrialResult) -> None:
        self._results.append(result)
        self._by_id[result.trial.id] = result
        self._n_failed += result.went_wrong
        leading = [r for r in (self._best, result) if r is not None]
        self._best = best_of(leading, self._direction)
        if self._evolution is not None:
            self._pending += self._evolution.add(result)

    def _write_layout(self) -> None:
        from tensorboard.plugins.custom_scalar.metadata import CONFIG_SUMMARY_TAG

        if self._is_new(CONFIG_SUMMARY_TAG, 0):
            summary = new_summary()
            named = search_layout(self._rungs)
            if self._evolution is not None:
                named = evolution_layout(self._direction, self._axes)
            add_layout(summary, named)
            self._events.add_summary(summary)

    def _is_new(self, tag: str, step: int) -> bool:
        """Tell whether the step is to be written, and note that it is."""
        new = step > self._steps.get(tag, -1)
        if new:
            self._steps[tag] = step
        return new

    def _write_trial(self, result: TrialResult) -> None:
        step = len(self._results)
        if not self._is_new("trials/failed", step):
            return
        scalars: dict[str, float] = {"trials/failed": self._n_failed}
        if result.value is not None:
            scalars["trials/objective"] = result.value
            if result.trial.rung is not None:
                scalars[f"rungs/{result.trial.rung}"] = result.value
        if self._best is not None and self._best.value is not None:
            scalars["trials/best_so_far"] = self._best.value
        self._add_scalars(scalars, step)

    def _add_scalars(self, scalars: dict[str, float], step: int) -> None:
        summary = new_summary()
        # A description counts where it comes first.
        new = scalars.keys() - self._described
        add_scalars(summary, scalars, DESCRIPTIONS if new else {})
        self._described |= new
        self._events.add_summary(summary, step)

    def _write_pending(self) -> None:
        for generation in self._pending:
            if self._is_new("evolution/accepted_fraction", generation.number):
                self._write_generation(generation)
        self._pending = []

    def _write_generation(self, generation: Generation) -> None:
        summary = new_summary()
        add_scalars(summary, generation.scalars(self._direction), DESCRIPTIONS)
        for axis in self._axes:
            self._add_distribution(summary, axis, generation)
        add_histogram(
            summary,
            "population/objective",
            generation.values,
            DESCRIPTIONS["population/objective"],
        )
        leaders = by_value(generation.population, self._direction)[:LEADERS]
        text = leaderboard_text(leaders, self._objective, self._by_id)
        heading = f"### After generation {generation.number}\n\n"
        add_text(summary, "leaderboard", heading + text, DESCRIPTIONS["leaderboard"])
        self._events.add_summary(summary, generation.number)

    def _add_distribution(self, summary: Summary, axis: Axis, generation: Generation) -> None:
        if not axis.varies:
            return
        values = [r.trial.params.get(axis.name) for r in generation.population]
        plotted = axis.plotted(values).tolist()
        if not axis.categories:
            tag = f"population/{axis.title}"
            add_histogram(summary, tag, plotted, DESCRIPTIONS["population/*"])
            return
        if len(axis.categories) > MAX_CHARTS:
            return
        shares = {
            f"choice/{axis.name}/{name}": plotted.count(float(k)) / max(1, len(plotted))
            for k, name in enumerate(axis.categories)
        }
        add_scalars(summary, shares, DESCRIPTIONS)

    def _write_leaderboard(self) -> None:
        n = len(self._results)
        self._next_leaderboard = max(n + TRIALS_BETWEEN_LEADERBOARDS, n * 6 // 5)
        leaders = by_value(self._results, self._direction)[:LEADERS]
        text = leaderboard_text(leaders, self._objective, self._by_id)
        self._add_text("leaderboard", f"### After {n} trials\n\n{text}", n)

    def _add_text(self, tag: str, text: str, step: int) -> None:
        if self._is_new(tag, step):
            summary = new_summary()
            add_text(summary, tag, text, DESCRIPTIONS.get(tag, ""))
            self._events.add_summary(summary, step)

    def _write_end(self) -> None:
        n = len(self._results)
        if self._evolution is None:
            self._write_leaderboard()
        same = comparable(self._results)  # what trained longer is better whatever its parameters
        shares = alone(same, self._axes)
        text = about_text(self._results, self._direction, self._objective, self._about, shares)
        self._add_text("summary", text, n)
        self._events.flush()  # the pictures take their time
        if self._evolution is not None:
            self._draw_generations(self._evolution.closed)
        if shares:
            self._add_picture(IMPORTANCE, draw_importance(shares).png, n)
        for axis in most_important(same, self._axes, MAX_SCATTERS):
            tag = f"{SCATTER} {axis.name}"
            self._add_picture(tag, draw_scatter(same, axis).png, n)

    def _draw_generations(self, generations: Sequence[Generation]) -> None:
        axes = most_important(self._results, self._axes)
        values = [value for generation in generations for value in generation.values]
        if not axes or not values:
            return
        ends = _colour_ends(values, self._direction)
        for generation in _spread(generations, MAX_PICTURES):
            if generation.number > self._steps.get(POPULATION, -1):
                picture = draw_population(generation, axes, self._by_id, ends)
                self._add_picture(POPULATION, picture.png, generation.number)

    def _add_picture(self, tag: str, png: bytes, step: int) -> None:
        if self._is_new(tag, step):
            summary = new_summary()
            description = DESCRIPTIONS.get(tag) or DESCRIPTIONS[SCATTER]
            add_image(summary, tag, png, SIZE_PX, description)
            self._events.add_summary(summary, step)


def _colour_ends(values: Sequence[float], direction: Direction) -> tuple[float, float]:
    """Return the range of values to be coloured: the worst tenth shares a colour."""
    ordered = sorted(values)
    cut = len(ordered) // 10
    low, high = (
        (ordered[cut], ordered[-1]) if direction == "max" else (ordered[0], ordered[-1 - cut])
    )
    return low, high


def _spread(generations: Sequence[Generation], n: int) -> list[Generation]:
    """Return the first, the last and others between them at even distances."""
    if len(generations) <= n:
        return list(generations)
    last = len(generations) - 1
    return [generations[round(k * last / (n - 1))] for k in range(n)]
