"""The trial that this process runs now: what `experiment.logdir` and `experiment.report` see."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from sparkexp.context.artifacts import Artifacts
from sparkexp.context.checkpoints import Checkpoints
from sparkexp.context.reporter import Reporter
from sparkexp.errors import EnvironmentUnfitError

logger = logging.getLogger(__name__)

__all__ = ["CurrentTrial", "activate", "current_trial", "has_trial", "warn_trial"]


@dataclass(frozen=True)
class CurrentTrial:
    """The running trial: its directory, its live metrics, its checkpoints and its artifacts."""

    directory: str
    reporter: Reporter
    checkpoints: Checkpoints
    artifacts: Artifacts
    #: Whether later trials of the configuration go on from its checkpoints.
    keeps_checkpoints: bool = False
    _fits: itertools.count[int] = field(default_factory=itertools.count)
    _stop_reasons: list[str] = field(default_factory=list)
    #: What the user is to know of the trial, though it goes on.
    warnings: list[str] = field(default_factory=list)

    def count_fit(self) -> int:
        """Return the number of a training within the trial: each call returns the next one."""
        return next(self._fits)

    def stop_search(self, reason: str) -> None:
        """Note that the search is to end after this trial."""
        self._stop_reasons.append(reason)

    @property
    def stop_reason(self) -> str:
        """Why the search is to end after this trial; empty if it goes on."""
        return self._stop_reasons[0] if self._stop_reasons else ""


# A process runs one trial at a time, and threads that the train function starts must see it,
# which a context variable would hide from them. A stack, so that a trial may run a search.
_active: list[CurrentTrial] = []


@contextmanager
def activate(
    directory: str,
    reporter: Reporter,
    earlier: str | None = None,
    in_place: Callable[[], bool] = lambda: True,
    keeps_checkpoints: bool = False,
) -> Iterator[CurrentTrial]:
    """Make a trial the current one in the block; at its end, write its live metrics.

    Parameters
    ----------
    directory : str
        Its directory.
    reporter : Reporter
        Gets what it reports.
    earlier : str, optional
        Directory of the trial whose checkpoints it goes on from.
    in_place : Callable, optional
        Tells whether its files are still to be written to the directory.
    keeps_checkpoints : bool
        Whether later trials of the configuration go on from its checkpoints.
    """
    checkpoints = Checkpoints(directory, earlier, in_place)
    artifacts = Artifacts(directory, in_place)
    trial = CurrentTrial(directory, reporter, checkpoints, artifacts, keeps_checkpoints)
    _active.append(trial)
    reporter.open()
    try:
        yield trial
    finally:
        _active.remove(trial)
        checkpoints.drop()
        artifacts.drop()
        trial.reporter.close()


def has_trial() -> bool:
    """Return whether a trial runs in this process."""
    return bool(_active)


def warn_trial(text: str) -> None:
    """Add a warning to the running trial's result, each text once; log it, too."""
    if _active and text in _active[-1].warnings:
        return
    logger.warning("%s", text)
    if _active:
        _active[-1].warnings.append(text)


def current_trial(caller: str) -> CurrentTrial:
    """Return the running trial.

    Raises
    ------
    EnvironmentUnfitError
        If no trial runs in this process.
    """
    if not _active:
        raise EnvironmentUnfitError(
            f"experiment.{caller} belongs into a train function while a trial runs it, and no "
            "trial runs here. To try the function out in this process, use "
            "experiment.launch(None, train, [{...}], engine='inline')."
        )
    return _active[-1]
