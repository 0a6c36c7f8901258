"""Runs a search for a command, and turns its end into output and an exit status."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable

from sparkexp.api.held_searches import allow_search
from sparkexp.errors import (
    AllTrialsFailedError,
    SearchInterrupted,
    SessionLostError,
    StorageError,
)
from sparkexp.results.result import Result

__all__ = ["run_search"]


def run_search(search: Callable[[], Result]) -> int:
    """Run a search, print its result and return the exit status.

    Parameters
    ----------
    search : Callable
        Runs the search and returns its result.

    Returns
    -------
    int
        0 if a trial succeeded, 1 if none did, 130 after Ctrl-C.

    Raises
    ------
    SessionLostError, StorageError, AllTrialsFailedError
        If the session ended during the search, the log directory could not be written, or the
        first trials failed alike. The result so far is printed first.
    """
    try:
        with allow_search():
            result = search()
    except SearchInterrupted as error:
        print(error.result, flush=True)
        print(f"sparkexp: interrupted. {_resume_hint(error.result)}", file=sys.stderr)
        return 130
    except (SessionLostError, StorageError) as error:
        if hasattr(error, "result"):
            print(error.result, flush=True)
            print(f"sparkexp: {_resume_hint(error.result)}", file=sys.stderr)
        raise
    except AllTrialsFailedError as error:
        print(error.result, flush=True)
        raise
    print(result, flush=True)
    if any(not r.went_wrong for r in result.trials):
        return 0
    print("sparkexp: no trial succeeded.", file=sys.stderr)
    return 1


def _resume_hint(result: Result) -> str:
    return f"To go on: sparkexp resume {shlex.quote(result.logdir)}"
