"""Writes the results of trials and the state of the searcher."""

from __future__ import annotations

import logging

from sparkexp.runs import RunDirectory
from sparkexp.search import Searcher
from sparkexp.trial import TrialResult

__all__ = ["Records"]

logger = logging.getLogger(__name__)


class Records:
    """Keeps the run's directory up to date; a write that fails is tried again.

    Parameters
    ----------
    run : RunDirectory
        The directory to write to.
    searcher : Searcher
        Its state is written after each trial.
    """

    def __init__(self, run: RunDirectory, searcher: Searcher) -> None:
        self._run = run
        self._searcher = searcher
        self._unwritten: list[TrialResult] = []

    @property
    def complete(self) -> bool:
        """Whether every trial that ended is on disk."""
        return not self._unwritten

    def trial_ended(self, result: TrialResult, earlier: bool = False) -> None:
        """Write the trial's record and the searcher's state."""
        if earlier:
            return
        self._unwritten.append(result)
        try:
            while self._unwritten:
                self._run.record(self._unwritten[0])
                del self._unwritten[0]
            self._run.save_searcher(self._searcher.state())
        except OSError as error:
            if len(self._unwritten) <= 1:
                logger.warning(
                    "The run's state can't be written to %s: %s. The search goes on and keeps its "
                    "results in memory; writing is tried again after each trial.",
                    self._run.paths.root,
                    error,
                )
