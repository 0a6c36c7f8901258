"""The trackers of a search on the driver, each in its own thread."""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as Late
from dataclasses import replace
from pathlib import Path
from typing import Any

from sparkexp.analysis.description import SearchDescription
from sparkexp.analysis.ranking import Standings
from sparkexp.runs import RunDirectory, RunPaths
from sparkexp.storage.filesystems import is_remote
from sparkexp.tracking import MLflow, Outcome, Report, TensorBoard, Tracker, TrialTracker
from sparkexp.tracking.reports import read_all_reports, read_reports
from sparkexp.trial import State, Trial, TrialResult

__all__ = ["Trackers", "make_trackers", "make_trial_trackers"]

logger = logging.getLogger(__name__)

# How long the start of a trial waits for a tracker's answer.
ANSWER_TIMEOUT_S = 2.0
SECONDS_BETWEEN_REPORTS = 10.0
# How long the end of a search waits for its trackers, all together.
CLOSE_TIMEOUT_S = 60.0


def make_trackers(given: Sequence[str | Tracker], experiment: str | None) -> list[Tracker]:
    """Return the trackers that the options `trackers` and `mlflow` name or hold."""
    found = [TensorBoard() if isinstance(each, str) else each for each in given]
    return found if experiment is None else [*found, MLflow(experiment)]


def make_trial_trackers(
    trackers: Sequence[Tracker], search: SearchDescription
) -> tuple[TrialTracker, ...]:
    """Return the parts of the trackers that run on the executors, one for each tracker."""
    # A worker loads these parts, and must not load classes of the user's.
    search = replace(search, parsed={})
    found = []
    for tracker in trackers:
        try:
            made = tracker.trial_tracker(search)
        except Exception:
            _warn_off(tracker, "trial_tracker")
            made = None
        found.append(made or TrialTracker())
    return tuple(found)


class Trackers:
    """Tells all trackers what happens in a search; none of them can hold the search up.

    Parameters
    ----------
    trackers : sequence of Tracker
        The trackers, any number.
    search : SearchDescription
        The search.
    run : RunDirectory
        Its log directory.
    resumed : bool
        Whether an earlier process has worked on the run.
    """

    def __init__(
        self,
        trackers: Sequence[Tracker],
        search: SearchDescription,
        run: RunDirectory,
        resumed: bool = False,
    ) -> None:
        self._search = search
        self._run = run
        self._threads = [_TrackerThread(tracker) for tracker in trackers]
        self._readers = [t for t in self._threads if t.tracker.reads_reports]
        self._next_reading = 0.0
        self._results: list[TrialResult] = []
        self._standings = Standings(search.objectives[0])
        self._n_ended: Counter[int] = Counter()
        self._figures: dict[str, float] = {}
        self._tell("started", search, run, resumed)

    def trial_ended(self, result: TrialResult, earlier: bool = False) -> None:
        """Tell the trackers of a trial that ended, and of the generation that it completes."""
        self._results.append(result)
        self._standings.add(result)
        if earlier:
            self._tell("trial_known", result)
        else:
            read = self._make_report_reader(result)
            self._tell("trial_ended", result, read, self._find_artifacts(result))
        if result.state is not State.CANCELLED:
            self._count_generation(result, earlier)

    def searcher_progressed(self, figures: Mapping[str, float]) -> None:
        """Tell the trackers what the searcher shows of its inside, if it has changed."""
        if figures and figures != self._figures:
            self._figures = dict(figures)
            self._tell("searcher_progressed", len(self._results), self._figures)

    def announce(self, trial: Trial) -> Trial:
        """Tell the trackers that a trial is about to start; return it with their answers."""
        given: dict[str, Mapping[str, str]] = {}
        for k, thread in enumerate(self._threads):
            if answer := thread.ask("trial_submitted", trial):
                given[str(k)] = answer
        return replace(trial, tracking=given) if given else trial

    def send_reports(self, running: Sequence[Trial]) -> None:
        """Tell the trackers what the running trials have reported, every ten seconds at most."""
        now = time.monotonic()
        if not self._readers or now < self._next_reading:
            return
        self._next_reading = now + SECONDS_BETWEEN_REPORTS
        for trial in running:
            if reports := read_reports(self._run.paths.curve(trial.number)):
                for thread in self._readers:
                    thread.tell("trial_reported", trial, reports)

    def close(self, outcome: Outcome) -> None:
        """Tell the trackers how the search ended, and wait for them up to a time limit."""
        self._tell("finished", tuple(self._results), outcome)
        until = time.monotonic() + CLOSE_TIMEOUT_S
        for thread in self._threads:
            thread.close(until)

    def _tell(self, method: str, *arguments: object) -> None:
        for thread in self._threads:
            thread.tell(method, *arguments)

    def _count_generation(self, result: TrialResult, earlier: bool) -> None:
        generation, popsize = result.trial.generation, self._search.popsize
        if generation is None or popsize is None:
            return
        self._n_ended[generation] += 1
        if self._n_ended[generation] == popsize * self._search.repeats and not earlier:
            best = self._standings.best
            self._tell("generation_ended", generation, None if best is None else best.runs[0])

    def _make_report_reader(self, result: TrialResult) -> Callable[[], Sequence[Report]]:
        def read() -> Sequence[Report]:
            return read_all_reports(self._run, result) if self._readers else []

        return read

    def _find_artifacts(self, result: TrialResult) -> str | None:
        if not result.logdir or result.reused_from is not None:
            return None
        if is_remote(result.logdir):
            return f"{result.logdir}/{RunPaths.artifacts(Path()).name}"
        directory = RunPaths.artifacts(Path(result.logdir))
        return str(directory) if directory.is_dir() else None


