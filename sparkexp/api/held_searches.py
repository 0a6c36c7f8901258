"""Keeps the searches of a script from starting while a command uses its train function."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

__all__ = ["SearchHeld", "allow_search", "check_held", "hold_searches"]


class SearchHeld(BaseException):
    """A script that a command imports has called a search, which isn't started.

    It is no `Exception`, so that a script which goes on after errors ends here all the same.
    """


# For each command or import that holds searches, the calls that it has held. It is not a context
# variable, since those of threads that a script starts are to be held, too.
_holding: list[list[str]] = []
_is_own: ContextVar[bool] = ContextVar("is_own", default=False)


@contextmanager
def hold_searches() -> Iterator[list[str]]:
    """Let searches raise `SearchHeld`, in all threads; gives the list of the held calls."""
    held: list[str] = []
    _holding.append(held)
    try:
        yield held
    finally:
        _holding[:] = [each for each in _holding if each is not held]


@contextmanager
def allow_search() -> Iterator[None]:
    """Let this thread start a search where others are held: that of the command itself."""
    token = _is_own.set(True)
    try:
        yield
    finally:
        _is_own.reset(token)


def check_held(name: str) -> None:
    """Raise `SearchHeld` if searches are held.

    Parameters
    ----------
    name : str
        The name of the call.

    Examples
    --------
    >>> with hold_searches() as held:
    ...     try:
    ...         check_held('launch')
    ...     except SearchHeld:
    ...         print(held)
    ['launch']
    """
    if not _holding or _is_own.get():
        return
    for held in _holding:
        held.append(name)
    raise SearchHeld(
        f"experiment.{name} is not started, since a command of sparkexp imports this script for "
        "its train function only. Put its searches below if __name__ == '__main__':."
    )
