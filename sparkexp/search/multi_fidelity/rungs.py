"""The base class of multi-fidelity searchers: configurations, and their results on each rung."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from sparkexp.checks import as_direction, as_int
from sparkexp.errors import InvalidArgumentError
from sparkexp.objective import Objective
from sparkexp.search.base import Searcher
from sparkexp.search.multi_fidelity.fidelity import Fidelity
from sparkexp.search.multi_fidelity.packing import (
    pack,
    pack_mapping,
    unpack,
    unpack_mapping,
)
from sparkexp.search.multi_fidelity.proposals import Point, Proposals
from sparkexp.space import Space
from sparkexp.trial import Direction, ParamValue, State, Trial, TrialResult

__all__ = ["RungSearcher"]


class RungSearcher(Searcher):
    """A searcher whose trials train for a while, and whose best configurations go on.

    Every configuration has at most one trial on a rung. Its trial on the next rung is a new one,
    with the former as its parent and the next level of the fidelity as an extra argument.

    To write one, implement `_next` and the other abstract methods. If it remembers more, extend
    `_learn`, `_state` and `_restore`.

    Parameters
    ----------
    space : Space or None
        What is searched; None for a list of configurations.
    direction : {'max', 'min'}
        Whether more or less is better.
    fidelity : Fidelity
        The rungs.
    seed : int, optional
        A whole number of at least 0; by default one is drawn, and `settings` tells it.
    """

    n_configurations: int
    _more_initial = "more configurations (max_trials= or popsize=); a grid on rungs takes none"

    def __init__(
        self, space: Space | None, direction: Direction, fidelity: Fidelity, seed: int | None
    ) -> None:
        super().__init__(space)
        self.direction = as_direction(direction)
        self.directions = (self.direction,)
        self._objective = Objective(direction=self.direction)
        self.fidelity = fidelity
        self.rungs = tuple(f"{fidelity.name}={level}" for level in fidelity.levels)
        if seed is None:
            seed = int(np.random.SeedSequence().generate_state(1)[0])
        self.seed = as_int("seed", seed, at_least=0)
        self._rng = np.random.Generator(np.random.PCG64(self.seed))
        if space is not None and fidelity.name in space.names:
            raise InvalidArgumentError(
                f"fidelity={fidelity.name!r} is set by the search and can't be searched as well: "
                "leave it out of the search dict."
            )
        self._points: list[Point] = []
        self._cohorts: list[int] = []
        # Per rung, by configuration: the number of its trial, and its value once it is told.
        self._trials: list[dict[int, int]] = [{} for _ in fidelity.levels]
        self._values: list[dict[int, float | None]] = [{} for _ in fidelity.levels]
        self._configurations: dict[int, int] = {}  # by number of the trial

    @property
    @abstractmethod
    def proposals(self) -> Proposals:
        """Where the configurations come from."""

    @property
    def order_matters(self) -> bool:
        """Whether the trials depend on the order in which results are told: they do."""
        return True

    @property
    def extras(self) -> Mapping[str, Sequence[ParamValue]]:
        """The fidelity, with its levels."""
        return {self.fidelity.name: self.fidelity.levels}

    @property
    def done(self) -> bool:
        """Whether no further trial will be asked, whatever is told."""
        return super().done or (not self._open and self._next() is None)

    def progress(self) -> Mapping[str, float]:
        """Return the figures of the searcher that proposes the configurations, if one does."""
        return self.proposals.progress()

    @abstractmethod
    def plan(self) -> dict[int, int]:
        """Return the number of trials for each level of the fidelity."""

    @abstractmethod
    def count_starts(self) -> dict[int, int]:
        """Return how many trials of each level are the first one of their configuration."""

    def planned_cost(self) -> int:
        """Return the sum of training in the plan, if promoted trials go on from checkpoints."""
        levels = self.fidelity.levels
        trials, starts = self.plan(), self.count_starts()
        below = dict(zip(levels, (0, *levels), strict=False))
        return sum(
            level * n - below[level] * (n - starts.get(level, 0)) for level, n in trials.items()
        )

    def plan_rows(self) -> list[tuple[str, str]]:
        """Return the rows of the plan: the trials of each level, and what they cost."""
        unit = self.fidelity.name
        counts = ", ".join(f"{n} with {level}" for level, n in self.plan().items())
        full = self.n_configurations * self.fidelity.max
        cost = (
            f"{self.planned_cost()} of the {full} of full fidelity, if promoted trials go on from "
            "their checkpoints"
        )
        return [("trials", f"{counts} {unit}, at most"), (f"{unit} to train", cost)]

    @abstractmethod
    def _next(self) -> tuple[int | None, int] | None:
        """Return the next configuration (None for a new one) and its rung.

        Return None if there is nothing to try now. The call must not change the searcher.
        """

    @property
    def _has_genomes(self) -> bool:
        """Whether its points lie in the unit cube; otherwise they are indices into a list."""
        return self.space is not None and self.proposals.kind != "grid"

    def _max_initial(self) -> int:
        return self.n_configurations if self._has_genomes else 0

    def _propose(self, number: int) -> Trial | None:
        found = self._next()
        if found is None:
            return None
        configuration, rung = found
        if configuration is None:
            configuration = len(self._points)
            if self.space is not None and configuration < len(self._initial_params):
                point, cohort = self.space.encode(self._initial_params[configuration]).tolist(), 0
            else:
                point, cohort = self._draw(configuration, rung)
                if self.space is not None and self._has_genomes:
                    # Children and models are to start from the point that is really trained.
                    point = self.space.repair(np.array(point)).tolist()
            self._points.append(point)
            self._cohorts.append(cohort)
        self._trials[rung][configuration] = number
        self._configurations[number] = configuration
        return self._make_trial(number, configuration, rung)

    def _draw(self, configuration: int, rung: int) -> tuple[Point, int]:
        """Return a new configuration, which starts on this rung, and its cohort."""
        if rung and self.space is not None and self.proposals.learns:
            return self._rng.random(self.space.n_dims).tolist(), 0
        return self.proposals.propose(configuration, self._rng, self._find_leaders)

    def _find_leaders(self, n: int) -> list[Point]:
        """Return the n best configurations that were trained to the end."""
        return [self._points[c] for c in self._rank(self.fidelity.top)[:n]]

    def _make_trial(self, number: int, configuration: int, rung: int) -> Trial:
        below = self._trials[rung - 1].get(configuration) if rung else None
        parent = None if below is None else Trial(below, {}, rung=rung - 1).id
        params = self.proposals.decode(self._points[configuration])
        if configuration < len(self._initial_params):
            params = dict(self._initial_params[configuration])
        extra = {self.fidelity.name: self.fidelity.levels[rung]}
        return Trial(number, params, parent=parent, extra=extra, rung=rung)

    def _learn(self, result: TrialResult) -> None:
        rung = result.trial.rung or 0
        # A pruned trial has no value for this rung: its configuration isn't promoted.
        told = None if result.state is State.PRUNED else result.value
        value = None if told is None else float(told)
        configuration = self._configurations[result.trial.number]
        self._values[rung][configuration] = value
        if rung == 0:
            self.proposals.learn(configuration, replace(result, value=value))

    def _rank(self, rung: int, among: Iterable[int] | None = None) -> list[int]:
        """Return the configurations that have a value on a rung, the best first."""
        values, sign = self._values[rung], self._objective.loss_sign
        told = ((values[c], c) for c in (values if among is None else among) if c in values)
        valued = sorted((sign * value, c) for value, c in told if value is not None)
        return [configuration for _, configuration in valued]

    def _state(self) -> dict[str, Any]:
        # It is written after every trial, and there may be tens of thousands of configurations:
        # hence packed.
        return {
            "rng": self._rng.bit_generator.state,
            "points": pack(self._points),
            "cohorts": pack(self._cohorts),
            "trials": [pack_mapping(rung) for rung in self._trials],
            "values": [pack_mapping(rung) for rung in self._values],
            "proposals": self.proposals.state(),
        }

    def _restore(self, memory: Mapping[str, Any]) -> None:
        self._rng.bit_generator.state = memory["rng"]
        self._points = unpack(memory["points"]).tolist()
        self._cohorts = unpack(memory["cohorts"]).tolist()
        self._trials = [unpack_mapping(rung) for rung in memory["trials"]]
        self._values = [unpack_mapping(rung) for rung in memory["values"]]
        self._configurations = {n: c for rung in self._trials for c, n in rung.items()}
        self.proposals.restore(memory.get("proposals", {}))
