"""What a search shows of itself in TensorBoard: its progress, its generations, what mattered.

It is one run, which the driver writes. A generation is one record. A resumed search continues
after the last step that it finds in the run.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from sparkexp.analysis.ancestry import find_ancestors
from sparkexp.analysis.axes import Axis
from sparkexp.analysis.cost import select_comparable
from sparkexp.analysis.description import SearchDescription
from sparkexp.analysis.generations import LEADERS, Evolution, Generation
from sparkexp.analysis.importance import measure_importance, select_most_important
from sparkexp.analysis.ranking import (
    Configuration,
    Runs,
    Standings,
    find_front_configurations,
    merge_by_configuration,
    rank_configurations,
    select_objective,
)
from sparkexp.objective import Objective
from sparkexp.texts.counts import count
from sparkexp.tracking.tensorboard.architectures import BestArchitectures, read_png_size
from sparkexp.tracking.tensorboard.events import EventFile
from sparkexp.tracking.tensorboard.inner_lines import InnerLines
from sparkexp.tracking.tensorboard.layout import (
    DESCRIPTIONS,
    MAX_CHARTS,
    TRIALS_TAG,
    Descriptions,
    make_evolution_layout,
    make_search_layout,
)
from sparkexp.tracking.tensorboard.pictures import (
    choose_colour_ends,
    draw_ancestry,
    draw_front,
    draw_importance,
    draw_population,
    draw_scatter,
)
from sparkexp.tracking.tensorboard.reading import read_last_steps
from sparkexp.tracking.tensorboard.summaries import (
    add_histogram,
    add_image,
    add_layout,
    add_scalars,
    add_text,
    make_summary,
)
from sparkexp.tracking.tensorboard.texts import format_leaderboard, format_summary
from sparkexp.trial import TrialResult

if TYPE_CHECKING:
    from tensorboard.compat.proto.summary_pb2 import Summary

__all__ = ["SearchViews"]

# The most pictures of a kind; TensorBoard's slider has a step per picture.
MAX_PICTURES = 12
MAX_SCATTERS = 6
POPULATION, FRONT, IMPORTANCE, SCATTER = (
    "pictures/generation",
    "pictures/front",
    "pictures/importance",
    "pictures/objective by",
)
MAX_FRONT = 50
# Of an architecture search: two texts, and pictures.
BEST, ANCESTRY = "architecture/best", "architecture/ancestry"
BEST_PICTURE, ANCESTRY_PICTURE = "pictures/best", "pictures/ancestry"
N_ANCESTRIES = 5
# Without generations: a leaderboard after so many trials, then whenever a fifth has been added.
TRIALS_BETWEEN_LEADERBOARDS = 10


class SearchViews:
    """Writes the views of one search.

    Parameters
    ----------
    events : EventFile
        Where to write; steps that its directory holds already are not written again.
    search : SearchDescription
        What the search is. With several objectives the front is shown instead of generations,
        because no single objective decides who survives. Where configurations have several runs,
        their means are shown everywhere but in the curves of the trials.

    Raises
    ------
    OSError
        By all methods, where the file system refuses.
    """

    def __init__(self, events: EventFile, search: SearchDescription) -> None:
        self._search = search
        self._objectives = search.objectives
        self._objective = search.objectives[0]
        mean = ", mean" * search.is_repeated
        self._headings = [each.heading + mean for each in search.objectives]
        self._axes = [Axis(spec) for spec in search.parameters]
        self._evolution = None
        if search.has_population:
            self._evolution = Evolution(
                self._axes, self._objective, search.popsize, search.asynchronous,
                search.shows_best,
            )  # fmt: skip
        # Several objectives have no best architecture.
        self._best_architectures = (
            BestArchitectures(search.architectures, self._objective)
            if search.architectures and len(search.objectives) == 1
            else None
        )
        self._results: list[TrialResult] = []
        self._by_id: dict[str, TrialResult] = {}
        self._standings = [Standings(each, k) for k, each in enumerate(self._objectives)]
        self._runs = Runs(search.repeats)
        self._n_failed = 0
        self._pending: list[Generation] = []
        self._next_leaderboard = TRIALS_BETWEEN_LEADERBOARDS
        self._steps = read_last_steps(events.directory)
        self._describe = Descriptions().take
        self._events = events
        self._inner = InnerLines(events.directory, self._objective)

    def add_earlier(self, result: TrialResult) -> None:
        """Take in a trial of an earlier process; write its step, if that process could not."""
        self._take(result)
        self._write_trial(result)
        self._write_best_architecture()

    def add(self, result: TrialResult) -> None:
        """Take in a trial that ended; write its step, and the generation that it closes."""
        self._write_layout()
        self._take(result)
        self._write_trial(result)
        self._write_best_architecture()
        self._write_pending()
        if self._evolution is None and len(self._results) >= self._next_leaderboard:
            self._write_leaderboard()
        self._events.flush()
        self._inner.flush()

    def add_figures(self, n_ended: int, figures: Mapping[str, float]) -> None:
        """Write what the searcher shows of its inside after so many trials."""
        tagged = {f"searcher/{name}": value for name, value in figures.items()}
        new = {tag: value for tag, value in tagged.items() if self._is_new(tag, n_ended)}
        if new:
            self._add_scalars(new, n_ended)

    def finish(self, complete: bool) -> None:
        """Write the summary and the pictures.

        Parameters
        ----------
        complete : bool
            Whether the search came to its end: its last generation is closed then.
        """
        if not self._results:
            return
        self._write_layout()
        if complete and self._evolution is not None:
            self._pending += self._evolution.finish()
        self._write_pending()
        self._write_inside(self._inner.take_waiting())
        self._inner.close()
        self._write_end()

    def _take(self, result: TrialResult) -> None:
        self._results.append(result)
        self._n_failed += result.went_wrong
        for standings in self._standings:
            standings.add(result)
        proposal = self._runs.add(result)
        if proposal is None:
            return
        self._by_id[proposal.trial.id] = proposal
        if self._evolution is not None:
            self._pending += self._evolution.add(proposal)

    def _write_layout(self) -> None:
        from tensorboard.plugins.custom_scalar.metadata import CONFIG_SUMMARY_TAG

        if self._is_new(CONFIG_SUMMARY_TAG, 0):
            summary = make_summary()
            named = make_search_layout(self._search.rungs, self._objectives)
            if self._evolution is not None:
                named = make_evolution_layout(self._objective, self._axes)
            add_layout(summary, named)
            self._events.add_summary(summary)

    def _is_new(self, tag: str, step: int) -> bool:
        """Tell whether the step must be written, and record it as written."""
        new = step > self._steps.get(tag, -1)
        if new:
            self._steps[tag] = step
        return new

    def _write_trial(self, result: TrialResult) -> None:
        step = len(self._results)
        inside = {}
        if len(self._objectives) == 1 and result.value is not None:
            inside = self._inner.add(step, result.value)
        if not self._is_new("trials/failed", step):
            self._write_inside(inside)
            return
        scalars: dict[str, float] = {"trials/failed": self._n_failed}
        if result.value is not None:
            values = result.values or (result.value,)
            for objective, value in zip(self._objectives, values, strict=False):
                scalars[self._make_tag("trials/objective", objective)] = value
            if result.trial.rung is not None:
                scalars[f"rungs/{result.trial.rung}"] = result.value
        for standings in self._standings:
            if standings.value is not None:
                scalars[self._make_tag("trials/best_so_far", standings.objective)] = (
                    standings.value
                )
        own = inside.pop(step, None)
        self._write_inside(inside)
        if own is not None and self._is_new(TRIALS_TAG, step):
            scalars[TRIALS_TAG] = own
        self._add_scalars(scalars, step)

    def _write_inside(self, inside: Mapping[int, float]) -> None:
        """Write trials that are no outliers, by their steps."""
        for step, value in inside.items():
            if self._is_new(TRIALS_TAG, step):
                self._add_scalars({TRIALS_TAG: value}, step)

    def _write_best_architecture(self) -> None:
        """Write the history and the ancestry of the best architecture, if it is a new one."""
        views, n = self._best_architectures, len(self._results)
        if views is None or not views.follow(self._standings[0].best, n):
            return
        if n <= self._steps.get(BEST, -1):
            return
        self._add_text(BEST, f"### After {n} trials\n\n{views.format_history()}", n)
        ancestry = views.format_ancestry(self._by_id)
        self._add_text(ANCESTRY, f"### After {n} trials\n\n{ancestry}", n)
        for name, png in views.draw():
            self._add_picture(f"{BEST_PICTURE} {name}", png, n)

    def _make_tag(self, tag: str, objective: Objective) -> str:
        return tag if len(self._objectives) == 1 else f"{tag}/{objective.label}"

    def _add_scalars(self, scalars: dict[str, float], step: int) -> None:
        summary = make_summary()
        add_scalars(summary, scalars, self._describe)
        self._events.add_summary(summary, step)

    def _write_pending(self) -> None:
        for generation in self._pending:
            if self._is_new("evolution/accepted_fraction", generation.number):
                self._write_generation(generation)
        self._pending = []

    def _write_generation(self, generation: Generation) -> None:
        self._inner.write_generation(generation)
        summary = make_summary()
        add_scalars(summary, generation.compute_scalars(self._objective), self._describe)
        for axis in self._axes:
            self._add_distribution(summary, axis, generation)
        add_histogram(summary, "population/objective", generation.values, self._describe)
        leaders = [Configuration((leader,)) for leader in generation.leaders]
        text = format_leaderboard(leaders, self._headings, self._by_id)
        heading = f"### After generation {generation.number}\n\n"
        add_text(summary, "leaderboard", heading + text, self._describe("leaderboard"))
        self._events.add_summary(summary, generation.number)

    def _add_distribution(self, summary: Summary, axis: Axis, generation: Generation) -> None:
        if not axis.varies:
            return
        values = [r.trial.params.get(axis.name) for r in generation.population]
        plotted = axis.locate(values).tolist()
        if not axis.categories:
            tag = f"population/{axis.title}"
            add_histogram(summary, tag, plotted, self._describe)
            return
        if len(axis.categories) > MAX_CHARTS:
            return
        shares = {
            f"choice/{axis.name}/{name}": plotted.count(float(k)) / max(1, len(plotted))
            for k, name in enumerate(axis.categories)
        }
        add_scalars(summary, shares, self._describe)

    def _write_leaderboard(self) -> None:
        n = len(self._results)
        self._next_leaderboard = max(n + TRIALS_BETWEEN_LEADERBOARDS, n * 6 // 5)
        text = format_leaderboard(self._rank_leaders(), self._headings, self._by_id)
        front = ": the front" * (len(self._objectives) > 1)
        self._add_text("leaderboard", f"### After {count(n, 'trial')}{front}\n\n{text}", n)

    def _rank_leaders(self) -> list[Configuration]:
        if len(self._objectives) == 1:
            return rank_configurations(self._results, self._objective)[:LEADERS]
        return find_front_configurations(self._results, self._objectives)[:MAX_FRONT]

    def _add_text(self, tag: str, text: str, step: int) -> None:
        if self._is_new(tag, step):
            summary = make_summary()
            add_text(summary, tag, text, self._describe(tag))
            self._events.add_summary(summary, step)

    def _write_end(self) -> None:
        n = len(self._results)
        if self._evolution is None:
            self._write_leaderboard()
        # A trial that trained longer is better, whatever its parameters.
        same = select_comparable(merge_by_configuration(self._results))
        by_objective = [select_objective(same, k) for k in range(len(self._objectives))]
        shares = [
            measure_importance(results, self._axes, objective)
            for results, objective in zip(by_objective, self._objectives, strict=True)
        ]
        leaders = self._rank_leaders()
        text = format_summary(
            self._results,
            leaders,
            self._objectives,
            self._headings,
            trials_by_id=self._by_id,
            about=self._search.about,
            shares=shares,
        )
        self._add_text("summary", text, n)
        self._events.flush()  # the pictures take their time
        if self._evolution is not None:
            self._draw_generations(self._evolution.closed, shares[0])
        if len(self._objectives) > 1 and leaders:
            picture = draw_front(same, leaders, self._objectives)
            self._add_picture(FRONT, picture.png, n)
        if self._best_architectures is not None:
            self._draw_ancestry(leaders, n)
        for objective, results, share in zip(self._objectives, by_objective, shares, strict=True):
            self._draw_parameters(objective, results, share, n)

    def _draw_parameters(
        self,
        objective: Objective,
        results: Sequence[TrialResult],
        shares: dict[str, float],
        n: int,
    ) -> None:
        several = len(self._objectives) > 1
        name = objective.label if several else "objective"
        if shares:
            tag = f"{IMPORTANCE} for {name}" if several else IMPORTANCE
            about = f"What mattered for {name}" if several else "What mattered"
            self._add_picture(tag, draw_importance(shares, about).png, n)
        for axis in select_most_important(self._axes, shares, MAX_SCATTERS):
            tag = f"pictures/{name} by {axis.name}"
            self._add_picture(tag, draw_scatter(results, axis, objective, name).png, n)

    def _draw_ancestry(self, leaders: Sequence[Configuration], n: int) -> None:
        best = [each.runs[0] for each in leaders[:N_ANCESTRIES]]
        lines = [[each, *find_ancestors(each, self._by_id)] for each in best]
        if any(len(line) > 1 for line in lines):
            self._add_picture(ANCESTRY_PICTURE, draw_ancestry(self._results, lines).png, n)

    def _draw_generations(
        self, generations: Sequence[Generation], shares: Mapping[str, float]
    ) -> None:
        axes = select_most_important(self._axes, shares)
        values = [value for generation in generations for value in generation.values]
        if not axes or not values:
            return
        ends = choose_colour_ends(values, self._objective)
        for generation in _select_evenly(generations, MAX_PICTURES):
            if generation.number > self._steps.get(POPULATION, -1):
                picture = draw_population(generation, axes, self._by_id, ends)
                self._add_picture(POPULATION, picture.png, generation.number)

    def _add_picture(self, tag: str, png: bytes, step: int) -> None:
        if self._is_new(tag, step):
            summary = make_summary()
            kinds = (kind for kind in (IMPORTANCE, BEST_PICTURE) if tag.startswith(kind))
            description = DESCRIPTIONS.get(next(kinds, tag)) or DESCRIPTIONS[SCATTER]
            add_image(summary, tag, png, read_png_size(png), description)
            self._events.add_summary(summary, step)


def _select_evenly(generations: Sequence[Generation], n: int) -> list[Generation]:
    """Return `n` generations at even distances, the first and the last among them."""
    if len(generations) <= n:
        return list(generations)
    last = len(generations) - 1
    return [generations[round(k * last / (n - 1))] for k in range(n)]
