"""Scalars that a train function reports while it runs."""

from __future__ import annotations

import logging
import operator
import os
from collections.abc import Callable, Mapping
from types import TracebackType

from sparkexp.context.curve import CurveFile
from sparkexp.errors import InvalidArgumentError
from sparkexp.tracking.tensorboard.events import EventFile, is_plottable, scalars_summary
from sparkexp.tracking.tensorboard.sessions import reported_tag

__all__ = ["ScalarReporter"]

logger = logging.getLogger(__name__)


class ScalarReporter:
    """Writes what a train function reports as scalars of its trial.

    Parameters
    ----------
    directory : str or path
        Directory of the trial. The event file in it is created with the first report, and
        flushed with each.
    curve : CurveFile, optional
        Gets the reports, too.
    on_report : Callable, optional
        Called after each report.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as directory, ScalarReporter(directory) as reporter:
    ...     reporter.report(0, {'accuracy': 0.5, 'loss': float('inf')})
    {'accuracy': 0.5}
    """

    def __init__(
        self,
        directory: str | os.PathLike[str],
        curve: CurveFile | None = None,
        on_report: Callable[[], None] | None = None,
    ) -> None:
        self._events = EventFile(directory)
        self._curve = curve
        self._on_report = on_report
        self._dropped: set[str] = set()

    def report(self, step: object, metrics: Mapping[str, object]) -> dict[str, float]:
        """Write the metrics at a step, and return those that were written, as floats.

        Parameters
        ----------
        step : int
            0 or more. TensorBoard expects growing steps within a metric.
        metrics : Mapping[str, number]
            Numbers, or what holds just one of them: a numpy scalar, a tensor without dimensions.
            NaN and infinity are left out, with one warning for each name in the log.

        Raises
        ------
        InvalidArgumentError
            If the step or a metric is something else; nothing is written then.
        OSError
            If the file system refuses.
        """
        position = _step(step)
        values = {_name(name): _number(name, value) for name, value in metrics.items()}
        written = {name: value for name, value in values.items() if is_plottable(value)}
        for name in values.keys() - written.keys() - self._dropped:
            self._dropped.add(name)
            logger.warning(
                "Metric %r is %s at step %d: TensorBoard can't draw such values, they are left "
                "out (said once).", name, values[name], position
            )  # fmt: skip
        if written:
            summary = scalars_summary({reported_tag(name): v for name, v in written.items()})
            self._events.add_summary(summary, position)
            self._events.flush()
        if self._curve is not None:
            self._curve.add(position, written)
        if self._on_report is not None:
            self._on_report()
        return written

    def close(self) -> None:
        """Close the files."""
        self._events.close()
        if self._curve is not None:
            self._curve.close()

    def __enter__(self) -> ScalarReporter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


def _step(step: object) -> int:
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


def _name(name: object) -> str:
    if not isinstance(name, str) or not name:
        raise InvalidArgumentError(
            f"A metric's name must be a non-empty str, got {name!r}. Write report(step, "
            "accuracy=...)."
        )
    return name


def _number(name: str, value: object) -> float:
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
