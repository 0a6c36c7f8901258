"""Tournaments of two: the worse dies, and the better has a child."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from sparkexp.search.architecture.mutating import FEWEST, MutatingSearcher
from sparkexp.search.evolution.population import NOBODY
from sparkexp.search.evolution.variation import Vector, draw_distinct
from sparkexp.space import Space
from sparkexp.trial import Direction, ParamValue, Trial, TrialResult

__all__ = ["TournamentSearcher"]


@dataclass(frozen=True)
class _Killed:
    """A member whose place is kept for a child in flight."""

    genome: list[float]
    losses: list[float]
    holder: int


class TournamentSearcher(MutatingSearcher):
    """Draws two members: the worse is removed, the better is copied and mutated.

    Until the members and the trials in flight are as many as the population, configurations are
    random. If a child fails, the member that was removed for it comes back, so that the population
    keeps its size. No trial waits for another.

    A child goes on from the checkpoints of its parent, `Trial.checkpoint`, so that a train
    function can copy the weights that fit.

    Parameters
    ----------
    space : Space
        What is searched, an architecture or anything else.
    direction : {'max', 'min'}
        Which value is the best.
    n_trials : int, optional
        The number of trials, at least 1; None for no limit.
    population : int, optional
        The size of the population, at least 2; by default a tenth of `n_trials`, but at least 10
        and at most 50.
    inherit : bool
        Whether children get the checkpoints of their parents.
    seed : int, optional
        A whole number of at least 0; by default one is drawn, which `settings` returns.

    Raises
    ------
    InvalidArgumentError
        If a setting is out of its range.

    References
    ----------
    E. Real, S. Moore, A. Selle, S. Saxena, Y. L. Suematsu, J. Tan, Q. V. Le, A. Kurakin (2017).
    Large-scale evolution of image classifiers. International Conference on Machine Learning,
    2902-2911: section 3.1.

    Examples
    --------
    >>> space = Space.from_search_dict({'units': [16, 32, 64], 'rate': [0.0, 1.0]})
    >>> TournamentSearcher(space, 'min', n_trials=200, seed=1).population
    20
    """

    name: ClassVar[str] = "tournament"

    def __init__(
        self,
        space: Space,
        direction: Direction = "max",
        n_trials: int | None = None,
        population: int | None = None,
        inherit: bool = True,
        seed: int | None = None,
    ) -> None:
        super().__init__(space, direction, n_trials, population, seed)
        self.inherit = bool(inherit)
        # By number of the trial in flight: who was removed for it, and its parent's directory.
        self._killed: dict[int, _Killed] = {}
        self._checkpoints: dict[int, str] = {}
        # By number of the trial: the directory of a member.
        self._directories: dict[int, str] = {}

    def settings(self) -> dict[str, Any]:
        """Return the settings for the record, as a dict that `json` can write."""
        settings = super().settings()
        del settings["directions"]
        return {"direction": self.directions[0], **settings, "inherit": self.inherit}

    def _select_parent(self, number: int) -> int | None:
        n = len(self._members)
        if n < FEWEST or n + len(self._genomes) < self.population:
            return None
        one, other = draw_distinct(self._rng, n, 2)
        losses = self._members.losses[:, 0]
        better, worse = (one, other) if losses[one] <= losses[other] else (other, one)
        self._killed[number] = _Killed(
            self._members.genomes[worse].tolist(),
            self._members.losses[worse].tolist(),
            self._members.holders[worse],
        )
        self._members.keep([k for k in range(n) if k != worse])
        return better - (worse < better)

    def _make_trial(self, number: int, params: dict[str, ParamValue], slot: int | None) -> Trial:
        trial = super()._make_trial(number, params, slot)
        holder = NOBODY if slot is None else self._members.holders[slot]
        if self.inherit and holder in self._directories:
            self._checkpoints[number] = self._directories[holder]
        return replace(trial, checkpoint=self._checkpoints.get(number))

    def _learn(self, result: TrialResult) -> None:
        if result.logdir and result.value is not None:
            self._directories[result.trial.number] = result.logdir
        self._checkpoints.pop(result.trial.number, None)
        super()._learn(result)
        needed = {*self._members.holders, *(each.holder for each in self._killed.values())}
        self._directories = {k: v for k, v in self._directories.items() if k in needed}

    def _enter(self, number: int, genome: Vector, losses: list[float] | None) -> None:
        killed = self._killed.pop(number, None)
        if losses is not None:
            self._members.add([genome], [losses], [number])
        elif killed is not None:
            self._members.add([np.array(killed.genome)], [killed.losses], [killed.holder])

    def _state(self) -> dict[str, Any]:
        return {
            **super()._state(),
            "killed": {str(k): [e.genome, e.losses, e.holder] for k, e in self._killed.items()},
            "checkpoints": {str(k): v for k, v in self._checkpoints.items()},
            "directories": {str(k): v for k, v in self._directories.items()},
        }

    def _restore(self, memory: Mapping[str, Any]) -> None:
        super()._restore(memory)
        self._killed = {int(k): _Killed(*each) for k, each in memory["killed"].items()}
        self._checkpoints = {int(k): v for k, v in memory["checkpoints"].items()}
        self._directories = {int(k): v for k, v in memory["directories"].items()}
        for number, directory in self._checkpoints.items():
            # The record of a trial has no checkpoint.
            self._open[number] = replace(self._open[number], checkpoint=directory)
