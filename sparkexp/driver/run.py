"""Runs a checked search: engine, run directory, plan, loop, `Result`."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence, Set
from typing import TYPE_CHECKING, Any

from sparkexp._version import __version__
from sparkexp.analysis.description import SearchDescription
from sparkexp.distributed import make_wrapper
from sparkexp.driver.artifact_retention import ArtifactRetention
from sparkexp.driver.consumers import Consumers, TrialConsumer
from sparkexp.driver.corrections import correct_records
from sparkexp.driver.early_failures import EarlyFailures
from sparkexp.driver.gang_status import make_describe
from sparkexp.driver.host_health import HostHealth
from sparkexp.driver.interrupts import Interrupts
from sparkexp.driver.limits import Ask, Limits
from sparkexp.driver.logdir import choose_logdir
from sparkexp.driver.loop import SearchLoop
from sparkexp.driver.options import Options
from sparkexp.driver.plan import format_plan
from sparkexp.driver.progress import Progress
from sparkexp.driver.pruning import Pruner
from sparkexp.driver.pruning_rule import as_rule
from sparkexp.driver.records import Records
from sparkexp.driver.trackers import Trackers, make_trackers, make_trial_trackers
from sparkexp.driver.train_function import function_name, locate_function
from sparkexp.driver.user_functions import StopFunction, TrialCallback
from sparkexp.engine import (
    Engine,
    InlineEngine,
    LateSession,
    Resources,
    SparkEngine,
    TrialTask,
    with_objects,
)
from sparkexp.errors import (
    AllTrialsFailedError,
    InvalidArgumentError,
    RunDirectoryError,
    SearchInterrupted,
    SessionLostError,
    StorageError,
)
from sparkexp.results.reproduce import describe_search
from sparkexp.results.result import Result
from sparkexp.runs import RunDirectory, create_run, damage_error, new_run_id
from sparkexp.search.spec import Search
from sparkexp.tracking import Outcome
from sparkexp.trial import State, Trial

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

__all__ = ["run_search"]

logger = logging.getLogger(__name__)

# The largest number of places that an error names.
MAX_LISTED = 10
# Variables that are set if the user hasn't set them. Without the first, one trial takes all
# memory of a GPU that others share. The second keeps TensorFlow's start-up messages out of logs.
TRIAL_ENVIRONMENT = {"TF_FORCE_GPU_ALLOW_GROWTH": "true", "TF_CPP_MIN_LOG_LEVEL": "1"}


def run_search(
    spark: SparkSession | None,
    train: Callable[..., Any],
    search: Search,
    options: Options,
    run: RunDirectory | None = None,
    planned: Search | None = None,
) -> Result:
    """Run a search to its end.

    Parameters
    ----------
    spark : SparkSession or None
        None with ``engine='inline'``.
    train : Callable
        The train function, checked against the space.
    search : Search
        The search.
    options : Options
        Its options.
    run : RunDirectory, optional
        The run to resume; by default a new one.
    planned : Search, optional
        The search that the plan shows; by default the search itself.

    Raises
    ------
    SearchInterrupted
        After Ctrl-C; it carries the result so far.
    SessionLostError
        If the Spark session ends meanwhile; it carries the result so far.
    AllTrialsFailedError
        If the first trials fail alike, through the call; it carries the result so far.
    StorageError
        If the log directory is a URL that can't be written. If it, or a path, can't be written at
        the end, the error carries the result.
    """
    name = run.settings["name"] if run else options.name or function_name(train)
    location = run.location if run else options.resolve_logdir() or str(choose_logdir(name))
    settings = run.settings if run else _collect_settings(name, train, search, options)
    run_id = run.id if run else new_run_id()
    about = describe_search(name, search, settings.get("options", {}))
    description = search.describe(
        name, prunes=options.prune is not None, about=about, constraints=options.constraints
    )
    callbacks = [TrialCallback(options.on_trial_end)] if options.on_trial_end else []
    trackers = [*make_trackers(options.trackers, options.mlflow), *callbacks]
    keeps_reports = any(each.reads_reports for each in trackers)
    reads_reports = description.prunes or keeps_reports
    template = TrialTask(
        trial=Trial(0, {}),
        train=with_objects(train, search.parsed),
        logdir=location,
        objectives=search.objectives,
        constraints=options.constraints,
        needs_value=search.needs_values,
        isolation=options.isolation,
        timeout_s=options.trial_timeout,
        max_retries=options.max_retries,
        environment=TRIAL_ENVIRONMENT,
        trackers=make_trial_trackers(trackers, description),
        reads_reports=reads_reports,
        keeps_reports=keeps_reports,
        run_id=run_id,
        gang=options.gang,
        wrapper=None if options.gang is None else make_wrapper(options.gang),
    )
    # From here on we handle Ctrl-C: Spark's handler would cancel all jobs of the session.
    with Interrupts() as interrupts, _build_engine(spark, options) as engine:
        for tracker in trackers:
            tracker.check(engine.one_environment, run)
        engine.prepare(template, options.data)
        # From here on there may be files on disk.
        resumed = run is not None
        run = run or create_run(location, settings, run_id)
        result = None
        try:
            with run.lock(curves=reads_reports):
                plan = format_plan(name, planned or search, engine, location, options)
                running_trackers = Trackers(trackers, description, run, resumed)
                driver = _Driver(
                    search, description, options, engine, run, running_trackers, asks=callbacks
                )
                result = driver.run(interrupts, plan)
        except StorageError as error:
            if result is None:
                raise
            raise _attach_result(error, result) from error
        return result


class _Driver:
    """A search whose engine is ready and whose run directory is locked."""

    def __init__(
        self,
        search: Search,
        description: SearchDescription,
        options: Options,
        engine: Engine,
        run: RunDirectory,
        trackers: Trackers,
        asks: Sequence[Ask] = (),
    ) -> None:
        self._search = search
        self._description = description
        self._options = options
        self._engine = engine
        self._run = run
        self._trackers = trackers
        n_trials = _find_limit(search.searcher.n_trials, options.max_trials)
        self._progress = Progress(
            n_trials,
            search.objectives,
            options.progress,
            describe=None if options.gang is None else make_describe(run),
            starts_workers=engine.starts_workers,
        )
        self._limits = Limits(
            search.objectives[0],
            timeout_s=options.timeout,
            max_failures=None if isinstance(options.max_failures, str) else options.max_failures,
            target=options.target,
            max_trials=options.max_trials,
            patience=options.patience,
            asks=list(asks),
            repeats=search.repeats,
            full_rung=len(search.searcher.rungs) - 1 if search.searcher.rungs else None,
            early=EarlyFailures(
                run.location,
                search.objectives,
                search.parameters(),
                counts_any=options.max_failures == "auto",
                one_environment=engine.one_environment,
            ),
        )
        rule = as_rule(options.prune)
        self._pruner = None if rule is None else Pruner(rule, search.objectives[0], run)
        self._records = Records(run, search.searcher)
        self._retention: ArtifactRetention | None = None
        if options.n_kept is not None:
            self._retention = ArtifactRetention(
                options.n_kept, search.objectives, run, self._records,
                repeats=search.repeats, confirm=search.confirm,
            )  # fmt: skip

    def run(self, interrupts: Interrupts, plan: str) -> Result:
        """Run the search to its end; see `run_search`."""
        loop = self._build_loop(interrupts)
        self._progress.show_plan(plan)
        outcome: Outcome = "failed"
        try:
            stopped = loop.run()
            if stopped is not None and self._options.gang is not None:
                self._progress.tell(f"ended early: {stopped}")
            outcome = "complete" if stopped is None else "limit"
            if self._search.searcher.done and self._retention is not None:
                self._retention.finish()
            if (unwritten := self._unwritten(loop, stopped)) is not None:
                raise unwritten
            return self._build_result(loop, stopped)
        except KeyboardInterrupt:
            outcome = "interrupted"
            loop.cancel()
            n_ended = sum(r.state is not State.CANCELLED for r in loop.results())
            interrupted = SearchInterrupted(
                f"The search was interrupted after {n_ended} trials. They are in "
                f"{self._run.location!r}: experiment.resume(spark, train, logdir) goes on."
            )
            if (unwritten := self._unwritten(loop, "interrupted")) is not None:
                logger.error("%s", unwritten)
            interrupted.result = self._build_result(loop, "interrupted")
            raise interrupted from None
        except SessionLostError as error:
            outcome = "interrupted"
            loop.cancel()
            ended = "the Spark session ended"
            if (unwritten := self._unwritten(loop, ended)) is not None:
                logger.error("%s", unwritten)
            error.result = self._build_result(loop, ended)
            raise
        except RunDirectoryError as error:
            outcome = "interrupted"
            loop.cancel()
            error.result = self._build_result(loop, "another driver has taken the run over")
            raise
        except AllTrialsFailedError as error:
            loop.cancel()
            error.result = self._build_result(loop, "the first trials failed alike")
            raise
        finally:
            self._trackers.close(outcome)
            self._progress.close()

    def _build_loop(self, interrupts: Interrupts) -> SearchLoop:
        """Return the loop, with the results that earlier processes recorded."""
        searcher, recorded = self._search.searcher, self._run.results()
        self._run.write_settings()
        settings = self._options.retry_failed, self._options.constraints
        if corrected := correct_records(recorded, self._search.objectives, *settings):
            for result in corrected:
                self._run.record(result)
            self._run.save_searcher(searcher.state())
            recorded = self._run.results()
        elif (state := self._run.searcher_state()) is not None:
            self._restore(state, {r.trial.number for r in recorded})
        self._records.know(recorded)
        # They are told of a trial in this order; see `Consumers`.
        consumers: list[TrialConsumer | None] = [
            HostHealth(), self._records, self._retention, self._pruner, self._limits,
            self._progress, self._trackers,
        ]  # fmt: skip
        loop = SearchLoop(
            searcher,
            self._engine,
            self._run,
            consumers=Consumers([each for each in consumers if each is not None]),
            limits=self._limits,
            interrupts=interrupts,
            progress=self._progress,
            trackers=self._trackers,
            reuse=self._search.reuse,
            recorded=recorded,
            retry_failed=self._options.retry_failed,
            pruner=self._pruner,
            records=self._records,
        )
        if (function := self._options.stop_when) is not None:
            self._limits.asks.append(
                StopFunction(
                    function, lambda: loop.n_ended, lambda: self._build_result(loop, None)
                )
            )
        return loop

    def _restore(self, state: Mapping[str, Any], numbers: Set[int]) -> None:
        """Let the searcher go on from its saved state, if the records for that are there."""
        searcher = self._search.searcher
        try:
            if searcher.knows_only(state, numbers):
                searcher.restore(state)
                return
        except InvalidArgumentError as error:
            if self._search.own_searcher is not None or not searcher.inner.restores_exactly:
                raise  # it was handed over, and is another one
            paths = self._run.paths
            reason = f"it is of another search than {paths.experiment.name}"
            raise damage_error(paths.searcher, reason) from error
        except Exception as error:  # each searcher has its own state
            raise damage_error(self._run.paths.searcher, repr(error)) from error
        logger.warning(
            "Records are missing in %s: the search is replayed from those that are there, "
            "and the trials without one are run again.", self._run.paths.records
        )  # fmt: skip

    def _unwritten(self, loop: SearchLoop, stopped: str | None) -> StorageError | None:
        """Write the last of the run's state; return the error where that can't be."""
        reason = self._records.finish()
        if reason is None:
            return None
        error = StorageError(
            "A log directory must be writable until all of the search is in it, and "
            f"{self._run.location!r} can't be written: {reason}. What is missing there is in this "
            "error's result: keep that, for example by result.to_pandas().to_csv(...)."
        )
        error.result = self._build_result(loop, stopped)
        return error

    def _build_result(self, loop: SearchLoop, stopped: str | None) -> Result:
        trials = tuple(map(self._run.move_to_root, loop.results()))
        return Result(trials, self._run.location, self._description, stopped)


def _build_engine(spark: SparkSession | None, options: Options) -> Engine:
    """Return the engine that `engine=` names or holds."""
    if isinstance(options.engine, Engine):
        return options.engine
    if options.engine == "inline":
        return InlineEngine()
    if isinstance(spark, LateSession):
        spark = spark.start()
    if type(spark).__name__ == "SparkContext":
        raise InvalidArgumentError(
            "spark must be a SparkSession, got a SparkContext. SparkSession(sc) makes one of it; "
            "in a notebook or the pyspark shell, it is the variable spark."
        )
    if spark is None or isinstance(spark, type) or not hasattr(spark, "range"):
        raise InvalidArgumentError(
            f"spark must be a SparkSession, got {spark!r}. Build one with "
            "SparkSession.builder.getOrCreate(), or debug without one: engine='inline'."
        )
    resources = Resources(
        options.parallelism,
        options.cpus_per_trial,
        options.gpus_per_trial,
        options.limit_threads,
        options.gang,
    )
    return SparkEngine(spark, resources, tuple(options.py_files))


def _attach_result(error: StorageError, result: Result) -> StorageError:
    """Return the error with the result, and with the places where trials' files are kept."""
    kept = [trial.kept for trial in result.trials if trial.kept]
    places = f" The trials' files are kept at {_join_locations(kept)}." if kept else ""
    found = StorageError(f"{error}{places}")
    found.result = result
    return found


def _join_locations(places: list[str]) -> str:
    more = f" and {len(places) - MAX_LISTED} more places" if len(places) > MAX_LISTED else ""
    return ", ".join(places[:MAX_LISTED]) + more


def _find_limit(n_trials: int | None, limit: int | None) -> int | None:
    return min((n for n in (n_trials, limit) if n is not None), default=None)


def _collect_settings(
    name: str, train: Callable[..., Any], search: Search, options: Options
) -> dict[str, Any]:
    return {
        "sparkexp_version": __version__,
        "created": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "name": name,
        "train": locate_function(train),
        **search.to_json(),
        "options": options.to_json(),
        "unrecorded": options.describe_unrecorded(),
    }
