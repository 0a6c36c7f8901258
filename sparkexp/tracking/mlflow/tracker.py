"""MLflow as a tracker: what the driver tells it is queued, and sent by a thread of its own."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Literal, get_args
from urllib.parse import urlsplit

from sparkexp.analysis.description import SearchDescription
from sparkexp.errors import EnvironmentUnfitError, InvalidArgumentError, SparkexpError
from sparkexp.runs import RunDirectory, RunPaths
from sparkexp.storage.filesystems import is_remote
from sparkexp.tracking.base import Outcome, Report, Tracker
from sparkexp.tracking.mlflow.book import Book, BookKeeper
from sparkexp.tracking.mlflow.content import make_stamp
from sparkexp.tracking.mlflow.runs import SearchRuns
from sparkexp.tracking.mlflow.sender import Job, Sender
from sparkexp.tracking.mlflow.server import Server, is_local_store, require_mlflow
from sparkexp.tracking.mlflow.trial_part import MLflowTrial
from sparkexp.tracking.reports import read_all_reports
from sparkexp.trial import State, Trial, TrialResult

__all__ = ["Kept", "MLflow", "send_later"]

Kept = Literal["all", "best", "none"]
# The driver waits two seconds for an answer; see `Tracker`.
ANSWER_S = 1.8
# MLflow refuses longer names of experiments.
MAX_NAME_LENGTH = 500
CHECK_S = 10.0
SECONDS_BETWEEN_PROGRESS = 5.0
# What comes first where the server is slow.
# The parameters of a trial that ends meanwhile go with its end, in one call.
FIRST, START, END, DESCRIBE, REPORT, LAST = range(6)


class MLflow(Tracker):
    """Follows a search in MLflow: a run for the search, and one nested in it for each trial.

    Parameters
    ----------
    experiment : str
        The experiment's name; it is made if it isn't there.
    uri : str, optional
        The tracking URI. By default that of `mlflow.get_tracking_uri`. Trials use it, too, so
        executors must reach it.
    tags : Mapping[str, str], optional
        Tags for the search's run.
    env : sequence of str
        Variables of the driver with credentials that trials get, such as
        ``('MLFLOW_TRACKING_USERNAME', 'MLFLOW_TRACKING_PASSWORD')``: for MLflow calls of the train
        function. They are written nowhere.
    artifacts : {'best', 'all', 'none'}
        Whose files in `experiment.artifact_dir` are sent: those of the best trial, to the
        search's run; or of every trial, to its own run, too; or none.

    Examples
    --------
    >>> MLflow('mnist', tags={'team': 'vision'})
    MLflow('mnist')
    """

    when_unsent = "Nothing is lost: `sparkexp mlflow LOGDIR` sends it."

    def __init__(
        self,
        experiment: str,
        *,
        uri: str | None = None,
        tags: Mapping[str, str] | None = None,
        env: Sequence[str] = (),
        artifacts: Kept = "best",
    ) -> None:
        if not isinstance(experiment, str) or not experiment.strip():
            raise InvalidArgumentError(
                f"experiment must be the name of an experiment, got {experiment!r}. Write "
                "MLflow('mnist')."
            )
        if len(experiment) > MAX_NAME_LENGTH:
            raise InvalidArgumentError(
                f"The name of an experiment has at most {MAX_NAME_LENGTH} characters in MLflow, "
                f"got one of {len(experiment)}. Shorten it; tags={{…}} can hold the rest."
            )
        if isinstance(env, str) or not all(isinstance(name, str) for name in env):
            raise InvalidArgumentError(
                "env must be a list of names of environment variables. Write "
                "env=['MLFLOW_TRACKING_TOKEN']."
            )
        if artifacts not in get_args(Kept):
            raise InvalidArgumentError(
                f"artifacts must be 'best', 'all' or 'none', got {artifacts!r}."
            )
        if uri is not None:
            _check_uri(uri)
        self._experiment = experiment
        self._uri = uri
        self._tags = {str(name): str(value) for name, value in (tags or {}).items()}
        self._env = tuple(env)
        self._kept: Kept = artifacts
        self._sender: Sender | None = None
        self._nested_in = ""
        self._late: set[str] = set()
        self._was_there = True
        self._awaited = threading.Event()
        self._awaited.set()
        self._next_progress = 0.0

    def __repr__(self) -> str:
        return f"MLflow({self._experiment!r})"

    def check(self, one_host: bool, run: RunDirectory | None = None) -> None:
        """Refuse what can't work; a server that doesn't answer is no reason."""
        mlflow = require_mlflow()
        for name in self._env:
            if name not in os.environ:
                raise InvalidArgumentError(
                    f"env names variables that the driver has, and it has no {name!r}. Set it, or "
                    "leave it out."
                )
        book = None if run is None else Book.read(run.paths.mlflow)
        uri = self._find_uri(book)
        _check_uri(uri)
        if is_local_store(uri) and not one_host:
            raise EnvironmentUnfitError(
                f"The trials run on other hosts and can't write to {uri}. Start a server, with "
                "`mlflow server`, and name it: MLflow('mnist', uri='http://host:5000'), or "
                "MLFLOW_TRACKING_URI."
            )
        active = mlflow.active_run()
        if active is not None and mlflow.get_tracking_uri() == uri:
            self._nested_in = active.info.run_id
        self._was_there = _try_server(Server(uri), self._experiment)

    def trial_tracker(self, search: SearchDescription) -> MLflowTrial:
        """Return what sets the variables of a trial's process."""
        return MLflowTrial({n: os.environ[n] for n in self._env if n in os.environ})

    def started(self, search: SearchDescription, run: RunDirectory, resumed: bool) -> None:
        """Begin, or go on in the runs that an earlier process has made."""
        self._run = run
        self._search = search
        book = Book.read(run.paths.mlflow)
        uri = self._find_uri(book)
        if book is None or book.experiment != self._experiment:
            book = Book(run.id, uri, self._experiment, nested_in=self._nested_in)
        book.uri, book.outcome = uri, ""
        self._book = book
        self._keeper = BookKeeper(book, lambda: run.paths)
        self._keeper.note(at_once=True)
        server = Server(uri)
        self._runs = SearchRuns(server, book, self._keeper, search, run.location, self._tags)
        self._sender = Sender(server, uri, is_away=not self._was_there)
        ended = None
        if resumed:
            cancelled = State.CANCELLED
            ended = [r.trial.id for r in run.results() if r.state is not cancelled]
        self._sender.add(FIRST, lambda: self._runs.begin(ended))

    def trial_known(self, result: TrialResult) -> None:
        """Send what the earlier process could not."""
        if self._sender is None or result.state is State.CANCELLED:
            return
        is_new = self._book.sent.get(result.trial.id) != make_stamp(result)
        self._runs.count(result, is_new)
        if is_new:
            self._add_end(result, lambda: read_all_reports(self._run, result), None)

    def trial_submitted(self, trial: Trial) -> Mapping[str, str]:
        """Return the trial's run, or by what the run that it starts itself will be known."""
        assert self._sender is not None
        # Once a trial has waited in vain, others don't wait until there is an answer to it.
        was_away = self._sender.is_away or not self._awaited.is_set()
        job = self._sender.add(START, lambda: self._runs.start_trial(trial))
        if was_away or not job.done.wait(ANSWER_S):
            job.unwanted = True
            self._awaited = job.done if not was_away else self._awaited
        else:
            self._sender.add(DESCRIBE, lambda: self._runs.describe_trial(trial))
        book = self._book
        run_id = "" if job.unwanted else book.runs.get(trial.id, "")
        if not run_id:
            self._late.add(trial.id)
        return {
            "uri": book.uri,
            "experiment": book.experiment_id,
            "experiment_name": book.experiment,
            "search": book.search,
            "parent": book.parent,
            "run": run_id,
        }

    def trial_reported(self, trial: Trial, reports: Sequence[Report]) -> None:
        """Send what a running trial has reported, if the server has time."""
        if self._sender is not None and not self._sender.is_away:
            self._sender.add(REPORT, lambda: self._runs.report(trial, reports))

    def trial_ended(
        self,
        result: TrialResult,
        reports: Callable[[], Sequence[Report]],
        artifacts: str | None,
    ) -> None:
        """Send all of the trial."""
        assert self._sender is not None
        runs = self._runs
        self._add_end(result, reports, artifacts if self._kept == "all" else None)
        now = time.monotonic()
        is_due = now >= self._next_progress
        if is_due:
            self._next_progress = now + SECONDS_BETWEEN_PROGRESS
        runs.count(result)
        if is_due:
            self._sender.add(LAST, runs.send_progress)

    def searcher_progressed(self, n_ended: int, figures: Mapping[str, float]) -> None:
        """Send the figures with the next metrics of the search's run."""
        if self._sender is not None:
            self._runs.note_figures(n_ended, figures)

    def finished(self, results: Sequence[TrialResult], outcome: Outcome) -> None:
        """End the search's run."""
        assert self._sender is not None
        self._book.outcome = outcome
        self._keeper.note(at_once=True)
        from sparkexp.analysis.ranking import Standings  # it loads numpy

        standings = Standings(self._search.objectives[0])
        for result in results:
            standings.add(result)
        best = None if standings.best is None else standings.best.runs[0]
        artifacts = None if best is None or self._kept == "none" else _find_artifacts(best)
        self._sender.add(LAST, lambda: self._runs.finish(outcome, best, artifacts))

    def close(self, patience_s: float) -> int:
        """Wait until all is sent, and return how many things are not."""
        if self._sender is None:
            return 0
        left = self._sender.close(max(0.0, patience_s - 1))
        self._keeper.note(at_once=True)
        return left

    def _add_end(
        self, result: TrialResult, reports: Callable[[], Sequence[Report]], artifacts: str | None
    ) -> Job:
        assert self._sender is not None
        was_late = result.trial.id in self._late
        self._late.discard(result.trial.id)
        return self._sender.add(
            END, lambda: self._runs.end_trial(result, reports, was_late, artifacts)
        )

    def _find_uri(self, book: Book | None) -> str:
        """Return where to send: on resume where the search was, unless somebody says more."""
        mlflow = require_mlflow()
        if self._uri is None and book is not None and not mlflow.is_tracking_uri_set():
            return book.uri
        return _make_absolute(self._uri or mlflow.get_tracking_uri())


