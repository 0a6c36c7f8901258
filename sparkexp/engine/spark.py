"""The driver's side of Spark: one job per trial, from as many threads as there are slots."""

from __future__ import annotations

import json
import logging
import os
import queue
import shutil
import sys
import threading
import time
import uuid
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from sparkexp.engine.base import Engine, Train, TrialTask
from sparkexp.engine.jobs import cancel_jobs, tagged
from sparkexp.engine.preload import heavy_imports
from sparkexp.engine.shipping import ship
from sparkexp.engine.slots import check_session, is_connect, is_local, setting, wait_for_slots
from sparkexp.engine.task import RESULT_SCHEMA, spark_function
from sparkexp.errors import TrainFunctionError
from sparkexp.gpu import local_gpus, share_out
from sparkexp.trial import State, Trial, TrialResult

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

__all__ = ["SparkEngine"]

logger = logging.getLogger(__name__)

# The user's function, pickled: beyond this it belongs into a file that executors read.
MAX_TRAIN_MB = 100


class SparkEngine(Engine):
    """Runs each trial as a Spark job of one task.

    Spark places the task, gives it its GPU, and runs it again where an executor is lost; the
    trial's own failures come back as results.

    Parameters
    ----------
    spark : SparkSession
        Classic or Connect.
    train : Callable
        The train function.
    template : TrialTask
        The task whose trial is replaced by the submitted ones.
    parallelism : int, optional
        Trials in flight; by default as many as the executors can run.
    py_files : tuple of str
        Further Python files for the executors.

    Raises
    ------
    EnvironmentUnfitError
        If the session can't run tasks.
    TrainFunctionError
        If the train function can't be pickled.
    """

    def __init__(
        self,
        spark: SparkSession,
        train: Train,
        template: TrialTask,
        parallelism: int | None = None,
        py_files: tuple[str, ...] = (),
    ) -> None:
        check_session(spark)
        self._spark = spark
        self._template = replace(template, train=_pickled(train), preload=heavy_imports(train))
        self._slots = parallelism or wait_for_slots(spark)
        self._gpus = _slot_gpus(spark, self._slots)
        _use_own_python(spark)
        self._template = replace(self._template, modules=ship(spark, train, py_files))
        self._tag = f"sparkexp-{uuid.uuid4().hex[:12]}"
        self._submitted: queue.SimpleQueue[tuple[Trial, float] | None] = queue.SimpleQueue()
        self._ended: queue.SimpleQueue[TrialResult] = queue.SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._in_flight = 0
        self._closed = threading.Event()

    @property
    def slots(self) -> int:
        return self._slots

    def submit(self, trial: Trial) -> None:
        self._submitted.put((trial, time.time()))
        self._in_flight += 1
        if len(self._threads) < min(self._slots, self._in_flight):
            self._start_thread()

    def wait(self, timeout_s: float | None = None) -> list[TrialResult]:
        if not self._in_flight:
            return []
        try:
            results = [self._ended.get(timeout=timeout_s)]
        except queue.Empty:
            return []
        while not self._ended.empty():
            results.append(self._ended.get())
        self._in_flight -= len(results)
        learnt = {module for result in results for module in result.imported}
        if new := learnt - set(self._template.preload):
            self._template = replace(
                self._template, preload=(*self._template.preload, *sorted(new))
            )
        return results

    def close(self) -> None:
        self._closed.set()
        if self._in_flight:
            cancel_jobs(self._spark, self._tag)
        for _ in self._threads:
            self._submitted.put(None)

    def _start_thread(self) -> None:
        from pyspark.util import inheritable_thread_target

        # Spark's job properties (pool, description, tags) are bound to threads.
        serve = inheritable_thread_target(self._spark)(self._serve)
        slot = len(self._threads)
        # A daemon: a second Ctrl-C must not wait for trials.
        thread = threading.Thread(
            target=serve, args=(slot,), name=f"sparkexp-slot-{slot}", daemon=True
        )
        self._threads.append(thread)
        thread.start()

    def _serve(self, slot: int) -> None:
        while (item := self._submitted.get()) is not None:
            trial, submitted = item
            try:
                result = self._run(replace(self._template, trial=trial, gpus=self._gpus[slot]))
            except Exception as error:
                result = self._lost(trial, error)
            self._ended.put(replace(result, submitted=submitted))

    def _run(self, task: TrialTask) -> TrialResult:
        if self._closed.is_set():
            return TrialResult(task.trial, State.CANCELLED)
        number = task.trial.number
        with tagged(self._spark, self._tag, f"sparkexp {task.trial.id}"):
            # One row in one partition; other ways to make it put several trials into a task.
            rows = (
                self._spark.range(number, number + 1, 1, 1)
                .mapInArrow(spark_function(task), RESULT_SCHEMA)
                .collect()
            )
        return TrialResult.from_json(json.loads(rows[0]["result"]))

    def _lost(self, trial: Trial, error: Exception) -> TrialResult:
        """Return the result of a trial that Spark could not bring to an end."""
        if self._closed.is_set():
            return TrialResult(trial, State.CANCELLED, error="The search was ended.")
        logger.debug("Trial %s was lost", trial.id, exc_info=error)
        return TrialResult(
            trial,
            State.FAILED,
            error=f"Spark could not run the trial: {_reason(error)}",
            ended=time.time(),
        )


