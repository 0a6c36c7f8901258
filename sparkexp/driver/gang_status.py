"""Tells where the trainings of gangs are, for the terminal."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from sparkexp.distributed import Status, read_status
from sparkexp.runs import RunDirectory
from sparkexp.trial import Trial

logger = logging.getLogger(__name__)

__all__ = ["format_status", "make_describe"]

# How often the files are read, and of how many trials.
LOOK_S = 2.0
MAX_SHOWN = 2


def make_describe(run: RunDirectory) -> Callable[[Sequence[Trial]], str]:
    """Return a function that describes the running trials of a run, each trained by a gang.

    Parameters
    ----------
    run : RunDirectory
        The run. One at a URL isn't read: nothing is described.
    """
    described, looked = "", float("-inf")
    told: set[str] = set()

    def describe(running: Sequence[Trial]) -> str:
        nonlocal described, looked
        if time.monotonic() - looked < LOOK_S:
            return described
        looked = time.monotonic()
        found = []
        for trial in running[:MAX_SHOWN]:
            if (status := _find_status(run.paths.trial(trial.id))) is not None:
                name = f"{trial.id.rpartition('/')[2]}: " if len(running) > 1 else ""
                found.append(name + format_status(status))
                for text in status.warnings:
                    if text not in told:
                        told.add(text)
                        logger.warning("%s: %s", trial.id, text)
        described = "; ".join(found)
        return described

    return describe


def _find_status(directory: Path) -> Status | None:
    """Return the status of a trial's last attempt."""
    attempts = sorted(directory.glob("attempt-*"), key=lambda path: int(path.name[8:]))
    return read_status(attempts[-1] if attempts else directory)


def format_status(status: Status) -> str:
    """Return a status in a few words.

    Examples
    --------
    >>> format_status(Status(3, 90, 40, 200, 12345.6, behind=2))
    'epoch 3 of 90, step 40 of 200, 12,346 examples/s, worker 2 is behind'
    """
    parts = [f"epoch {status.epoch} of {status.epochs}"]
    parts.append(f"step {status.step}" + (f" of {status.steps}" if status.steps else ""))
    if status.examples_per_second:
        parts.append(f"{status.examples_per_second:,.0f} examples/s")
    if status.behind is not None:
        parts.append(f"worker {status.behind} is behind")
    return ", ".join(parts)
