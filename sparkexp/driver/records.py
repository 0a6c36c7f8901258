"""Writes the results of trials and the state of the searcher."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Iterable

from sparkexp.runs import RunDirectory
from sparkexp.search import Searcher
from sparkexp.trial import TrialResult

__all__ = ["Records"]

logger = logging.getLogger(__name__)

# Beside each trial's end: how soon it is tried again to write what could not be written.
RETRY_S = 5.0


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
        # All of them, in case that the directory has to be made again.
        self._results: dict[int, TrialResult] = {}
        self._unwritten: dict[int, TrialResult] = {}
        self._error: OSError | None = None
        self._next_try = 0.0

    @property
    def complete(self) -> bool:
        """Whether every trial that ended is on disk."""
        return not self._unwritten

    def know(self, recorded: Iterable[TrialResult]) -> None:
        """Take note of what is on disk already."""
        self._results.update((result.trial.number, result) for result in recorded)

    def trial_ended(self, result: TrialResult, earlier: bool = False) -> None:
        """Write the trial's record and the searcher's state."""
        self._results[result.trial.number] = result
        if not earlier:
            self._unwritten[result.trial.number] = result
            self._write()

    def look(self) -> None:
        """Try again, if something could not be written; while no trial ends, too."""
        if self._error is not None and time.monotonic() >= self._next_try:
            self._write()

    def finish(self) -> OSError | None:
        """Write what is not on disk at the end of the search; return why, if that can't be."""
        try:
            there = set(os.listdir(self._run.paths.records))
        except OSError:
            there = set()
        for number, result in self._results.items():
            if self._run.paths.record(number).name not in there:
                self._unwritten[number] = result
        try:
            self._write()
        except Exception:  # a searcher of the user's, whose state can't be written anyway
            logger.warning("The searcher's state could not be written.", exc_info=True)
        return self._error

    def _write(self) -> None:
        before, self._error = self._error, None
        try:
            if not self._run.ensure_root():
                self._unwritten = dict(self._results)
            while self._unwritten:
                number = next(iter(self._unwritten))
                self._run.record(self._run.move_to_root(self._unwritten[number]))
                del self._unwritten[number]
            self._run.save_searcher(self._searcher.state())
        except OSError as error:
            self._error = error
            self._next_try = time.monotonic() + RETRY_S
            if before is None:
                logger.warning(
                    "The run's state can't be written to %s: %s. The search goes on and keeps its "
                    "results in memory; writing is tried again.", self._run.location, error
                )  # fmt: skip
        else:
            if before is not None:
                logger.warning("%s can be written again, and has all.", self._run.location)
