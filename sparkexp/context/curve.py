"""What a running trial reports, in a small file that the driver reads."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from sparkexp.storage.regular_files import write_whole
from sparkexp.tracking import Report
from sparkexp.tracking.reports import MAX_POINTS, read_reports

__all__ = [
    "MAX_POINTS",
    "CurveFile",
    "Point",
    "extract_curve",
    "match_metric",
    "read_reports",
]

# A step and the objective there.
Point = tuple[int, float]
SECONDS_BETWEEN_WRITES = 1.0


class CurveFile:
    """A file with what a trial reports, written at most once a second.

    When there are more than 512 reports, every other one is dropped; `whole` gets all of them
    then.

    Parameters
    ----------
    path : Path
        The file. It is written aside and renamed, so that a reader never sees half of it.
    seconds : float
        The least time between two writes.
    whole : Path, optional
        A file for all reports, a line each. It is made only when there are more than 512.
    """

    def __init__(
        self,
        path: Path,
        seconds: float = SECONDS_BETWEEN_WRITES,
        whole: Path | None = None,
    ) -> None:
        self._path = path
        self._whole = whole
        self._is_thinned = self._has_whole = False
        # Reports that are not in `whole` yet.
        self._unwritten: list[tuple[int, float, Mapping[str, float]]] = []
        self._seconds = seconds
        self._points: list[tuple[int, float, Mapping[str, float]]] = []
        self._written = float("-inf")
        self._waiting = False
        #: Why the file lacks reports; None while it has them all, but for the last second.
        self.error: OSError | None = None

    def add(self, report: Report) -> None:
        """Take in a report."""
        entry = (report.step, report.time, report.metrics)
        self._points.append(entry)
        if self._is_thinned and self._whole is not None:
            self._unwritten.append(entry)
        self._waiting = True
        if len(self._points) > MAX_POINTS:
            if not self._is_thinned and self._whole is not None:
                self._unwritten = [*self._points]
            self._is_thinned = True
            self._points = [*self._points[1::2]]
        if time.monotonic() - self._written >= self._seconds:
            self._write()

    def close(self) -> None:
        """Write what was not written yet."""
        if self._waiting:
            self._write()

    def _write(self) -> None:
        self._written = time.monotonic()
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            write_whole(self._path, json.dumps(self._points).encode("ascii"))
            self._write_rest()
        except OSError as error:  # the next write has all of them
            self.error = error
        else:
            self.error = None
            self._waiting = False

    def _write_rest(self) -> None:
        if not self._unwritten or self._whole is None:
            return
        lines = "".join(json.dumps(entry) + "\n" for entry in self._unwritten)
        # The first time, in the place of what an earlier try has left.
        with self._whole.open("a" if self._has_whole else "w", encoding="ascii") as file:
            file.write(lines)
        self._has_whole = True
        self._unwritten.clear()


def extract_curve(reports: Iterable[Report], metric: str | None) -> list[Point]:
    """Return the steps and values of a metric; without a name, of a report's only metric.

    Examples
    --------
    >>> extract_curve([Report(0, 1.7e9, {'loss': 0.5}), Report(1, 1.7e9, {'loss': 0.4})], None)
    [(0, 0.5), (1, 0.4)]
    """
    curve = []
    for report in reports:
        alone = metric is None or "" in report.metrics
        value = None if metric is None else report.metrics.get(metric)
        if alone and len(report.metrics) == 1:
            (value,) = report.metrics.values()
        if value is not None:
            curve.append((report.step, value))
    return curve


def match_metric(reports: Sequence[Report], value: float) -> str | None:
    """Return the name of the reported metric that a trial has returned; None if none fits.

    It is the one whose last value was returned, else the one whose best was. Of several, one that
    was measured on validation data comes first.

    Examples
    --------
    >>> epochs = [Report(0, 1.7e9, {'loss': 0.5, 'acc': 0.7}),
    ...           Report(1, 1.7e9, {'loss': 0.4, 'acc': 0.6})]
    >>> match_metric(epochs, 0.6), match_metric(epochs, 0.7), match_metric(epochs, 1.0)
    ('acc', 'acc', None)
    """
    curves: dict[str, list[float]] = {}
    for report in reports:
        for name, number in report.metrics.items():
            curves.setdefault(name, []).append(number)
    for choose in (lambda numbers: numbers[-1:], lambda numbers: [min(numbers), max(numbers)]):
        found = [
            name
            for name, numbers in curves.items()
            if any(math.isclose(value, each, rel_tol=1e-6) for each in choose(numbers))
        ]
        if found:
            return min(found, key=lambda name: (not name.startswith("val_"), name))
    return None
