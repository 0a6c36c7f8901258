"""The function of a constraint: what it returns is checked, and a slow one is told of."""

from __future__ import annotations

import logging
import numbers
import reprlib
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from sparkexp.checks import name_deferred
from sparkexp.errors import SpaceError

__all__ = ["Where", "WhereFunction"]

logger = logging.getLogger(__name__)

Where = Callable[[dict[str, Any]], Any]

# The first line about calls that take long, and those after it, in seconds of calls.
FIRST_LINE_S, SECONDS_BETWEEN_LINES = 5.0, 30.0
# After a pause of so many seconds, the calls are counted anew.
PAUSE_S = 1.0


class WhereFunction:
    """The function that a user gave as ``where=``.

    Parameters
    ----------
    where : Callable
        Takes a configuration as a dict and returns whether it is allowed.

    Raises
    ------
    SpaceError
        If it is no function, or one whose call doesn't run it; by a call, if what it returns says
        neither yes nor no.
    """

    def __init__(self, where: Where) -> None:
        kind = name_deferred(where) if callable(where) else ""
        if not callable(where) or kind:
            got = f"the {kind} {where!r}, whose call doesn't run it" if kind else repr(where)
            raise SpaceError(
                f"where must be a function of a configuration, got {got}: write "
                "where=lambda p: p['a'] < p['b']."
            )
        self._where = where
        self._n_calls = 0
        self._spent_s = 0.0
        self._next_line_s = FIRST_LINE_S
        self._ended = 0.0

    def __call__(self, params: dict[str, Any]) -> bool:
        """Return whether a configuration is allowed; None, as of ``p.get('a') and …``, is no."""
        started = time.monotonic()
        if started - self._ended > PAUSE_S:
            self._n_calls, self._spent_s, self._next_line_s = 0, 0.0, FIRST_LINE_S
        try:
            answer = self._where(params)
        finally:
            self._ended = time.monotonic()
            self._n_calls += 1
            self._spent_s += self._ended - started
        if self._spent_s >= self._next_line_s:
            self._next_line_s = self._spent_s + SECONDS_BETWEEN_LINES
            logger.warning(
                "Looking for allowed configurations: where= has been called %s times, which took "
                "%.0f s. The search waits for it.", f"{self._n_calls:,}", self._spent_s,
            )  # fmt: skip
        if answer is not None and not isinstance(answer, np.bool_ | numbers.Number):
            raise SpaceError(
                f"where must return True or False, got {reprlib.repr(answer)} for {params}. Write "
                "all(…) around what gives several answers, and bool(…) around what gives one."
            )
        return bool(answer)
