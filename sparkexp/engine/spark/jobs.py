"""A trial's job: what classic and Connect sessions do differently is here, and nowhere else."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from sparkexp.engine.base import TrialTask
from sparkexp.engine.spark.connect import is_connect
from sparkexp.engine.worker.task import (
    ORDER,
    RESULT_SCHEMA,
    order_of,
    spark_function,
    without_order,
)
from sparkexp.trial import Trial, TrialResult

if TYPE_CHECKING:
    from pyspark.resource import ResourceProfile
    from pyspark.sql import DataFrame, SparkSession

__all__ = ["TrialJobs"]


class TrialJobs:
    """Runs trials as jobs of a session, each from the thread that calls.

    Parameters
    ----------
    spark : SparkSession
        Classic or Connect.
    tag : str
        What the jobs are cancelled by.
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
        # Properties of a job belong to a Java thread, and to ours only where each has its own.
        pinned = os.environ.get("PYSPARK_PIN_THREAD", "true").lower() == "true"
        self._by_property = pinned and not self._connect
        self._prepared = threading.local()

    def run(self, task: TrialTask) -> TrialResult:
        """Run a trial and return what became of it; raise what Spark raises."""
        with self._tagged(self._own_tag(task.trial), f"sparkexp {task.trial.id}"):
            if self._by_property:
                self._spark.sparkContext.setLocalProperty(ORDER, json.dumps(order_of(task)))
                frame = self._frame_for_all(without_order(task))
            else:
                frame = self._frame(task)
            rows = frame.collect()
        return TrialResult.from_json(json.loads(rows[0]["result"]))

    def inheriting(self, target: Callable[[], None]) -> Callable[[], None]:
        """Let a function that another thread runs have this thread's pool, tags and the like."""
        from pyspark.sql import is_remote
        from pyspark.util import inheritable_thread_target

        if self._connect and not is_remote():
            return target  # a process with a classic session, too: pyspark looks at that one only
        inheriting: Callable[[], None] = inheritable_thread_target(self._spark)(target)
        return inheriting

    def cancel(self, trial: Trial | None = None) -> None:
        """Cancel the jobs that run, or that of one trial."""
        tag = self._tag if trial is None else self._own_tag(trial)
        if self._connect:
            self._spark.interruptTag(tag)
        else:
            self._spark.sparkContext.cancelJobsWithTag(tag)

    def _own_tag(self, trial: Trial) -> str:
        return f"{self._tag}-{trial.number}"

    def _frame_for_all(self, template: TrialTask) -> DataFrame:
        """Return this thread's frame, whose plan Spark makes once for all trials."""
        known: tuple[TrialTask, DataFrame] | None = getattr(self._prepared, "frame", None)
        if known is None or known[0] != template:
            known = template, self._frame(template)
            self._prepared.frame = known
        return known[1]

    def _frame(self, task: TrialTask) -> DataFrame:
        # One row in one partition; other ways to make it put several trials into a task. The
        # same range for all: Spark compiles its bounds into the code that it makes for a job.
        rows = self._spark.range(0, 1, 1, 1)
        return rows.mapInArrow(spark_function(task), RESULT_SCHEMA, profile=self._profile)

    @contextmanager
    def _tagged(self, own: str, description: str) -> Iterator[None]:
        """Tag the jobs that this thread starts meanwhile, and describe them in Spark's pages."""
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
        # The session's own tags exist on classic sessions, too, but interruptTag finds no job
        # there (pyspark 4.3.0): the context's are those that cancel.
        context = self._spark.sparkContext
        for tag in tags:
            context.addJobTag(tag)
        context.setJobDescription(description)
        try:
            yield
        finally:
            for tag in tags:
                context.removeJobTag(tag)
