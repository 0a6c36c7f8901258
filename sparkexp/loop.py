"""The search loop: asks the searcher, keeps the engine's slots full, tells what came back."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Hashable
from dataclasses import replace

from sparkexp.engine import Engine
from sparkexp.progress import Progress
from sparkexp.search import Searcher
from sparkexp.storage import RunDirectory
from sparkexp.tracking import SearchLog
from sparkexp.trial import State, Trial, TrialResult, params_key

__all__ = ["SearchLoop"]

logger = logging.getLogger(__name__)


class SearchLoop:
    """One search from its first trial to its last.

    A configuration that was evaluated before, or is being evaluated, isn't run again: the
    searcher is told the earlier value, and the result says whose it is.

    Parameters
    ----------
    searcher : Searcher
        Proposes the trials.
    engine : Engine
        Runs them.
    run : RunDirectory
        Keeps the results.
    log : SearchLog
        Writes them for TensorBoard.
    progress : Progress
        Shows them.
    reuse : bool
        Whether equal configurations share a value.
    """

    def __init__(
        self,
        searcher: Searcher,
        engine: Engine,
        run: RunDirectory,
        log: SearchLog,
        progress: Progress,
        reuse: bool = True,
    ) -> None:
        self._searcher = searcher
        self._engine = engine
        self._run = run
        self._log = log
        self._progress = progress
        self._reuse = reuse
        self.results: list[TrialResult] = []
        self._evaluated: dict[Hashable, TrialResult] = {}
        self._running: dict[Hashable, Trial] = {}
        self._twins: defaultdict[Hashable, list[Trial]] = defaultdict(list)

    def run(self) -> list[TrialResult]:
        """Run the search and return its results in the order of the trials' numbers."""
        while True:
            self._fill_slots()
            self._progress.show(self.results, n_running=len(self._running))
            if not self._running:
                break
            for result in self._engine.wait():
                self._end(result)
        return sorted(self.results, key=lambda result: result.trial.number)

    def _fill_slots(self) -> None:
        while len(self._running) < self._engine.slots:
            trial = self._searcher.ask()
            if trial is None:
                return
            key = self._key(trial)
            if key in self._evaluated:
                self._tell(_reused(self._evaluated[key], trial))
            elif key in self._running:
                self._twins[key].append(trial)
            else:
                self._running[key] = trial
                self._engine.submit(trial)

    def _key(self, trial: Trial) -> Hashable:
        return params_key(trial.params) if self._reuse else trial.number

    def _end(self, result: TrialResult) -> None:
        key = self._key(result.trial)
        del self._running[key]
        if result.state is not State.CANCELLED:
            self._evaluated[key] = result
        self._tell(result)
        for twin in self._twins.pop(key, []):
            self._tell(_reused(result, twin))

    def _tell(self, result: TrialResult) -> None:
        for warning in result.warnings:
            logger.warning("%s: %s", result.trial.id, warning)
        self.results.append(result)
        self._searcher.tell(result)
        self._run.record(result)
        self._run.save_searcher(self._searcher.state())
        self._log.ended(result)


def _reused(result: TrialResult, trial: Trial) -> TrialResult:
    """Return the result of a trial whose configuration another one evaluated."""
    return replace(
        result,
        trial=trial,
        reused_from=result.reused_from or result.trial.id,
        submitted=0.0,
        started=0.0,
        ended=0.0,
        host="",
        gpu="",
        warnings=(),
    )
