"""Runs a trial as a Spark job; the one module in which classic and Connect sessions differ."""

from __future__ import annotations

import json
import logging
import os
import queue
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from sparkexp.engine.base import TrialTask
from sparkexp.engine.spark.connect import is_connect
from sparkexp.engine.spark.versions import Collectable, inherit_properties, map_in_arrow
from sparkexp.engine.worker.member import make_gang_function
from sparkexp.engine.worker.task import (
    ORDER,
    RESULT_SCHEMA,
    extract_order,
    make_spark_function,
    remove_order,
)
from sparkexp.trial import Trial, TrialResult

if TYPE_CHECKING:
    from pyspark.resource import ResourceProfile
    from pyspark.sql import DataFrame, SparkSession

__all__ = ["TrialJobs"]

logger = logging.getLogger(__name__)

# How long a question to an executor waits for a slot.
ANSWER_S = 60.0


class TrialJobs:
    """Runs trials as jobs of a session, each in the calling thread.

    Parameters
    ----------
    spark : SparkSession
        Classic or Connect.
    tag : str
        The tag of all jobs, by which they are cancelled.
    profile : ResourceProfile, optional
        The profile of a trial's task.
    """

    def __init__(
        self, spark: SparkSession, tag: str, profile: ResourceProfile | None = None
    ) -> None:
        self._spark = spark
        self._tag = tag
        self._profile = profile
        self._connect = is_connect(spark)
        # A job's properties belong to a Java thread. They can be set per Python thread only if
        # each of these has a Java thread of its own.
        pinned = os.environ.get("PYSPARK_PIN_THREAD", "true").lower() == "true"
        self._by_property = pinned and not self._connect
        self._prepared = threading.local()

    def run(self, task: TrialTask) -> TrialResult:
        """Run a trial and return its result; raise Spark's error if the job fails."""
        with self._tag_jobs(self._own_tag(task.trial), f"sparkexp {task.trial.id}"):
            if self._by_property and task.gang is None:
                self._spark.sparkContext.setLocalProperty(ORDER, json.dumps(extract_order(task)))
                frame = self._frame_for_all(remove_order(task))
            else:
                frame = self._frame(task)
            rows = frame.collect()
        return TrialResult.from_json(json.loads(rows[0]["result"]))

    def run_gang(
        self, task: TrialTask, n_workers: int, gpus: tuple[tuple[str, ...], ...] | None
    ) -> list[TrialResult]:
        """Run a trial by several workers at the same time; return their results by rank.

        Parameters
        ----------
        task : TrialTask
            The trial.
        n_workers : int
            How many.
        gpus : tuple of tuple of str, optional
            The GPUs of each worker where the driver assigns them.

        Raises
        ------
        Exception
            Spark's error if the job fails.
        """
        description = f"sparkexp {task.trial.id} with {n_workers} workers"
        with self._tag_jobs(self._own_tag(task.trial), description):
            rows = map_in_arrow(
                self._spark.range(0, n_workers, 1, n_workers),
                make_gang_function(task, gpus),
                RESULT_SCHEMA,
                self._profile,
                barrier=True,
            ).collect()
        return [TrialResult.from_json(json.loads(row["result"])) for row in rows]

    def ask(self, function: Callable[..., Any], schema: str) -> str | None:
        """Map a function over one row on an executor and return the text that it gives.

        None if there is no free slot in a while, or the job fails: the trials will say why.
        """
        answers: queue.SimpleQueue[str | None] = queue.SimpleQueue()

        def run() -> None:
            try:
                with self._tag_jobs(self._tag, "sparkexp looks for the user's modules"):
                    rows = map_in_arrow(self._one_row(), function, schema, self._profile)
                    answers.put(str(rows.collect()[0][0]))
            except Exception as error:  # Spark has many
                logger.debug("An executor could not be asked", exc_info=error)
                answers.put(None)

        # In a thread: Ctrl-C doesn't wait for it.
        target = self.inherit_properties(run)
        threading.Thread(target=target, name="sparkexp-ask", daemon=True).start()
        try:
            return answers.get(timeout=ANSWER_S)
        except queue.Empty:
            self.cancel()
            return None

    def inherit_properties(self, target: Callable[[], None]) -> Callable[[], None]:
        """Return a function that takes this thread's pool and tags along to another thread."""
        return inherit_properties(self._spark, target)

    def cancel(self, trial: Trial | None = None) -> None:
        """Cancel all running jobs, or the job of one trial."""
        tag = self._tag if trial is None else self._own_tag(trial)
        if self._connect:
            self._spark.interruptTag(tag)
        else:
            self._spark.sparkContext.cancelJobsWithTag(tag)

    def _own_tag(self, trial: Trial) -> str:
        return f"{self._tag}-{trial.number}"

    def _frame_for_all(self, template: TrialTask) -> Collectable:
        """Return this thread's frame for all trials, which Spark plans only once."""
        prepared: tuple[TrialTask, Collectable] | None = getattr(self._prepared, "frame", None)
        if prepared is None or prepared[0] != template:
            prepared = template, self._frame(template)
            self._prepared.frame = prepared
        return prepared[1]

    def _frame(self, task: TrialTask) -> Collectable:
        return map_in_arrow(
            self._one_row(), make_spark_function(task), RESULT_SCHEMA, self._profile
        )

    def _one_row(self) -> DataFrame:
        # One row in one partition. Other ways to make it can put several trials into one task. All
        # trials have the same range, since Spark compiles its bounds into the job's code.
        return self._spark.range(0, 1, 1, 1)

    @contextmanager
    def _tag_jobs(self, own: str, description: str) -> Iterator[None]:
        """Tag and describe the jobs that this thread starts in the ``with`` block."""
        tags = (self._tag, own)
        if self._connect:
            for tag in tags:
                self._spark.addTag(tag)
            try:
                yield
            finally:
                for tag in tags:
                    self._spark.removeTag(tag)
            return
        # Classic sessions have tags, too, but interruptTag finds no job by them (pyspark 4.3.0):
        # cancelling needs the tags of the context.
        context = self._spark.sparkContext
        for tag in tags:
            context.addJobTag(tag)
        context.setJobDescription(description)
        try:
            yield
        finally:
            for tag in tags:
                context.removeJobTag(tag)
