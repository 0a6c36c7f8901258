"""Removes artifacts during a search, which bounds the disk space that big models take."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import numpy as np

from sparkexp.analysis.dominance import sort_into_fronts
from sparkexp.analysis.ranking import (
    Configuration,
    compute_losses,
    group_runs,
    make_configuration,
    sort_configurations,
)
from sparkexp.driver.records import Records
from sparkexp.objective import Objective
from sparkexp.runs import RunDirectory
from sparkexp.trial import State, TrialResult

__all__ = ["ArtifactRetention"]

logger = logging.getLogger(__name__)


class ArtifactRetention:
    """Removes the artifacts of trials that are not among the best.

    A trial is judged when it has ended. A configuration with several runs is judged when all of
    them have ended. A trial that is removed can't be among the best later, since later trials only
    add better ones. Running and cancelled trials are left alone (Spark may need seconds to end
    one).

    Parameters
    ----------
    n : int
        Configurations whose artifacts stay, at least 1. With several objectives the whole Pareto
        front stays, and configurations of the next fronts up to `n` in all.
    objectives : sequence of Objective
        What is optimised.
    run : RunDirectory
        Holds the artifacts.
    records : Records
        Nothing is removed while a trial's record is not yet written.
    repeats : int
        Runs of every configuration.
    confirm : int
        How many of the best are run again at the end; at least this many stay until then.
    """

    def __init__(
        self,
        n: int,
        objectives: Sequence[Objective],
        run: RunDirectory,
        records: Records,
        *,
        repeats: int = 1,
        confirm: int = 0,
    ) -> None:
        self._n = n
        self._objectives = tuple(objectives)
        self._run = run
        self._records = records
        self._repeats = repeats
        self._confirm = confirm
        self._alive: list[TrialResult] = []

    def trial_ended(self, result: TrialResult, earlier: bool = False) -> None:
        """Add a trial that ended, and remove the artifacts that are no longer among the best."""
        # A trial that reused another's result has no artifacts of its own.
        if result.reused_from is None and result.state is not State.CANCELLED:
            self._alive.append(result)
        if not earlier and self._records.complete:
            self._remove(max(self._n, self._confirm), final=False)

    def finish(self) -> None:
        """Remove the artifacts that stayed only until the best were confirmed."""
        if self._records.complete:
            self._remove(self._n, final=True)

    def _remove(self, n: int, *, final: bool) -> None:
        groups = group_runs(self._alive)
        unfinished = [] if final else [g for g in groups if len(g) < self._repeats]
        done = [group for group in groups if final or len(group) >= self._repeats]
        # If the function returns nothing, no trial is better than another.
        unvalued = [r for g in done for r in g if r.succeeded and r.value is None]
        valued = [c for g in done if (c := make_configuration(g)) is not None]
        staying = {r.trial.number for g in unfinished for r in g}
        staying |= {r.trial.number for r in unvalued}
        staying |= {r.trial.number for c in self._select_best(valued, n) for r in c.runs}
        for result in self._alive:
            if result.trial.number not in staying:
                self._run.drop_artifacts(result)
        self._alive = [r for r in self._alive if r.trial.number in staying]

    def _select_best(self, found: list[Configuration], n: int) -> list[Configuration]:
        if len(self._objectives) > 1:
            return self._select_front(found, n)
        # The order of `Result.best`: most runs first, then the highest rung, then the best value.
        return sort_configurations(found, self._objectives[0])[:n]

    def _select_front(self, found: list[Configuration], n: int) -> list[Configuration]:
        found = [c for c in found if len(c.values) == len(self._objectives)]
        if not found:
            return []
        kept: list[Configuration] = []
        violations = np.array([each.violation for each in found])
        for front in sort_into_fronts(compute_losses(found, self._objectives), violations):
            if kept:
                front = front[: max(0, n - len(kept))]
            kept += [found[k] for k in front]
        return kept
