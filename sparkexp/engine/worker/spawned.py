"""Starts a trial in a new interpreter (``isolation='spawn'``)."""

from __future__ import annotations

import pickle
import sys
from pathlib import Path
from typing import BinaryIO

__all__ = ["command", "main"]


def command(payload_fd: int, result_fd: int) -> list[str]:
    """Return the command that starts a new interpreter for a trial.

    Parameters
    ----------
    payload_fd : int
        Descriptor of a file with two pickles: the search path, then task, directory and output
        file.
    result_fd : int
        Descriptor that takes the outcome.
    """
    # The path comes first: a package that was shipped can be imported only with it.
    code = (
        "import pickle, sys; file = open(int(sys.argv[1]), 'rb'); sys.path[:] = pickle.load(file);"
        " from sparkexp.engine.worker.spawned import main; main(file, int(sys.argv[2]))"
    )
    return [sys.executable, "-c", code, str(payload_fd), str(result_fd)]


def main(payload: BinaryIO, result_fd: int) -> None:
    """Run the trial in the rest of the payload, and leave the process."""
    from sparkexp.engine.worker.child import run_in_child
    from sparkexp.engine.worker.outcome_file import OutcomeFile

    with payload:
        task, directory, output = pickle.load(payload)
    run_in_child(task, directory, Path(output), OutcomeFile(result_fd))
