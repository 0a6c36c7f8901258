"""Runs trials as Spark jobs from the driver: one job per trial, one thread per slot."""

from __future__ import annotations

import logging
import queue
import threading
import time
import uuid
from contextlib import ExitStack
from dataclasses import replace
from typing import IO, TYPE_CHECKING

from sparkexp.engine.base import Engine, TrialTask
from sparkexp.engine.spark.connect import give_up, is_unreachable, limit_retries
from sparkexp.engine.spark.failures import (
    describe_unfit,
    find_reason,
    find_unfit,
    is_cancelled,
)
from sparkexp.engine.spark.gangs import Gangs, check_gang, name_member, tell_way_on
from sparkexp.engine.spark.gpu_pool import GpuPool
from sparkexp.engine.spark.jobs import TrialJobs
from sparkexp.engine.spark.resources import Resources, resource_profile
from sparkexp.engine.spark.session_settings import (
    attempts_per_job,
    count_copies_as_retries,
    stop_progress_bar,
    use_own_python,
)
from sparkexp.engine.spark.slots import (
    SlotCount,
    check_session,
    is_alive,
    is_local,
    setting,
)
from sparkexp.engine.spark.versions import check_arrow
from sparkexp.engine.transfer.data import (
    keep_shared_data,
    remove_shared_data,
    write_shared_data,
)
from sparkexp.engine.transfer.environment_writes import find_written_settings
from sparkexp.engine.transfer.import_settings import find_affected, name_settings
from sparkexp.engine.transfer.main_pickle import pickle_train
from sparkexp.engine.transfer.shipping import Shipment, ship
from sparkexp.engine.transfer.train_imports import heavy_imports
from sparkexp.errors import EnvironmentUnfitError, SessionLostError
from sparkexp.storage.filesystems import is_remote
from sparkexp.trial import Fault, State, Trial, TrialResult

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

__all__ = ["SparkEngine"]

logger = logging.getLogger(__name__)

N_CANCELS = 10
# One more trial waits in Spark's queue for every so many slots: with these, it is rare that two
# become free at the same moment.
SLOTS_PER_AHEAD = 16
CANCEL_AGAIN_S = 0.5


