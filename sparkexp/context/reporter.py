"""What a train function reports while it runs."""

from __future__ import annotations

import logging
import math
import operator
import time
from collections.abc import Callable, Mapping
from types import TracebackType

from sparkexp.context.checkpoints import CUT_OFF
from sparkexp.context.curve import CurveFile
from sparkexp.errors import InvalidArgumentError
from sparkexp.tracking import AttemptTrackers, Report

__all__ = ["Reporter"]

logger = logging.getLogger(__name__)

SECONDS_BETWEEN_LOOKS = 1.0


class Reporter:
    """Checks what a train function reports and passes it on to the trial's trackers.

    Parameters
    ----------
    trackers : AttemptTrackers
        The trial's trackers.
    curve : CurveFile, optional
        A file that gets the reports, too.
    on_report : Callable, optional
        Called after each report.
    in_place : Callable, optional
        Tells whether the trial's files are still to be written where they were; looked at once in
        a second at most.

    Examples
    --------
    >>> with Reporter(AttemptTrackers()) as reporter:
    ...     reporter.report(0, {'accuracy': 0.5, 'loss': float('inf')})
    {'accuracy': 0.5}
    """

    def __init__(
        self,
        trackers: AttemptTrackers,
        curve: CurveFile | None = None,
        on_report: Callable[[], None] | None = None,
        in_place: Callable[[], bool] = lambda: True,
    ) -> None:
        self._in_place = in_place
        self._looked = float("-inf")
        #: Whether reports are dropped, since another run is where the trial's files were.
        self.cut_off = False
        self._trackers = trackers
        self._curve = curve
        self._on_report = on_report
        self._dropped: set[str] = set()
        #: What was reported last, by the names of the metrics.
        self.last: dict[str, float] = {}
        #: One more than the largest step so far.
        self.next_step = 0

    def report(self, step: object, metrics: Mapping[str, object]) -> dict[str, float]:
        """Pass on the metrics at a step, and return those that were passed on, as floats.

        Parameters
        ----------
        step : int
            0 or more, and growing within a metric.
        metrics : Mapping[str, number]
            Numbers, or objects that hold one number: a numpy scalar, a tensor without dimensions.
            NaN and infinity are left out, with one warning for each name in the log.

        Raises
        ------
        InvalidArgumentError
            If the step or a metric is something else; nothing is taken then.
        """
        position = _check_step(step)
        values = {_check_name(name): _check_number(name, value) for name, value in metrics.items()}
        self.last.update(values)
        self.next_step = max(self.next_step, position + 1)
        taken = {name: value for name, value in values.items() if math.isfinite(value)}
        for name in values.keys() - taken.keys() - self._dropped:
            self._dropped.add(name)
            logger.warning(
                "Metric %r is %s at step %d: such values can't be drawn, they are left out (said "
                "once).", name, values[name], position
            )  # fmt: skip
        if taken and not self._is_cut_off():
            report = Report(position, time.time(), taken)
            self._trackers.report(report)
            if self._curve is not None:
                self._curve.add(report)
        if self._on_report is not None:
            self._on_report()
        return taken

    def open(self) -> None:
        """Prepare this process for the train function."""
        self._trackers.enter()

    def close(self) -> None:
        """Write what is not written yet."""
        self._trackers.leave()
        self._looked = float("-inf")
        if self._curve is not None and not self._is_cut_off():
            self._curve.close()

    @property
    def trouble(self) -> str:
        """What became of reports that could not be written; empty if all were."""
        if self.cut_off:
            return CUT_OFF
        error = None if self._curve is None else self._curve.error
        return "" if error is None else str(error)

    def _is_cut_off(self) -> bool:
        if not self.cut_off and time.monotonic() - self._looked >= SECONDS_BETWEEN_LOOKS:
            self._looked = time.monotonic()
            self.cut_off = not self._in_place()
        return self.cut_off

    def __enter__(self) -> Reporter:
        self.open()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


def _check_step(step: object) -> int:
    try:
        position = -1 if isinstance(step, bool) else operator.index(step)  # type: ignore[arg-type]
    except TypeError:
        position = -1
    if not 0 <= position < 2**63:
        raise InvalidArgumentError(
            f"A step must be an int of 0 or more, got {step!r}. Count epochs or batches from 0: "
            "report(epoch, accuracy=...)."
        )
    return position


def _check_name(name: object) -> str:
    if not isinstance(name, str) or not name:
        raise InvalidArgumentError(
            f"A metric's name must be a non-empty str, got {name!r}. Write report(step, "
            "accuracy=...)."
        )
    return name


def _check_number(name: str, value: object) -> float:
    # float() would parse a str, and takes arrays of one element with a warning of numpy.
    if not isinstance(value, str | bytes) and not getattr(value, "shape", ()):
        try:
            return float(value)  # type: ignore[arg-type]
        except OverflowError:
            return float("inf")
        except (TypeError, ValueError):
            pass
    raise InvalidArgumentError(
        f"Metric {name!r} must be one number, got {value!r} of type {type(value).__name__}. "
        "Report a number, such as float(loss) or numpy.mean(losses)."
    )
