"""What the commands that run trials do with the end of a search."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable

from sparkexp.errors import SearchInterrupted, SessionLostError, StorageError
from sparkexp.results.result import Result

__all__ = ["finished"]


def finished(search: Callable[[], Result]) -> int:
    """Run a search, print its result and return the exit status.

    Parameters
    ----------
    search : Callable
        Runs it.

    Returns
    -------
    int
        0; 1 if no trial succeeded, 130 after Ctrl-C.

    Raises
    ------
    SessionLostError, StorageError
        If the session ended meanwhile, or the log directory could not take all of it, after the
        result was printed.
    """
    try:
        result = search()
    except SearchInterrupted as error:
        print(error.result, flush=True)
        print(f"sparkexp: interrupted. {_goes_on(error.result)}", file=sys.stderr)
        return 130
    except (SessionLostError, StorageError) as error:
        if hasattr(error, "result"):
            print(error.result, flush=True)
            print(f"sparkexp: {_goes_on(error.result)}", file=sys.stderr)
        raise
    print(result, flush=True)
    if any(not r.went_wrong for r in result.trials):
        return 0
    print("sparkexp: no trial succeeded.", file=sys.stderr)
    return 1


def _goes_on(result: Result) -> str:
    return f"To go on: sparkexp resume {shlex.quote(result.logdir)}"
