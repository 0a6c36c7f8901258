"""The curve of a running trial's objective, in a small file that the driver looks at."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from pathlib import Path

__all__ = ["CurveFile", "Point", "read_curve"]

# A step and the objective there.
Point = tuple[int, float]
SECONDS_BETWEEN_WRITES = 1.0
MAX_POINTS = 512


class CurveFile:
    """Keeps what a trial reports of its objective; overwritten once in a second at most.

    Parameters
    ----------
    path : Path
        The file; written aside and renamed, so that a reader sees a whole one.
    metric : str, optional
        The objective's name among what is reported; by default the only one that is.
    seconds : float
        The least time between two writes.
    """

    def __init__(
        self, path: Path, metric: str | None = None, seconds: float = SECONDS_BETWEEN_WRITES
    ) -> None:
        self._path = path
        self._metric = metric
        self._seconds = seconds
        self._points: list[Point] = []
        self._written = float("-inf")
        self._waiting = False

    def add(self, step: int, metrics: Mapping[str, float]) -> None:
        """Take in a report.

        Raises
        ------
        OSError
            If the file system refuses.
        """
        value = metrics.get(self._metric) if self._metric else None
        if self._metric is None and len(metrics) == 1:
            (value,) = metrics.values()
        if value is None:
            return
        self._points.append((step, value))
        self._waiting = True
        if len(self._points) > MAX_POINTS:
            self._points = [*self._points[1::2]]
        if time.monotonic() - self._written >= self._seconds:
            self._write()

    def close(self) -> None:
        """Write what was not written yet."""
        if self._waiting:
            self._write()

    def _write(self) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        aside = self._path.with_name(f".{self._path.name}.{os.getpid()}")
        aside.write_text(json.dumps(self._points), encoding="ascii")
        os.replace(aside, self._path)
        self._written = time.monotonic()
        self._waiting = False


def read_curve(path: Path) -> list[Point]:
    """Return the points of a curve; none where there is no such file, or a foreign one."""
    try:
        return [(int(step), float(value)) for step, value in json.loads(path.read_text())]
    except (OSError, ValueError, TypeError):
        return []
