"""Lines without outliers: what a search shows where one bad trial would flatten a chart.

TensorBoard gives all lines of a run one colour. Best, mean and worst of the population are
therefore runs of their own below the search's: they differ in colour, and the list of runs is the
legend.
"""

from __future__ import annotations

import bisect
from pathlib import Path

from sparkexp.analysis.generations import Generation
from sparkexp.analysis.outliers import FEWEST, find_limit_of_losses
from sparkexp.objective import Objective
from sparkexp.tracking.tensorboard.events import EventFile
from sparkexp.tracking.tensorboard.layout import POPULATION_TAG, Descriptions
from sparkexp.tracking.tensorboard.links import INNER_RUNS
from sparkexp.tracking.tensorboard.reading import read_last_steps
from sparkexp.tracking.tensorboard.summaries import add_scalars, make_summary

__all__ = ["InnerLines"]


class InnerLines:
    """Tells which trials are outliers; writes the best, the mean and the worst without them.

    What an outlier is follows from the trials up to then; see `find_limit_of_losses`.

    Parameters
    ----------
    directory : Path
        Of the search's own run. Steps that the runs below it hold already are not written again.
    objective : Objective
        What is optimised.

    Raises
    ------
    OSError
        By all methods that write, where the file system refuses.
    """

    def __init__(self, directory: Path, objective: Objective) -> None:
        self._objective = objective
        self._losses: list[float] = []  # in order
        self._waiting: dict[int, float] = {}
        self._files = {name: EventFile(directory / name) for name in INNER_RUNS}
        self._describe = {name: Descriptions().take for name in INNER_RUNS}
        self._last = {
            name: read_last_steps(directory / name).get(POPULATION_TAG, -1) for name in INNER_RUNS
        }

    def add(self, step: int, value: float) -> dict[int, float]:
        """Take in a trial that ended.

        Return the trials, by step, that are known by now to be no outliers: this one as a rule,
        none while there are few, and all of them then.
        """
        bisect.insort(self._losses, self._objective.loss(value))
        self._waiting[step] = value
        return self.take_waiting() if len(self._losses) >= FEWEST else {}

    def take_waiting(self) -> dict[int, float]:
        """Return the trials that wait for more, by step, without outliers: nothing more comes."""
        limit = find_limit_of_losses(self._losses)
        waiting, self._waiting = self._waiting, {}
        return {k: value for k, value in waiting.items() if self._objective.loss(value) <= limit}

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
                    summary = make_summary()
                    add_scalars(summary, {POPULATION_TAG: value}, self._describe[name])
                    self._files[name].add_summary(summary, generation.number)

    def flush(self) -> None:
        """Hand what was written to the operating system."""
        for events in self._files.values():
            events.flush()

    def close(self) -> None:
        """Close the files."""
        for events in self._files.values():
            events.close()
