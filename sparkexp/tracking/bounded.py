"""Calls that end in time: what is slow is interrupted, where that is possible."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

__all__ = ["bounded"]


@contextmanager
def bounded(seconds: float) -> Iterator[None]:
    """Raise TimeoutError in the block when it takes longer.

    By an alarm, hence in a main thread only, elsewhere the block takes what it takes. An alarm of
    the user's that comes sooner goes first; a later one is set again.

    Parameters
    ----------
    seconds : float
        Above 0.

    Examples
    --------
    >>> with bounded(0.01):
    ...     while True:
    ...         pass
    Traceback (most recent call last):
    ...
    TimeoutError: it took longer than 0.01 s
    """
    earlier_s, _ = signal.getitimer(signal.ITIMER_REAL)
    in_main = threading.current_thread() is threading.main_thread()
    if not in_main or 0 < earlier_s <= seconds:
        yield
        return

    def expired(number: int, frame: FrameType | None) -> None:
        raise TimeoutError(f"it took longer than {seconds:g} s")

    started = time.monotonic()
    handler = signal.signal(signal.SIGALRM, expired)
    _, interval_s = signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        left_s = max(1e-6, earlier_s - (time.monotonic() - started)) if earlier_s else 0.0
        signal.signal(signal.SIGALRM, handler)
        signal.setitimer(signal.ITIMER_REAL, left_s, interval_s)
