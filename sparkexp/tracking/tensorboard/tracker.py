"""TensorBoard as a tracker: the search's own page, and the session of every trial."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack

from sparkexp.analysis.description import SearchDescription
from sparkexp.runs import RunDirectory
from sparkexp.tracking.base import Attempt, Outcome, Report, Tracker, TrialTracker
from sparkexp.tracking.tensorboard.events import EventFile, make_scalars_summary
from sparkexp.tracking.tensorboard.live import write_at_once
from sparkexp.tracking.tensorboard.search_log import SearchLog
from sparkexp.tracking.tensorboard.sessions import (
    reported_tag,
    row_name,
    write_session_end,
    write_session_start,
)
from sparkexp.trial import State, TrialResult

__all__ = ["TensorBoard", "TrialSession"]

logger = logging.getLogger(__name__)


class TrialSession(TrialTracker):
    """Writes a trial's HParams session and what it reports.

    Parameters
    ----------
    search : SearchDescription
        What is searched.
    """

    name = "TensorBoard"

    def __init__(self, search: SearchDescription) -> None:
        self._specs = search.parameters
        self._objective = search.objectives[0]
        self._last_generation = search.last_generation
        self._prunes = search.prunes
        self._constrained = bool(search.constraints)
        self._directory = ""
        self._events: EventFile | None = None
        self._process: ExitStack | None = None

    def start(self, attempt: Attempt) -> Mapping[str, str]:
        """Start the session, so that a running trial is seen."""
        self._directory = attempt.directory
        write_session_start(
            attempt.directory, attempt.trial, time.time(), specs=self._specs,
            group=row_name(attempt.trial, attempt.run), last_generation=self._last_generation,
        )  # fmt: skip
        return {}

    def enter(self) -> None:
        """Make TensorFlow's own summaries visible at once, too."""
        self._process = ExitStack()
        self._process.enter_context(write_at_once())

    def report(self, report: Report) -> None:
        """Write scalars; the event file is created with the first report, and always flushed."""
        if self._events is None:
            self._events = EventFile(self._directory)
        tagged = {reported_tag(name): value for name, value in report.metrics.items()}
        self._events.add_summary(make_scalars_summary(tagged), report.step)
        self._events.flush()

    def leave(self) -> None:
        """Close the event file."""
        if self._process is not None:
            self._process.close()
            self._process = None
        if self._events is not None:
            self._events.close()

    def end(self, result: TrialResult) -> None:
        """End the session, except of a cancelled trial: the driver knows what that means."""
        if result.state is not State.CANCELLED:
            write_session_end(
                self._directory,
                result,
                self._objective,
                self._prunes,
                self._last_generation,
                self._constrained,
            )


class TensorBoard(Tracker):
    """Writes event files below the log directory: a run for each trial, and one for the search."""

    reads_reports = False

    def trial_tracker(self, search: SearchDescription) -> TrialTracker:
        """Return what writes a trial's session on its executor."""
        return TrialSession(search)

    def started(self, search: SearchDescription, run: RunDirectory, resumed: bool) -> None:
        """Open the search's own event file."""
        self._run = run
        self._log = SearchLog(run.paths.search(evolution=search.has_population), search)

    def trial_known(self, result: TrialResult) -> None:
        """Count a trial that ended in an earlier process."""
        self._log.add_earlier(result)

    def trial_ended(
        self,
        result: TrialResult,
        reports: Callable[[], Sequence[Report]],
        artifacts: str | None,
    ) -> None:
        """Write what the search shows of a trial; end its session where the executor could not."""
        driver_ends_it = not result.logdir or result.state in (State.PRUNED, State.CANCELLED)
        if driver_ends_it and result.reused_from is None:
            directory = self._run.trial_directory(result.trial.id, result.attempt)
            self._log.end_session(result, directory)
        if result.state is not State.CANCELLED:
            self._log.add(result)

    def searcher_progressed(self, n_ended: int, figures: Mapping[str, float]) -> None:
        """Write the figures as curves over the trials."""
        self._log.add_figures(n_ended, figures)

    def finished(self, results: Sequence[TrialResult], outcome: Outcome) -> None:
        """Write the summary and the pictures."""
        self._log.close(complete=outcome == "complete")