class SparkEngine(Engine):
    """Runs each trial as a Spark job of one task.

    Spark chooses the executor, assigns the GPU, and runs the task again if the executor is lost.
    The trial's own failures come back as results.

    Parameters
    ----------
    spark : SparkSession
        Classic or Connect.
    resources : Resources
        The resources of a trial.
    py_files : tuple of str
        More Python files for the executors.

    Raises
    ------
    EnvironmentUnfitError
        If the session can't run tasks, or this Python's pyarrow can't be used.
    """

    _task: TrialTask

    def __init__(
        self,
        spark: SparkSession,
        resources: Resources = Resources(),  # noqa: B008  # frozen
        py_files: tuple[str, ...] = (),
    ) -> None:
        check_session(spark)
        check_arrow()
        self._spark = spark
        self._resources = resources
        self._py_files = py_files
        self._shipment = Shipment()
        self._data: object = None
        # Where the data is that was handed over.
        self._data_location: str | None = None
        self._data_file: IO[bytes] | None = None
        self._profile = resource_profile(spark, resources)
        self._count = SlotCount(spark, resources.cpus, self._profile)
        self._parallelism = resources.parallelism
        self._size = 1 if resources.gang is None else resources.gang.size
        if resources.gang is not None:
            check_gang(spark, resources.gang, self._count_slots, self.where)
        n_slots = (self._parallelism or 0) * self._size or self._count_slots()
        self._gpus = GpuPool(spark, n_slots, resources.gpus)
        if 0 < self._gpus.n_shares < self._size:
            raise EnvironmentUnfitError(
                f"{self._size} workers train at the same time, each with its own GPUs, and those "
                f"of this machine suffice for {self._gpus.n_shares}. Ask for fewer workers, or "
                "for fewer GPUs for each: 0.5 shares one."
            )
        self._attempts_per_job = attempts_per_job(spark)
        self._jobs = TrialJobs(spark, f"sparkexp-{uuid.uuid4().hex[:12]}", self._profile)
        self._gangs = Gangs(self._jobs, self._count.now, self._is_over)
        self._submitted: queue.SimpleQueue[tuple[Trial, float] | None] = queue.SimpleQueue()
        self._ended: queue.SimpleQueue[TrialResult] = queue.SimpleQueue()
        self._n_threads = 0
        self._in_flight = 0
        self._cancelled = threading.Event()
        self._stopped: set[int] = set()
        self._lost = threading.Event()
        self._closing = ExitStack()
        self._import_notes: tuple[str, ...] = ()

    def _prepare(self, task: TrialTask, data: object) -> None:
        import cloudpickle

        spark, train = self._spark, task.train
        assert callable(train)
        use_own_python(spark)
        stop_progress_bar(spark)
        self._data = data
        imports, settings = heavy_imports(train), find_written_settings(train)
        late = find_affected(settings)
        if task.gang is not None and settings:
            self._import_notes = (
                f"the train function sets {name_settings(settings)}, which libraries read when "
                "they are imported: workers of a gang import Keras before. Set it for the "
                "executors (spark.executorEnv)",
            )
        elif held_back := [module for module in imports if module in late]:
            self._import_notes = (
                f"the train function sets {name_settings(settings)}, which libraries read when "
                f"they are imported: each trial imports {', '.join(held_back)} itself",
            )
        pickled = pickle_train(train)
        self._shipment = ship(spark, train, self._py_files, self._jobs.ask)
        if self._shipment.has_modules:
            task = replace(task, trackers=cloudpickle.dumps(task.trackers))
        self._task = replace(
            task,
            train=pickled,
            preload=tuple(module for module in imports if module not in late),
            late_modules=late,
            threads=self._resources.threads(spark),
            modules=self._shipment.names,
            max_retries=task.max_retries
            if task.starts_together  # Spark makes no copies of barrier tasks
            else count_copies_as_retries(spark, task.max_retries),
        )
        self._closing.enter_context(limit_retries(spark))

    @property
    def slots(self) -> int:
        there = max(1, self._count.now() // self._size)
        slots = self._parallelism or there
        if self._size > 1:  # of two gangs that wait, each could get some of the other's slots
            slots = min(slots, there)
        return min(slots, self._gpus.n_shares // self._size or slots)

    @property
    def ahead(self) -> int:
        # Only if Spark holds queued trials back; otherwise they would run at once. Not with
        # dynamic allocation, which would add executors for them.
        if self._parallelism or self._gpus.n_shares or self._size > 1 or not self._count.exact:
            return 0
        return 1 + self.slots // SLOTS_PER_AHEAD

    starts_workers = True

    @property
    def one_environment(self) -> bool:  # type: ignore[override]  # a property here
        return is_local(self._spark)

    @property
    def where(self) -> str:
        return str(setting(self._spark, "spark.master") or "the Spark session")

    @property
    def notes(self) -> tuple[str, ...]:  # type: ignore[override]  # a property here
        there = self._count.now()
        if self._parallelism is None or self._parallelism <= there:
            return (*self._shipment.notes, *self._import_notes)
        return (
            *self._shipment.notes,
            *self._import_notes,
            f"parallelism={self._parallelism} is more than the {there} trials that the executors "
            "can run at a time now; the others wait in Spark's queue.",
        )

    def submit(self, trial: Trial) -> None:
        if self._data is not None and self._data_location is None:
            # At the first trial, since the run's directory exists only now.
            self._data_location, digest = write_shared_data(self._data, self._task.logdir)
            self._task = replace(self._task, data=self._data_location, data_digest=digest)
            if not is_remote(self._data_location):
                self._data_file = self._closing.enter_context(open(self._data_location, "rb"))
        if self._data_file is not None:
            keep_shared_data(self._data_file, str(self._task.follow_root().data))
        self._in_flight += 1
        if self._n_threads < self._in_flight:
            self._start_thread()
        self._submitted.put((trial, time.time()))

    def wait(self, timeout_s: float | None = None) -> list[TrialResult]:
        if not self._in_flight:
            return []
        try:
            results = [self._ended.get(timeout=timeout_s)]
        except queue.Empty:
            return []
        while not self._ended.empty():
            results.append(self._ended.get())
        if self._lost.is_set() and not self._cancelled.is_set():
            for result in results:
                self._ended.put(result)
            raise SessionLostError(
                "The Spark session ended while trials ran. The trials that ended are in "
                f"{self._task.logdir!r}: with a new session, "
                "experiment.resume(spark, train, logdir) goes on."
            )
        self._in_flight -= len(results)
        imported = {module for result in results for module in result.imported}
        imported = {m for m in imported if m.partition(".")[0] not in self._task.late_modules}
        if new := imported - set(self._task.preload):
            self._task = replace(self._task, preload=(*self._task.preload, *sorted(new)))
        return results

    def cancel(self) -> None:
        if self._cancelled.is_set():
            return
        self._cancelled.set()
        for _ in range(self._n_threads):
            self._submitted.put(None)
        if self._in_flight:
            # In a thread, since a lost session may take long to answer. Several times, since a
            # job that starts at this moment is not in Spark's list yet.
            threading.Thread(target=self._cancel_jobs, name="sparkexp-cancel", daemon=True).start()

    def stop(self, trial: Trial) -> None:
        self._stopped.add(trial.number)
        name = f"sparkexp-stop-{trial.number}"
        threading.Thread(target=self._cancel_jobs, args=(trial,), name=name, daemon=True).start()

    def close(self) -> None:
        self.cancel()
        self._closing.close()
        if self._lost.is_set():
            give_up(self._spark)
        if self._data_location is not None:
            local = self._data_file is not None
            remove_shared_data(str((self._task.follow_root() if local else self._task).data))

    def _cancel_jobs(self, trial: Trial | None = None) -> None:
        for _ in range(N_CANCELS):
            if trial is not None and trial.number not in self._stopped:
                return  # it has ended
            try:
                self._jobs.cancel(trial)
            except Exception as error:
                logger.debug("Jobs could not be cancelled", exc_info=error)
                return
            time.sleep(CANCEL_AGAIN_S)

    def _start_thread(self) -> None:
        # Spark's job properties (pool, description, tags) are bound to threads.
        serve = self._jobs.inherit_properties(self._serve)
        name = f"sparkexp-slot-{self._n_threads}"
        self._n_threads += 1
        # A daemon: a second Ctrl-C must not wait for trials.
        threading.Thread(target=serve, name=name, daemon=True).start()

    def _serve(self) -> None:
        while (item := self._submitted.get()) is not None:
            trial, submitted = item
            try:
                with self._gpus.take(self._size) as gpus:
                    result = self._run_trial(replace(self._task, trial=trial), gpus)
            except Exception as error:  # a bug here, or an unforeseen error of Spark
                logger.exception("%s could not be run", trial.id)
                text = f"The trial could not be run: {type(error).__name__}: {error}"
                result = TrialResult(trial, State.FAILED, error=text, ended=time.time())
            self._stopped.discard(trial.number)
            self._ended.put(replace(result, submitted=submitted))

    def _run_trial(self, task: TrialTask, gpus: tuple[tuple[str, ...], ...] | None) -> TrialResult:
        if task.gang is None or task.starts_together:
            return self._run(task, gpus)
        return self._gangs.run_apart(
            task, lambda member: self._run(member, gpus and (gpus[member.place.rank],))
        )

    def _run(self, task: TrialTask, gpus: tuple[tuple[str, ...], ...] | None) -> TrialResult:
        """Run a trial, or a member of its gang; again if it was lost for reasons outside of it."""
        trial, n_cancelled = task.trial, 0
        while not self._is_over(trial.number):
            try:
                if task.starts_together:
                    result = self._gangs.run(task, gpus)
                else:
                    result = self._jobs.run(replace(task, gpus=gpus[0] if gpus else None))
                if task.gang is None or result.loss is None:
                    return result
                if result.attempt >= task.max_retries:
                    return tell_way_on(result)
                logger.warning(
                    "%s was lost and is started again (%d of %d times): %s",
                    name_member(task), result.attempt + 1, task.max_retries, result.reason,
                )  # fmt: skip
                task = replace(task, first_attempt=result.attempt + 1)
            except Exception as error:
                if is_unreachable(error) or not is_alive(self._spark):
                    self._lost.set()
                    break
                if self._is_over(trial.number):
                    break
                if is_cancelled(error):
                    if n_cancelled:
                        break
                    n_cancelled += self._count_attempts(task)
                    logger.warning(
                        "%s was cancelled, and not by this search: it is run again, once.",
                        trial.id,
                    )
                    # Its attempts have directories of their own, and are no retries.
                    task = replace(
                        task,
                        first_attempt=task.first_attempt + n_cancelled,
                        max_retries=task.max_retries + n_cancelled,
                    )
                    continue
                failed = self._judge(error, task, n_cancelled)
                if failed is not None:
                    return failed
                attempts = task.first_attempt + self._count_attempts(task)
                task = replace(task, first_attempt=attempts)
        return TrialResult(trial, State.CANCELLED, error="The trial was cancelled.")

    def _count_attempts(self, task: TrialTask) -> int:
        # Spark doesn't run the tasks of a gang again: it started them together.
        return 1 if task.starts_together else self._attempts_per_job

    def _is_over(self, number: int) -> bool:
        is_stopped = number in self._stopped or number in self._gangs.ending
        return is_stopped or self._cancelled.is_set()

    def _judge(self, error: Exception, task: TrialTask, n_cancelled: int) -> TrialResult | None:
        """Return the result of a trial whose job failed; None if it is to be run again."""
        attempts, unfit = task.first_attempt + self._count_attempts(task), find_unfit(error)
        reason = describe_unfit(self._spark, unfit) if unfit else find_reason(error)
        if not (unfit and self.one_environment):
            logger.warning("%s was lost: %s", task.trial.id, reason)
            if attempts <= task.max_retries:
                return None
            reason = (
                f"Spark could not run the trial in {attempts - n_cancelled} attempts "
                f"(max_retries={task.max_retries - n_cancelled}): {reason}"
            )
        return TrialResult(
            task.trial,
            State.FAILED,
            error=reason,
            ended=time.time(),
            attempt=attempts - 1,
            fault=Fault.ENVIRONMENT if unfit else None,
        )

    def _count_slots(self) -> int:
        try:
            return self._count.now()
        except EnvironmentUnfitError:
            raise
        except Exception as error:  # a session that doesn't tell is measured, by tasks
            if unfit := find_unfit(error):
                raise EnvironmentUnfitError(describe_unfit(self._spark, unfit)) from error
            raise