def send_later(
    run: RunDirectory,
    search: SearchDescription,
    results: Sequence[TrialResult],
    tracker: MLflow | None = None,
    uri: str | None = None,
    patience_s: float = 600.0,
) -> int:
    """Send what MLflow lacks of a run that has ended; return how many things it still lacks.

    Parameters
    ----------
    run : RunDirectory
        The run, locked.
    search : SearchDescription
        What was searched.
    results : sequence of TrialResult
        Its trials.
    tracker : MLflow, optional
        Where to; by default the experiment in which the search was followed.
    uri : str, optional
        Without a tracker: where that experiment is now.
    patience_s : float
        How long a server that answers at first may be away.

    Raises
    ------
    InvalidArgumentError
        If the search was not followed in MLflow, and no tracker says where to send it.
    EnvironmentUnfitError
        If the server doesn't answer.
    """
    book = Book.read(run.paths.mlflow)
    if tracker is None and book is None:
        raise InvalidArgumentError(
            f"The search in {run.location!r} was not followed in MLflow. Name an experiment, and "
            "all of it is sent there: --experiment NAME."
        )
    if tracker is None:
        assert book is not None
        tracker = MLflow(book.experiment, uri=uri)
    outcomes: dict[str, Outcome] = {name: name for name in get_args(Outcome)}
    outcome = outcomes.get(book.outcome, "interrupted") if book is not None else "complete"
    tracker.check(one_host=True, run=run)
    if not tracker._was_there:
        raise EnvironmentUnfitError(
            f"MLflow at {tracker._find_uri(book)} doesn't answer. Start it, or say where it is: "
            "--uri URL, or MLFLOW_TRACKING_URI."
        )
    tracker.started(search, run, resumed=True)
    for result in results:
        tracker.trial_known(result)
    tracker.finished(results, outcome)
    return tracker.close(patience_s)


