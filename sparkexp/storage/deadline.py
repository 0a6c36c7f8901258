"""Calls with a time limit: a server that doesn't answer can't block the caller for ever."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import ParamSpec, TypeVar

__all__ = ["CALL_S", "call_within"]

# The longest that one request to a file system, or one piece of a file, may take.
CALL_S = 15.0

_P = ParamSpec("_P")
_T = TypeVar("_T")


def call_within(
    limit_s: float, function: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs
) -> _T:
    """Call a function in a thread of its own and return its result.

    A call that takes too long goes on in its thread, which is a daemon; its result is lost.

    Parameters
    ----------
    limit_s : float
        Seconds that the call may take.
    function : Callable
        The function; it gets the other arguments.

    Raises
    ------
    TimeoutError
        If the call takes longer.

    Examples
    --------
    >>> call_within(5.0, max, 1, 2)
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
