"""Calls that end: a server that says nothing is given up after a while."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import ParamSpec, TypeVar

__all__ = ["CALL_S", "within"]

# So long may one request of a file system take, or one piece of a file.
CALL_S = 15.0

_P = ParamSpec("_P")
_T = TypeVar("_T")


def within(limit_s: float, function: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
    """Call a function, in a thread of its own, and return what it returns.

    What isn't done in time goes on in its thread, a daemon, and nobody waits for it.

    Parameters
    ----------
    limit_s : float
        Seconds that it may take.
    function : Callable
        What to call with the rest of the arguments.

    Raises
    ------
    TimeoutError
        If it takes longer.

    Examples
    --------
    >>> within(5.0, max, 1, 2)
    2
    """
    outcome: Future[_T] = Future()

    def run() -> None:
        try:
            outcome.set_result(function(*args, **kwargs))
        except BaseException as error:
            outcome.set_exception(error)

    threading.Thread(target=run, name="sparkexp-call", daemon=True).start()
    return outcome.result(limit_s)
