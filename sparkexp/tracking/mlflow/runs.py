"""The runs of a search in MLflow: made, filled and ended, each step so that it may be repeated."""

from __future__ import annotations

import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from sparkexp.analysis.description import SearchDescription
from sparkexp.storage.filesystems import is_remote
from sparkexp.storage.remote_files import fetch_directory
from sparkexp.tracking.base import Outcome, Report
from sparkexp.tracking.mlflow.book import Book, BookKeeper
from sparkexp.tracking.mlflow.content import (
    PARENT,
    TRIAL,
    Content,
    Point,
    describe_end,
    describe_search,
    describe_trial,
    extract_points,
    find_status,
    find_status_of_search,
    make_stamp,
)
from sparkexp.tracking.mlflow.names import Names
from sparkexp.tracking.mlflow.server import FoundRun, GoneError, Server
from sparkexp.trial import State, Trial, TrialResult

__all__ = ["SearchRuns"]

ERROR_FILE, ARTIFACTS, BEST = "error.txt", "artifacts", "best"


class SearchRuns:
    """What a `Sender` does for a search; its thread alone calls the methods.

    Parameters
    ----------
    server : Server
        Gets everything.
    book : Book
        What is there already.
    keeper : BookKeeper
        Writes it down.
    search : SearchDescription
        The search.
    logdir : str
        Its log directory.
    tags : Mapping[str, str]
        The user's tags for the search's run.
    """

    def __init__(
        self,
        server: Server,
        book: Book,
        keeper: BookKeeper,
        search: SearchDescription,
        logdir: str,
        tags: Mapping[str, str],
    ) -> None:
        self._server = server
        self._book = book
        self._keeper = keeper
        self._search = search
        self._logdir = logdir
        self._tags = dict(tags)
        self._names, self._own_names = Names(), Names()
        self._is_ready = self._is_begun = False
        self._started: dict[str, float] = {}
        # Trials whose parameters are there.
        self._described: set[str] = set()
        # Points of running trials that are there, so that none is sent twice.
        self._points: defaultdict[str, set[Point]] = defaultdict(set)
        self._reused: defaultdict[str, list[str]] = defaultdict(list)
        # It loads numpy, which trials' processes must not have: this module is loaded there, too.
        from sparkexp.analysis.ranking import Standings

        self._standings = Standings(search.objectives[0])
        self._progress: list[Point] = []
        self._n_ended = self._n_failed = 0

    def begin(self, ended: Sequence[str] | None = None) -> None:
        """Make the search's run if there is none.

        Parameters
        ----------
        ended : sequence of str, optional
            If an earlier process has worked on the run: the ids of the trials that ended there.
            The runs of others are deleted, since these trials are run again.
        """
        if self._is_ready:
            return
        book = self._book
        if not book.experiment_id:
            book.experiment_id = self._server.find_experiment(book.experiment)
        if ended is not None:
            self._reconcile(set(ended))
        about = describe_search(self._search, book.search, self._logdir)
        if not book.parent:
            book.parent = self._find_parent() or self._make_parent(about)
        self._server.log(book.parent, Content(about.params, {}))
        self._is_ready = True
        self._keeper.note(at_once=True)

    def start_trial(self, trial: Trial) -> None:
        """Make the run of a trial that is about to start, or the parent at least."""
        self.begin()
        book = self._book
        self._described.discard(trial.id)
        if (earlier := book.runs.pop(trial.id, None)) is not None:
            book.sent.pop(trial.id, None)
            self._delete(earlier)  # what the trial logs now may contradict what it logged then
        if trial.id in self._started:  # it is the second try, and the first may have made one
            for run in self._server.find_runs(book.experiment_id, book.search, trial.id):
                self._delete(run.run_id)
        self._started[trial.id] = time.time()
        self._make_child(trial, self._started[trial.id])

    def describe_trial(self, trial: Trial) -> None:
        """Send a trial's parameters, which its start need not wait for."""
        run_id = self._book.runs.get(trial.id)
        if run_id is not None and trial.id not in self._described:
            about = describe_trial(trial, self._book.search, self._names)
            self._server.log(run_id, Content(about.params, {}))
            self._described.add(trial.id)

    def report(self, trial: Trial, reports: Sequence[Report]) -> None:
        """Send what a running trial has reported lately."""
        since = self._started.get(trial.id)
        run_id = self._book.runs.get(trial.id)
        if run_id is None or since is None or trial.id in self._book.sent:
            return
        # What is older is of an earlier try. If an executor's clock is late, the rest comes later.
        points = extract_points([r for r in reports if r.time >= since], self._names)
        self._log_points(trial.id, run_id, points)

    def end_trial(
        self,
        result: TrialResult,
        reports: Callable[[], Sequence[Report]],
        was_late: bool,
        artifacts: str | None,
    ) -> None:
        """Send all of a trial that ended, and end its run."""
        self.begin()
        trial, stamp = result.trial, make_stamp(result)
        if self._book.sent.get(trial.id) == stamp:
            return
        if result.reused_from is not None:
            self._note_reuse(result)
        else:
            self._end_own(result, reports, was_late, artifacts)
        self._points.pop(trial.id, None)
        self._book.sent[trial.id] = stamp
        self._keeper.note()

    def count(self, result: TrialResult, is_new: bool = True) -> None:
        """Count a trial for the metrics of the search's run, which has the earlier ones already.

        This one is called by the tracker's thread.
        """
        if result.state is State.CANCELLED:
            return
        self._n_ended += 1
        self._n_failed += result.state is State.FAILED
        before = self._standings.best
        self._standings.add(result)
        best = self._standings.best
        if not is_new:
            return
        now = round((result.ended or time.time()) * 1000)
        if best is not None and best is not before and best.value is not None:
            self._progress.append(Point("best", best.value, now, self._n_ended))
        self._progress.append(Point("n_failed", float(self._n_failed), now, self._n_ended))

    def note_figures(self, n_ended: int, figures: Mapping[str, float]) -> None:
        """Take in what the searcher shows of its inside; the tracker's thread calls this, too."""
        now = round(time.time() * 1000)
        for name, value in figures.items():
            name = self._own_names.clean(f"searcher/{name}")
            self._progress.append(Point(name, value, now, n_ended))

    def send_progress(self) -> None:
        """Send the metrics of the search's run."""
        self.begin()
        if sending := tuple(self._progress):
            self._server.log(self._book.parent, Content({}, {}, sending))
            del self._progress[: len(sending)]

    def finish(self, outcome: Outcome, best: TrialResult | None, artifacts: str | None) -> None:
        """End the search's run, with the best trial's files where they are to be kept."""
        self.send_progress()
        book = self._book
        tags: dict[str, str] = {"sparkexp.outcome": outcome}
        if best is not None:
            tags |= {"sparkexp.best": best.trial.id}
            if best.trial.id in book.runs:
                tags |= {"sparkexp.best_run": book.runs[best.trial.id]}
        self._server.log(book.parent, Content({}, tags))
        if artifacts is not None:
            self._upload(book.parent, artifacts, BEST)
        self._server.end(book.parent, find_status_of_search(outcome), time.time())
        self._keeper.note(at_once=True)

    def _find_parent(self) -> str:
        """Return the id of a run that an earlier try has made, if its answer was lost."""
        if not self._is_begun:
            self._is_begun = True
            return ""
        found = self._server.find_runs(self._book.experiment_id, self._book.search)
        return next((run.run_id for run in found if not run.trial), "")

    def _make_parent(self, about: Content) -> str:
        book = self._book
        nested = {PARENT: book.nested_in} if book.nested_in else {}
        tags = {**self._tags, **about.tags, **nested}
        return self._server.create_run(book.experiment_id, self._search.name, tags, time.time())

    def _make_child(self, trial: Trial, started_s: float) -> str:
        book = self._book
        about = describe_trial(trial, book.search, self._names)
        name = f"trial-{trial.number:05d}"
        run_id = self._server.create_run(
            book.experiment_id, name, {**about.tags, PARENT: book.parent}, started_s
        )
        book.runs[trial.id] = run_id
        self._keeper.note()
        return run_id

    def _find_child(self, result: TrialResult, was_late: bool) -> str:
        """Return the id of a trial's run: its own, one that it has started, or a new one."""
        book, trial = self._book, result.trial
        run_id = book.runs.get(trial.id)
        if run_id is not None and not was_late:
            return run_id
        # Its answer may have been lost, so there may be one that we don't know.
        found = [
            run
            for run in self._server.find_runs(book.experiment_id, book.search, trial.id)
            if run.run_id != run_id
        ]
        if not found:
            started_s = result.started or result.submitted or result.ended or time.time()
            return run_id or self._make_child(trial, started_s)
        if run_id is not None:
            self._delete(run_id)
        self._adopt(trial, found)
        return found[0].run_id

    def _adopt(self, trial: Trial, found: Sequence[FoundRun]) -> None:
        """Take the first run that a trial has started itself for the trial's own."""
        own, *others = found
        about = describe_trial(trial, self._book.search, self._names)
        self._server.rename(own.run_id, f"trial-{trial.number:05d}")
        tags = {**about.tags, PARENT: self._book.parent}
        self._server.log(own.run_id, Content({}, tags))
        for other in others:
            self._server.log(other.run_id, Content({}, {PARENT: own.run_id}))
            self._server.untag(other.run_id, TRIAL)
        self._book.runs[trial.id] = own.run_id

    def _end_own(
        self,
        result: TrialResult,
        reports: Callable[[], Sequence[Report]],
        was_late: bool,
        artifacts: str | None,
    ) -> None:
        trial = result.trial
        run_id = self._find_child(result, was_late)
        try:
            content = describe_end(result, reports(), self._names)
            known = self._points.get(trial.id, set())
            points = [point for point in content.points if point not in known]
            params: Mapping[str, str] = {}
            if trial.id not in self._described:  # the earlier process made the run, or a late try
                params = describe_trial(trial, self._book.search, self._names).params
            self._server.log(run_id, Content(params, content.tags, points))
            self._described.add(trial.id)
            if result.error and result.state is State.FAILED:
                text = f"{result.error}\n\n{result.output}".rstrip()
                self._server.write_text(run_id, text + "\n", ERROR_FILE)
            if artifacts is not None:
                self._upload(run_id, artifacts, ARTIFACTS)
            self._server.end(run_id, find_status(result), result.ended or time.time())
        except GoneError:  # somebody has deleted it, and doesn't want it
            self._book.sent[trial.id] = make_stamp(result)
            raise

    def _note_reuse(self, result: TrialResult) -> None:
        original = result.reused_from or ""
        known = self._reused[original]
        if result.trial.id not in known:
            known.append(result.trial.id)
        if (run_id := self._book.runs.get(original)) is not None:
            self._server.log(run_id, Content({}, {"sparkexp.reused_by": ", ".join(known)}))

    def _log_points(self, trial_id: str, run_id: str, points: Sequence[Point]) -> None:
        known = self._points[trial_id]
        new = [point for point in points if point not in known]
        if new:
            self._server.log(run_id, Content({}, {}, new))
            known.update(new)

    def _reconcile(self, ended: set[str]) -> None:
        """Compare the book with the server, where a driver was killed or has had no answer."""
        book = self._book
        found = self._server.find_runs(book.experiment_id, book.search)
        there = {run.run_id for run in found}
        own = [run for run in found if not run.trial]
        if book.parent and book.parent not in there:
            book.forget_runs()  # another server, or somebody has deleted the search's run
            book.experiment_id = self._server.find_experiment(book.experiment)
        elif not book.parent and own:
            book.parent = own[0].run_id
        if book.parent:
            self._server.end(book.parent, "RUNNING", 0)
        first: dict[str, FoundRun] = {}
        for run in found:
            is_kept = run.trial in ended and run.run_id == book.runs.get(run.trial, run.run_id)
            if run.trial and is_kept and run.trial not in first:
                first[run.trial] = run
            elif run.trial:
                self._delete(run.run_id)
        book.runs = {trial: run.run_id for trial, run in first.items()}

    def _delete(self, run_id: str) -> None:
        try:
            self._server.delete(run_id)
        except GoneError:
            pass

    def _upload(self, run_id: str, directory: str, folder: str) -> None:
        if not is_remote(directory):
            if Path(directory).is_dir():  # others than the best ones may have been removed
                self._server.upload(run_id, directory, folder)
            return
        with tempfile.TemporaryDirectory(prefix="sparkexp-mlflow-") as copy:
            if fetch_directory(directory, Path(copy)):
                self._server.upload(run_id, copy, folder)