def _pickled(train: Train) -> bytes:
    """Pickle the train function.

    Raises
    ------
    TrainFunctionError
        If it, or something it refers to, can't be pickled or is very large.
    """
    import cloudpickle

    try:
        data: bytes = cloudpickle.dumps(train)
    except Exception as error:
        raise TrainFunctionError(
            "The train function is sent to executors, and it can't be pickled: "
            f"{type(error).__name__}: {error}. Create what can't travel (sessions, locks, open "
            "files, loggers, models) inside the function."
        ) from error
    if len(data) > MAX_TRAIN_MB * 1e6:
        raise TrainFunctionError(
            f"The train function and the data it refers to take {len(data) / 1e6:.0f} MB, more "
            f"than the {MAX_TRAIN_MB} MB that can be sent with every trial. Load the data inside "
            "the function."
        )
    return data


def _session_slots(spark: SparkSession) -> int:
    return wait_for_slots(spark)


def _slot_gpus(spark: SparkSession, n_slots: int) -> list[tuple[str, ...] | None]:
    """Return the GPUs of each slot: ours to assign on one machine, else Spark's."""
    gpus = local_gpus() if is_local(spark) and not is_connect(spark) else ()
    return list(share_out(gpus, n_slots)) if gpus else [None] * n_slots


def _use_own_python(spark: SparkSession) -> None:
    """Let a local session's workers run this Python.

    Without PYSPARK_PYTHON they run the ``python3`` of the PATH, which lacks everything if this
    one belongs to a virtual environment that isn't activated.
    """
    master = setting(spark, "spark.master") or ""
    if is_connect(spark) or not master.startswith("local"):  # local-cluster, too
        return
    context = spark.sparkContext
    found = shutil.which(context.pythonExec)
    # Not resolved: a virtual environment's python is a link to one outside of it.
    if found is None or Path(found).absolute() != Path(sys.executable).absolute():
        if not _chosen(spark):
            logger.info("Workers run %s instead of %s", sys.executable, context.pythonExec)
            context.pythonExec = sys.executable


def _chosen(spark: SparkSession) -> bool:
    return (
        bool(os.environ.get("PYSPARK_PYTHON"))
        or setting(spark, "spark.pyspark.python") is not None
    )


def _reason(error: Exception) -> str:
    """Return the line of a Spark error that says what happened."""
    lines = [line.strip(" :\t") for line in str(error).splitlines() if line.strip()]
    if any("No module named 'pyarrow'" in line for line in lines):
        return (
            "the executors' Python lacks pyarrow. Set PYSPARK_PYTHON (or spark.pyspark.python) "
            "to a Python that has the packages of requirements.txt, on every host."
        )
    telling = [line for line in lines if "Error" in line or "Exception" in line or "ost" in line]
    return (telling or lines or [type(error).__name__])[0][:2000]
