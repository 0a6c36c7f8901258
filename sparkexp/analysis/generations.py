"""The generations of an evolutionary search, as they follow from its trials alone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from sparkexp.analysis.axes import Axis
from sparkexp.analysis.selection import as_good
from sparkexp.trial import Direction, TrialResult

__all__ = ["Evolution", "Generation", "best_of", "by_value"]


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
        Who is left of parents and children after the selection, those without a value too.
    accepted : tuple of TrialResult
        The trials that entered the population.
    best_so_far : TrialResult or None
        The best trial up to now.
    n_trials : int
        Trials up to now.
    diversity : Mapping[str, float]
        Of the population, by parameter; see `Axis.diversity`.
    """

    number: int
    trials: tuple[TrialResult, ...]
    population: tuple[TrialResult, ...]
    accepted: tuple[TrialResult, ...]
    best_so_far: TrialResult | None
    n_trials: int
    diversity: Mapping[str, float]

    @property
    def values(self) -> list[float]:
        """The objective of the population's members, where they have one."""
        return [r.value for r in self.population if r.value is not None]

    @property
    def n_failed(self) -> int:
        """How many of its trials failed."""
        return sum(not r.succeeded for r in self.trials)

    @property
    def n_reused(self) -> int:
        """How many of its trials took over the result of an equal one."""
        return sum(r.reused_from is not None for r in self.trials)

    def scalars(self, direction: Direction) -> dict[str, float]:
        """Return the generation's figures, by their tags in TensorBoard."""
        figures: dict[str, float] = {}
        if values := self.values:
            ordered = sorted(values, reverse=direction == "max")
            figures["evolution/best"] = ordered[0]
            figures["evolution/mean"] = float(np.mean(values))
            figures["evolution/worst"] = ordered[-1]
        if self.best_so_far is not None and self.best_so_far.value is not None:
            figures["evolution/best_so_far"] = self.best_so_far.value
        figures["evolution/accepted_fraction"] = len(self.accepted) / len(self.trials)
        figures["evolution/failed_trials"] = self.n_failed
        figures["evolution/reused_evaluations"] = self.n_reused
        figures["diversity/overall"] = float(np.mean([*self.diversity.values()] or [0.0]))
        figures |= {f"diversity/{name}": value for name, value in self.diversity.items()}
        return figures


class Evolution:
    """Follows an evolutionary search: takes its trials as they end, and closes its generations.

    A generation is closed when `popsize` of its trials have ended, or when one of a later
    generation ends; a straggler then counts to the next one. A trial without a parent joins the
    population, one with a parent replaces it if it is at least as good.

    Parameters
    ----------
    axes : sequence of Axis
        The parameters.
    direction : {'max', 'min'}
        Which value is the best.
    popsize : int, optional
        Trials of a generation, where that is known.
    """

    def __init__(
        self, axes: Sequence[Axis], direction: Direction, popsize: int | None = None
    ) -> None:
        self._axes = [axis for axis in axes if axis.varies]
        self._direction = direction
        self._popsize = popsize
        self._open: list[TrialResult] = []
        self._population: dict[str, TrialResult] = {}
        self._best: TrialResult | None = None
        self._n_trials = 0
        self.closed: list[Generation] = []

    def add(self, result: TrialResult) -> list[Generation]:
        """Take in a trial that ended, and return the generations that it closes."""
        closed = []
        number = result.trial.generation
        if number is None:
            return []
        if self._open and number > self._next:
            closed.append(self._close())
        self._open.append(result)
        if self._popsize is not None and len(self._open) >= self._popsize:
            closed.append(self._close())
        return closed

    def finish(self) -> list[Generation]:
        """Close the generation that is open, at the end of a search that came to its end."""
        return [self._close()] if self._open else []

    @property
    def _next(self) -> int:
        """Number of the open generation: the lowest one of its trials, and never one twice."""
        lowest = min((r.trial.generation or 0 for r in self._open), default=0)
        return max(lowest, self.closed[-1].number + 1) if self.closed else lowest

    def _close(self) -> Generation:
        number, trials = self._next, tuple(sorted(self._open, key=lambda r: r.trial.number))
        self._open = []
        accepted = self._select(trials)
        self._n_trials += len(trials)
        self._best = best_of((*trials, *filter(None, [self._best])), self._direction)
        population = tuple(self._population.values())
        diversity = {
            axis.name: axis.diversity(r.trial.params.get(axis.name) for r in population)
            for axis in self._axes
        }
        generation = Generation(
            number, trials, population, accepted, self._best, self._n_trials, diversity
        )
        self.closed.append(generation)
        return generation

    def _select(self, trials: tuple[TrialResult, ...]) -> tuple[TrialResult, ...]:
        children = [r for r in trials if r.trial.parent is not None]
        if not children:  # nobody competes: the generation takes the place of the one before
            self._population = {r.trial.id: r for r in trials}
            return tuple(r for r in trials if r.value is not None)
        accepted = []
        for child in trials:
            parent = self._population.get(child.trial.parent or "")
            held = None if parent is None else parent.value
            if not as_good(child.value, held, self._direction):
                continue
            self._population.pop(child.trial.parent or "", None)
            self._population[child.trial.id] = child
            if child.value is not None:
                accepted.append(child)
        return tuple(accepted)


def best_of(results: Iterable[TrialResult], direction: Direction) -> TrialResult | None:
    """Return the best trial, the earliest of equals; None if none has a value."""
    return next(iter(by_value(results, direction)), None)


def by_value(results: Iterable[TrialResult], direction: Direction) -> list[TrialResult]:
    """Return the trials that succeeded with a value, the best first."""
    sign = -1.0 if direction == "max" else 1.0
    valued = [r for r in results if r.succeeded and r.value is not None]
    return sorted(valued, key=lambda r: (sign * (r.value or 0.0), r.trial.number))
