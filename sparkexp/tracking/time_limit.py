"""A time limit for a block of code."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

__all__ = ["limit_time"]


@contextmanager
def limit_time(seconds: float) -> Iterator[None]:
    """Raise TimeoutError in the block if it takes longer than this.

    The limit is an alarm signal. It works in the main thread only: in another thread the block has
    no limit. If the user has set an alarm that comes sooner, the block has no limit either; a
    later one is set again afterwards.

    Parameters
    ----------
    seconds : float
        Above 0.

    Examples
    --------
    >>> with limit_time(0.01):
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

    def raise_timeout(number: int, frame: FrameType | None) -> None:
        raise TimeoutError(f"it took longer than {seconds:g} s")

    started = time.monotonic()
    handler = signal.signal(signal.SIGALRM, raise_timeout)
    _, interval_s = signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        left_s = max(1e-6, earlier_s - (time.monotonic() - started)) if earlier_s else 0.0
        signal.signal(signal.SIGALRM, handler)
        signal.setitimer(signal.ITIMER_REAL, left_s, interval_s)
