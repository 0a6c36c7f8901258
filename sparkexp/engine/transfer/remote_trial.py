"""Runs trials whose log directory is a URL: they write local files, which the courier sends."""

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
from sparkexp.engine.transfer.private_folder import private_folder
from sparkexp.errors import StorageError
from sparkexp.storage.remote_files import join_location
from sparkexp.trial import TrialResult

__all__ = ["run_with_remote_logdir"]

# The file in a trial's directory that lists its checkpoints. It is sent after all of them.
_CHECKPOINT_LIST = f"{CHECKPOINTS}.json"


def run_with_remote_logdir(
    task: TrialTask, run: Callable[[TrialTask], TrialResult]
) -> TrialResult:
    """Run a trial whose log directory is a URL.

    Parameters
    ----------
    task : TrialTask
        The trial.
    run : Callable
        Runs a trial whose log directory is on this machine.

    Raises
    ------
    StorageError
        If the data for the trial can't be fetched.
    """
    location = task.logdir
    folder = Path(tempfile.mkdtemp(prefix="trial-", dir=private_folder()))
    # It has the same name, which is shown with every trial.
    root = folder / location.rpartition("/")[2]
    root.mkdir()
    courier.begin(str(root), location)
    here, warnings = _fetch_inputs(replace(task, logdir=str(root)), folder / ".earlier")
    result = run(here)
    directory = Path(result.logdir)
    last = _list_checkpoints(directory)
    relative = directory.relative_to(root).as_posix()
    answer = courier.ask(
        do="end", root=str(root), location=location, last=f"{relative}/{last}" if last else ""
    )
    kept = ""
    if "error" in answer:
        kept = f"{socket.gethostname()}:{root}"
        warnings += (
            f"The trial's files could not be sent to {location}: {answer['error']}. They stay at "
            f"{kept} until a later trial can send them.",
        )
    return replace(
        result,
        trial=task.trial,
        logdir=join_location(location, relative),
        warnings=(*result.warnings, *warnings),
        kept=kept,
    )


def _fetch_inputs(task: TrialTask, earlier: Path) -> tuple[TrialTask, tuple[str, ...]]:
    """Fetch data and checkpoints; return the task with their local paths, and warnings."""
    warnings: tuple[str, ...] = ()
    if task.data is not None:
        answer = courier.ask(do="data", location=task.data)
        if "error" in answer:
            raise StorageError(
                f"Executors must be able to read data= from {task.data}, and this one can't: "
                f"{answer['error']}. Install the package for it there, and give executors the "
                "credentials, too."
            )
        task = replace(task, data=answer["path"])
    checkpoint = task.trial.checkpoint
    if checkpoint is not None:
        answer = courier.ask(
            do="tree", location=checkpoint, list_name=_CHECKPOINT_LIST, target=str(earlier)
        )
        if "error" in answer:
            warnings = (
                "The checkpoints could not be fetched, so the trial starts from the beginning: "
                f"{answer['error']}",
            )
        found = str(earlier) if answer.get("found") else None
        task = replace(task, trial=replace(task.trial, checkpoint=found))
    return task, warnings


def _list_checkpoints(directory: Path) -> str:
    """Write the list of the trial's checkpoints; return its name, or '' if there are none."""
    checkpoints = directory / CHECKPOINTS
    if not checkpoints.is_dir():
        return ""
    files = (path for path in checkpoints.rglob("*") if path.is_file())
    names = sorted(path.relative_to(directory).as_posix() for path in files)
    (directory / _CHECKPOINT_LIST).write_text(json.dumps(names), encoding="utf-8")
    return _CHECKPOINT_LIST
