"""A searcher as a user writes one, with memory and rounds, that is none of the package's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from sparkexp.checks import as_direction
from sparkexp.objective import Objective
from sparkexp.search import SeededSearcher
from sparkexp.space import Space
from sparkexp.trial import Direction, Trial, TrialResult


class ClimbingSearcher(SeededSearcher):
    """Ten random points, then rounds of ten steps from the best point so far."""

    name: ClassVar[str] = "climbing"

    def __init__(
        self,
        space: Space,
        direction: Direction = "max",
        n_trials: int = 30,
        seed: int | None = None,
    ) -> None:
        super().__init__(space, seed)
        self.directions = (as_direction(direction),)
        self._objective = Objective(direction=direction)
        self._n_trials = n_trials
        self._start: dict[str, Any] | None = None
        self._best: tuple[float, int, dict[str, Any]] | None = None

    @property
    def n_trials(self) -> int:
        return self._n_trials

    def settings(self) -> dict[str, Any]:
        named = {"direction": self.directions[0], "n_trials": self._n_trials}
        return {**named, **super().settings()}

    def _propose(self, number: int) -> Trial | None:
        if number % 10 == 0:
            if self._open:
                return None  # a round begins when the one before has ended
            self._start = self._best[2] if self._best else None
        return Trial(number, self.space.decode(self._draw_allowed(self._draw)))

    def _draw(self) -> Any:
        if self._start is None:
            return self._rng.random(self.space.n_dims)
        start = self.space.encode(self._start)
        return np.clip(self._rng.normal(start, 0.1), 0, np.nextafter(1, 0))

    def _learn(self, result: TrialResult) -> None:
        if result.value is not None:
            found = (self._objective.loss(result.value), result.trial.number, result.trial.params)
            self._best = min([found, *([self._best] if self._best else [])], key=lambda f: f[:2])

    def _state(self) -> dict[str, Any]:
        best = self._best and [*self._best[:2], dict(self._best[2])]
        start = None if self._start is None else dict(self._start)
        return {**super()._state(), "start": start, "best": best}

    def _restore(self, memory: Mapping[str, Any]) -> None:
        super()._restore(memory)
        self._start = memory["start"]
        self._best = memory["best"] and tuple(memory["best"])
