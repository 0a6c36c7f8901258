"""The generations of an evolutionary search, as they follow from its trials alone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from sparkexp.analysis.axes import Axis
from sparkexp.analysis.selection import survives
from sparkexp.objective import Objective
from sparkexp.trial import TrialResult

__all__ = ["LEADERS", "Evolution", "Generation", "sort_by_value"]

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
        The survivors of the selection among parents and children, those without a value too. With
        `best_trials` of `Evolution` these are the best trials so far.
    accepted : tuple of TrialResult
        The trials that entered the population.
    leaders : tuple of TrialResult
        The best trials up to now, ten at most, each configuration once. They need not be in the
        population: a child may have replaced one, and another may never have been accepted.
    n_trials : int
        Trials up to now.
    diversity : Mapping[str, float]
        Of the population, by parameter; see `Axis.measure_diversity`.
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

    def compute_scalars(self, objective: Objective) -> dict[str, float]:
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

    A generation is closed when its `popsize` trials have ended. An asynchronous search starts a
    generation while trials of the last one still run: there, any `popsize` trials that ended close
    a generation.

    A trial with a parent competes with its parent, or with the trial that has replaced the parent
    meanwhile. A trial without a parent joins the population while that has fewer than `popsize`
    members, and then competes with the worst member. A child that is at least as good replaces the
    member that it competes with.

    Parameters
    ----------
    axes : sequence of Axis
        The parameters.
    objective : Objective
        What is optimised.
    popsize : int, optional
        Size of the population and of a generation. Where it is unknown, a generation is closed
        when a trial of a later one ends, and the population has no limit.
    asynchronous : bool
        Whether trials enter the population one by one as they end. Otherwise a whole generation
        enters at once, in the order of the trials' numbers.
    best_trials : bool
        Whether the population is the best trials so far: each trial competes with the worst
        member, whatever its parent. See `Searcher.shows_best`.
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
        self._indices: dict[str, int] = {}  # in the population, of all that have been members
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
        # Too few is soon seen; to list the ready ones takes longer.
        while self._popsize is not None and len(self._open) >= self._popsize:
            ready = self._list_ready()
            if len(ready) < self._popsize:
                break
            closed.append(self._close(ready))
        return closed

    def finish(self) -> list[Generation]:
        """Close the open generations, at the end of a complete search, and return them."""
        closed = []
        while self._open:
            closed.append(self._close(self._list_ready()))
        return closed

    @property
    def _next(self) -> int:
        """The number of the open generation: its trials' lowest, but above all closed ones."""
        lowest = min((r.trial.generation or 0 for r in self._open), default=0)
        return max(lowest, self.closed[-1].number + 1) if self.closed else lowest

    def _list_ready(self) -> list[TrialResult]:
        """Return the trials that belong to the open generation: all, if they enter one by one."""
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
        self._leaders = tuple(sort_by_value((*self._leaders, *own), self._objective)[:LEADERS])
        population = tuple(self._population)
        diversity = {
            axis.name: axis.measure_diversity(r.trial.params.get(axis.name) for r in population)
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
        """Let a trial compete with a member, and return whether it entered the population."""
        index = None if self._best_trials else self._indices.get(child.trial.parent or "")
        if index is None and self._has_room:
            index = len(self._population)
            self._population.append(child)
        elif index is None:
            index = self._find_worst()
        member = self._population[index]
        violations = (child.violation, member.violation)
        if not survives(child.value, member.value, self._objective, violations):
            return False
        self._population[index] = child
        self._indices[child.trial.id] = index
        return True

    @property
    def _has_room(self) -> bool:
        return self._popsize is None or len(self._population) < self._popsize

    def _find_worst(self) -> int:
        members = self._population
        return max(range(len(members)), key=lambda k: _rank(members[k], self._objective))


def sort_by_value(results: Iterable[TrialResult], objective: Objective) -> list[TrialResult]:
    """Return the trials that succeeded with a value, by rung from the highest, the best first.

    Those that satisfy the constraints come before those that don't.
    """
    valued = [r for r in results if r.succeeded and r.value is not None]
    return sorted(
        valued, key=lambda r: (-(r.trial.rung or 0), *_rank(r, objective)[1:], r.trial.number)
    )


def _rank(result: TrialResult, objective: Objective) -> tuple[bool, float, float]:
    """Return what orders trials: those without a value last, then by violation, then by loss."""
    return result.value is None, result.violation, objective.loss(result.value)
