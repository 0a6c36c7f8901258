"""Trials of a run on another storage: they work on local files, which the courier sends."""

from __future__ import annotations

import json
import socket
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from sparkexp.context.checkpoints import CHECKPOINTS
from sparkexp.engine.base import TrialTask
from sparkexp.engine.transfer.courier import courier
from sparkexp.engine.transfer.shipping import private_folder
from sparkexp.errors import StorageError
from sparkexp.storage.remote_files import join_location
from sparkexp.trial import TrialResult

__all__ = ["run_elsewhere"]

# In a trial's directory: what its checkpoints are, sent after all of them.
_LISTED = f"{CHECKPOINTS}.json"


def run_elsewhere(task: TrialTask, run: Callable[[TrialTask], TrialResult]) -> TrialResult:
    """Run a trial whose log directory is a URL.

    Parameters
    ----------
    task : TrialTask
        The trial.
    run : Callable
        Runs it with a log directory on this machine.

    Raises
    ------
    StorageError
        If what the trial needs can't be fetched.
    """
    place = task.logdir
    folder = Path(tempfile.mkdtemp(prefix="trial-", dir=private_folder()))
    # Of the same name: it is shown with every trial.
    root = folder / place.rpartition("/")[2]
    root.mkdir()
    courier.begin(str(root), place)
    here, warnings = _fetched(replace(task, logdir=str(root)), folder / ".earlier")
    result = run(here)
    directory = Path(result.logdir)
    last = _list_checkpoints(directory)
    relative = directory.relative_to(root).as_posix()
    answer = courier.ask(
        do="end", root=str(root), place=place, last=f"{relative}/{last}" if last else ""
    )
    kept = ""
    if "error" in answer:
        kept = f"{socket.gethostname()}:{root}"
        warnings += (
            f"The trial's files could not be sent to {place}: {answer['error']}. They are kept at "
            f"{kept} until they can be.",
        )
    return replace(
        result,
        trial=task.trial,
        logdir=join_location(place, relative),
        warnings=(*result.warnings, *warnings),
        kept=kept,
    )


def _fetched(task: TrialTask, earlier: Path) -> tuple[TrialTask, tuple[str, ...]]:
    """Return the task with what it needs on this machine, and what is missing."""
    warnings: tuple[str, ...] = ()
    if task.data is not None:
        answer = courier.ask(do="data", place=task.data)
        if "error" in answer:
            raise StorageError(
                f"The data for the trials lies at {task.data}, and could not be fetched: "
                f"{answer['error']}. Executors need the package and the credentials for it, too."
            )
        task = replace(task, data=answer["path"])
    checkpoint = task.trial.checkpoint
    if checkpoint is not None:
        answer = courier.ask(do="tree", place=checkpoint, listed=_LISTED, target=str(earlier))
        if "error" in answer:
            warnings = (
                f"The checkpoints could not be fetched, it starts anew: {answer['error']}",
            )
        found = str(earlier) if answer.get("found") else None
        task = replace(task, trial=replace(task.trial, checkpoint=found))
    return task, warnings


def _list_checkpoints(directory: Path) -> str:
    """Write down what the trial's checkpoints are; return the file's name, if there are any."""
    checkpoints = directory / CHECKPOINTS
    if not checkpoints.is_dir():
        return ""
    files = (path for path in checkpoints.rglob("*") if path.is_file())
    names = sorted(path.relative_to(directory).as_posix() for path in files)
    (directory / _LISTED).write_text(json.dumps(names), encoding="utf-8")
    return _LISTED
