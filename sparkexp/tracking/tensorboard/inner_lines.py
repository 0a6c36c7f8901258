"""Lines without outliers: what a search shows where one bad trial would flatten a chart.

TensorBoard gives all lines of a run one colour. Best, mean and worst of the population are
therefore runs of their own below the search's: they differ in colour, and the list of runs is the
legend.
"""

from __future__ import annotations

import bisect

from sparkexp.analysis.generations import Generation
from sparkexp.analysis.outliers import FEWEST, find_limit_of_losses
from sparkexp.objective import Objective
from sparkexp.tracking.tensorboard.events import EventFile
from sparkexp.tracking.tensorboard.layout import DESCRIPTIONS, POPULATION_TAG, TRIALS_TAG
from sparkexp.tracking.tensorboard.links import INNER_RUNS
from sparkexp.tracking.tensorboard.reading import read_last_steps
from sparkexp.tracking.tensorboard.summaries import add_scalars, make_summary

__all__ = ["InnerLines"]


class InnerLines:
    """Writes the best, the mean and the worst of generations, and trials, without outliers.

    What an outlier is follows from the trials up to then; see `find_limit_of_losses`. Trials are
    written when the first few have ended, or the search has.

    Parameters
    ----------
    events : EventFile
        The search's own run, which gets the trials. Steps that its directory or one below it
        holds already are not written again.
    objective : Objective
        What is optimised.

    Raises
    ------
    OSError
        By all methods, where the file system refuses.
    """

    def __init__(self, events: EventFile, objective: Objective) -> None:
        self._objective = objective
        self._losses: list[float] = []  # in order
        self._waiting: list[tuple[int, float]] = []
        directory = events.directory
        self._files = {name: EventFile(directory / name) for name in INNER_RUNS}
        self._last = {
            name: read_last_steps(directory / name).get(POPULATION_TAG, -1) for name in INNER_RUNS
        }
        self._trials = events
        self._last_trial = read_last_steps(directory).get(TRIALS_TAG, -1)

    def take(self, step: int, value: float | None) -> None:
        """Take in a trial that ended; write it, unless it is an outlier."""
        if value is None:
            return
        bisect.insort(self._losses, self._objective.loss(value))
        self._waiting.append((step, value))
        if len(self._losses) >= FEWEST:
            self._write_waiting()

    def write_generation(self, generation: Generation) -> None:
        """Write the best, the mean and the worst of a generation."""
        limit = find_limit_of_losses(self._losses)
        inside = [v for v in generation.values if self._objective.loss(v) <= limit]
        if inside:
            mean = sum(value / len(inside) for value in inside)
            best, worst = self._objective.best(inside), self._objective.worst(inside)
            for name, value in zip(INNER_RUNS, (best, mean, worst), strict=True):
                if generation.number > self._last[name]:
                    self._last[name] = generation.number
                    _write(self._files[name], POPULATION_TAG, generation.number, value)

    def flush(self) -> None:
        """Hand what was written to the operating system."""
        for events in self._files.values():
            events.flush()

    def close(self) -> None:
        """Write what waits, and close the files."""
        self._write_waiting()
        for events in self._files.values():
            events.close()

    def _write_waiting(self) -> None:
        limit = find_limit_of_losses(self._losses)
        for step, value in self._waiting:
            if self._objective.loss(value) <= limit and step > self._last_trial:
                self._last_trial = step
                _write(self._trials, TRIALS_TAG, step, value)
        self._waiting.clear()


def _write(events: EventFile, tag: str, step: int, value: float) -> None:
    summary = make_summary()
    add_scalars(summary, {tag: value}, DESCRIPTIONS)
    events.add_summary(summary, step)
