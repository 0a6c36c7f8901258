"""The generations of an evolutionary search, as they follow from its trials alone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from sparkexp.analysis.axes import Axis
from sparkexp.analysis.selection import as_good
from sparkexp.objective import Objective
from sparkexp.trial import TrialResult

__all__ = ["LEADERS", "Evolution", "Generation", "by_value"]

LEADERS = 10


@dataclass(frozen=True)
class Generation:
    """A generation whose trials have ended.

    Parameters
    ----------
    number : int
        From 0, the initial population.
    trials : tuple of TrialResult
        What was tried.
    population : tuple of TrialResult
        Who is left of parents and children after the selection, those without a value too. Of an
        best_trials: the best trials so far.
    accepted : tuple of TrialResult
        The trials that entered the population.
    leaders : tuple of TrialResult
        The best trials up to now, ten at most, each configuration once. They need not be members:
        a child may have taken the place of one, and another may have found no place.
    n_trials : int
        Trials up to now.
    diversity : Mapping[str, float]
        Of the population, by parameter; see `Axis.diversity`.
    """

    number: int
    trials: tuple[TrialResult, ...]
    population: tuple[TrialResult, ...]
    accepted: tuple[TrialResult, ...]
    leaders: tuple[TrialResult, ...]
    n_trials: int
    diversity: Mapping[str, float]

    @property
    def values(self) -> list[float]:
        """The objective of the population's members, where they have one."""
        return [r.value for r in self.population if r.value is not None]

    @property
    def n_failed(self) -> int:
        """How many of its trials failed."""
        return sum(r.went_wrong for r in self.trials)

    @property
    def n_reused(self) -> int:
        """How many of its trials took over the result of an equal one."""
        return sum(r.reused_from is not None for r in self.trials)

    def scalars(self, objective: Objective) -> dict[str, float]:
        """Return the generation's figures, by their tags in TensorBoard."""
        figures: dict[str, float] = {}
        if values := self.values:
            figures["evolution/best"] = objective.best(values)
            figures["evolution/mean"] = float(np.mean(values))
            figures["evolution/worst"] = objective.worst(values)
        if self.leaders and (best := self.leaders[0].value) is not None:
            figures["evolution/best_so_far"] = best
        figures["evolution/accepted_fraction"] = len(self.accepted) / len(self.trials)
        figures["evolution/failed_trials"] = self.n_failed
        figures["evolution/reused_evaluations"] = self.n_reused
        figures["diversity/overall"] = float(np.mean([*self.diversity.values()] or [0.0]))
        figures |= {f"diversity/{name}": value for name, value in self.diversity.items()}
        return figures


class Evolution:
    """Follows an evolutionary search: takes its trials as they end, and closes its generations.

    A generation is closed when its `popsize` trials have ended; in an asynchronous search when any
    so many have, as it begins the next one while some of the last still run. A trial without a
    parent joins the population while there is room, and else competes with its worst member; one
    with a parent competes with whoever has the parent's place by then. Who is at least as good
    gets the place.

    Parameters
    ----------
    axes : sequence of Axis
        The parameters.
    objective : Objective
        What is optimised.
    popsize : int, optional
        Size of the population and of a generation. Where it is unknown, a generation is closed
        when a trial of a later one ends, and there is always room.
    asynchronous : bool
        Whether trials enter the population one by one as they end, or a generation at once in the
        order of their numbers.
    best_trials : bool
        Whether the population is the best trials so far, whomever children compete with: each
        competes with the worst member, whatever its parent. See `Searcher.shows_best`.
    """

    def __init__(
        self,
        axes: Sequence[Axis],
        objective: Objective,
        popsize: int | None = None,
        asynchronous: bool = False,
        best_trials: bool = False,
    ) -> None:
        self._axes = [axis for axis in axes if axis.varies]
        self._objective = objective
        self._popsize = popsize
        self._asynchronous = asynchronous
        self._best_trials = best_trials
        self._open: list[TrialResult] = []
        self._population: list[TrialResult] = []
        self._places: dict[str, int] = {}  # of all trials that were members once
        self._leaders: tuple[TrialResult, ...] = ()
        self._n_trials = 0
        self.closed: list[Generation] = []

    def add(self, result: TrialResult) -> list[Generation]:
        """Take in a trial that ended, and return the generations that it closes."""
        number = result.trial.generation
        if number is None:
            return []
        closed = []
        if self._popsize is None and self._open and number > self._next:
            closed.append(self._close(self._open))
        self._open.append(result)
        while self._popsize is not None and len(ready := self._lowest()) >= self._popsize:
            closed.append(self._close(ready))
        return closed

    def finish(self) -> list[Generation]:
        """Close what is open, at the end of a search that came to its end."""
        closed = []
        while self._open:
            closed.append(self._close(self._lowest()))
        return closed

    @property
    def _next(self) -> int:
        """Number of the open generation: the lowest one of its trials, and never one twice."""
        lowest = min((r.trial.generation or 0 for r in self._open), default=0)
        return max(lowest, self.closed[-1].number + 1) if self.closed else lowest

    def _lowest(self) -> list[TrialResult]:
        """Return the open trials of the open generation: all of them, if they enter one by one."""
        if self._asynchronous or self._popsize is None:
            return self._open
        return [r for r in self._open if (r.trial.generation or 0) <= self._next]

    def _close(self, ended: Sequence[TrialResult]) -> Generation:
        number = self._next
        trials = tuple(ended)
        if not self._asynchronous:
            trials = tuple(sorted(trials, key=lambda r: r.trial.number))
        entered = {r.trial.number for r in trials}
        self._open = [r for r in self._open if r.trial.number not in entered]
        accepted = tuple(r for r in trials if self._enter(r) and r.value is not None)
        self._n_trials += len(trials)
        own = (r for r in trials if r.reused_from is None)
        self._leaders = tuple(by_value((*self._leaders, *own), self._objective)[:LEADERS])
        population = tuple(self._population)
        diversity = {
            axis.name: axis.diversity(r.trial.params.get(axis.name) for r in population)
            for axis in self._axes
        }
        generation = Generation(
            number,
            trials,
            population,
            accepted,
            leaders=self._leaders,
            n_trials=self._n_trials,
            diversity=diversity,
        )
        self.closed.append(generation)
        return generation

    def _enter(self, child: TrialResult) -> bool:
        """Let a trial compete for its place, and return whether it got it."""
        place = None if self._best_trials else self._places.get(child.trial.parent or "")
        if place is None and self._has_room:
            place = len(self._population)
            self._population.append(child)
        elif place is None:
            place = self._worst_place()
        if not as_good(child.value, self._population[place].value, self._objective):
            return False
        self._population[place] = child
        self._places[child.trial.id] = place
        return True

    @property
    def _has_room(self) -> bool:
        return self._popsize is None or len(self._population) < self._popsize

    def _worst_place(self) -> int:
        return int(np.argmax([self._objective.loss(r.value) for r in self._population]))


def by_value(results: Iterable[TrialResult], objective: Objective) -> list[TrialResult]:
    """Return the trials that succeeded with a value, the best first: those of the highest rung."""
    valued = [r for r in results if r.succeeded and r.value is not None]
    return sorted(
        valued, key=lambda r: (-(r.trial.rung or 0), objective.loss(r.value), r.trial.number)
    )
