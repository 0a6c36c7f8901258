"""Ctrl-C during a search: it works at once, or after the records are written."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

__all__ = ["Interrupts"]


class Interrupts:
    """Handles SIGINT during a search, in the main thread only.

    Spark's own handler would cancel every job of the session, other people's too. A second
    Ctrl-C ends the search at once, even inside a shielded block.
    """

    def __init__(self) -> None:
        self._shielded = False
        self._pending = False
        self._before: Any = None

    def __enter__(self) -> Interrupts:
        # If SIGINT is ignored, as under nohup, it stays ignored.
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
        """Delay the first Ctrl-C until the end of the block."""
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
