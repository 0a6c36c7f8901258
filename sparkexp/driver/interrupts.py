"""Ctrl-C during a search: at once while it waits, a moment later while it keeps books."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

__all__ = ["Interrupts"]


class Interrupts:
    """Takes over SIGINT for the length of a search, in the main thread only.

    Spark's own handler would cancel every job of the session, other people's too. A second
    Ctrl-C leaves at once, whatever is going on.
    """

    def __init__(self) -> None:
        self._shielded = False
        self._pending = False
        self._before: Any = None

    def __enter__(self) -> Interrupts:
        # Where it is ignored, as under nohup, it stays ignored.
        if (
            threading.current_thread() is threading.main_thread()
            and signal.getsignal(signal.SIGINT) is not signal.SIG_IGN
        ):
            self._before = signal.signal(signal.SIGINT, self._handle)
        return self

    def __exit__(self, *exception: object) -> None:
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)

    @contextmanager
    def shield(self) -> Iterator[None]:
        """Put the first Ctrl-C off until the end of the block."""
        self._shielded = True
        try:
            yield
        finally:
            self._shielded = False
        if self._pending:
            self._pending = False
            raise KeyboardInterrupt

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self._shielded and not self._pending:
            self._pending = True
            return
        raise KeyboardInterrupt