def _check_uri(uri: str) -> None:
    if not isinstance(uri, str) or not uri.strip():
        raise InvalidArgumentError(
            f"uri must be a tracking URI, got {uri!r}. Write uri='http://host:5000'."
        )
    if "@" in urlsplit(uri).netloc:
        raise InvalidArgumentError(
            "A tracking URI must hold no password, since it is written into the run. Leave out "
            "what stands before the @, set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, "
            "and name them if trials need them: MLflow('mnist', env=[…])."
        )


def _make_absolute(uri: str) -> str:
    """Return a URI that means the same in every working directory."""
    if "://" not in uri and ":" not in uri:
        return Path(uri).absolute().as_uri() if uri != "databricks" else uri
    prefix = "sqlite:///"
    if uri.startswith(prefix) and not uri.startswith(f"{prefix}/"):
        return prefix + os.path.abspath(uri.removeprefix(prefix))
    return uri


def _try_server(server: Server, experiment: str) -> bool:
    """Return whether the server answers, and raise what can't get better.

    It asks in a thread, since a server may leave everybody waiting.
    """
    raised: list[SparkexpError] = []
    answered = threading.Event()

    def look() -> None:
        try:
            if server.is_there():
                server.find_experiment(experiment)
                answered.set()
        except SparkexpError as error:
            raised.append(error)
        except Exception:
            pass  # it is said where the search's run is made

    thread = threading.Thread(target=look, name="sparkexp-mlflow-check", daemon=True)
    thread.start()
    thread.join(CHECK_S)
    if raised:
        raise raised[0]
    return answered.is_set()


def _find_artifacts(best: TrialResult) -> str | None:
    if not best.logdir:
        return None
    if is_remote(best.logdir):
        return f"{best.logdir}/{RunPaths.artifacts(Path()).name}"
    return str(RunPaths.artifacts(Path(best.logdir)))