class _TrackerThread:
    """Calls the methods of a tracker one after another, in its own thread."""

    def __init__(self, tracker: Tracker) -> None:
        self.tracker = tracker
        self._is_off = False
        self._answers = type(tracker).trial_submitted is not Tracker.trial_submitted
        self._late: Future[Any] | None = None
        self._calls: queue.SimpleQueue[tuple[str, tuple[Any, ...], Future[Any]] | None]
        self._calls = queue.SimpleQueue()
        name = f"sparkexp-{type(tracker).__name__}"
        # A daemon: a second Ctrl-C must not wait for trackers.
        self._thread = threading.Thread(target=self._serve, name=name, daemon=True)
        self._thread.start()

    def tell(self, method: str, *arguments: object) -> Future[Any]:
        """Queue a call of a method; return a future of its result."""
        called: Future[Any] = Future()
        self._calls.put((method, arguments, called))
        return called

    def ask(self, method: str, *arguments: object) -> Mapping[str, str]:
        """Queue a call of a method; return its answer, or nothing if it comes too late."""
        if not self._answers:
            return {}
        called = self.tell(method, *arguments)
        if self._late is not None and not self._late.done():
            return {}
        try:
            answer: Mapping[str, str] = called.result(ANSWER_TIMEOUT_S) or {}
        except Late:
            self._late = called
            logger.warning(
                "%s has not answered for %g s: trials start without it until it does.",
                _name(self.tracker), ANSWER_TIMEOUT_S,
            )  # fmt: skip
            return {}
        return {str(name): str(value) for name, value in answer.items()}

    def close(self, until: float) -> None:
        """Close the tracker, and wait for that until the given time at most."""
        left = max(0.0, until - time.monotonic())
        closed = self.tell("close", left)
        self._calls.put(None)
        name = _name(self.tracker)
        try:
            unsent = closed.result(max(0.0, until - time.monotonic()))
        except Late:
            logger.warning(
                "%s is still at work after %g s; it loses what it hasn't processed by "
                "now. The trials' records are complete.", name, CLOSE_TIMEOUT_S
            )  # fmt: skip
            return
        if unsent:
            logger.warning(
                "%s could not send %d things. %s",
                name, unsent, self.tracker.when_unsent,
            )  # fmt: skip

    def _serve(self) -> None:
        while (call := self._calls.get()) is not None:
            method, arguments, called = call
            result = None
            try:
                if not self._is_off or method == "close":
                    result = getattr(self.tracker, method)(*arguments)
            except BaseException:  # also sys.exit: the thread is the tracker's own
                self._is_off = True
                _warn_off(self.tracker, method)
            called.set_result(result)


def _name(tracker: Tracker) -> str:
    return tracker.label or f"The tracker {type(tracker).__name__}"


def _warn_off(tracker: Tracker, method: str) -> None:
    logger.warning(
        "%s failed in %s and gets no more calls; the search goes on.",
        _name(tracker), method, exc_info=True,
    )  # fmt: skip
