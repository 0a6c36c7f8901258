"""Counts how many trials a Spark session can run at the same time."""

from __future__ import annotations

import json
import logging
import re
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from sparkexp.engine.spark.connect import is_connect, limit_retries
from sparkexp.engine.spark.versions import check_connect, map_in_arrow
from sparkexp.errors import EnvironmentUnfitError

if TYPE_CHECKING:
    import pyarrow
    from pyspark.resource import ResourceProfile
    from pyspark.sql import SparkSession

logger = logging.getLogger(__name__)

__all__ = ["SlotCount", "check_session", "is_alive", "is_local", "setting"]

# How long to wait for the first executor; then, how long their number must stay the same.
FIRST_EXECUTOR_S = 60.0
SETTLE_S = 1.0
RECOUNT_S = 1.0
# A Connect session doesn't tell the number of slots. It is measured: how many of so many tasks
# overlap.
TASK_S = 1.0
TASK_COUNTS = (4, 16, 64, 256, 1024)


def setting(spark: SparkSession, key: str) -> str | None:
    """Return a Spark setting; None if it isn't set."""
    value: str | None = spark.conf.get(key, None)
    return value


def is_local(spark: SparkSession) -> bool:
    """Return whether the master is local (``local[*]``): executors are threads of the driver."""
    return re.fullmatch(r"local(\[.*\])?", setting(spark, "spark.master") or "") is not None


def check_session(spark: SparkSession) -> None:
    """Check for what would make the session's jobs hang.

    Raises
    ------
    EnvironmentUnfitError
        If the session is stopped, requires GPUs that a local master can't announce, or is one of
        Connect with a client that is too old.
    """
    check_connect(spark)
    with limit_retries(spark):
        alive = is_alive(spark)
    if not alive:
        raise EnvironmentUnfitError(
            "The Spark session is stopped, or its server can't be reached. Build a new one: "
            "SparkSession.builder.getOrCreate()."
        )
    key = "spark.task.resource.gpu.amount"
    if is_local(spark) and setting(spark, key):
        raise EnvironmentUnfitError(
            f"{key}={setting(spark, key)} needs executors, and master "
            f"{setting(spark, 'spark.master')!r} has none: its tasks would wait for ever. Leave "
            "the spark.*.resource.gpu settings out, sparkexp assigns the GPUs of this machine; "
            "or start a standalone cluster (see conf/)."
        )


def is_alive(spark: SparkSession) -> bool:
    """Return whether a session still answers."""
    try:
        spark.conf.get("spark.app.name", None)
        return is_connect(spark) or not _is_stopped(spark)
    except Exception:  # the errors of a lost connection have many classes
        return False


class SlotCount:
    """Counts the slots: the tasks of a trial's size that the session can run at the same time.

    The number changes when executors are added or lost.

    Parameters
    ----------
    spark : SparkSession
        Classic or Connect.
    cpus : int, optional
        Cores of a trial on a local master, which takes no profile.
    profile : ResourceProfile, optional
        The profile of a trial's task.

    Raises
    ------
    EnvironmentUnfitError
        If there is no executor within a minute, or a trial needs more cores than a local master
        has.
    """

    def __init__(
        self, spark: SparkSession, cpus: int | None = None, profile: ResourceProfile | None = None
    ) -> None:
        self._spark = spark
        self._cpus = cpus
        self._profile = profile
        self._connect = is_connect(spark)
        self._elastic = setting(spark, "spark.dynamicAllocation.enabled") == "true"
        self._slots = self._add_elastic(
            self._measure() if self._connect else self._wait_for_first()
        )
        self._counted = time.monotonic()

    @property
    def exact(self) -> bool:
        """Whether Spark never runs more trials at the same time, even if more are waiting."""
        counted_here = self._cpus is not None and is_local(self._spark)
        return not counted_here and not self._elastic

    def now(self) -> int:
        """Return the current number of slots, at least 1."""
        if not self._connect and time.monotonic() - self._counted > RECOUNT_S:
            self._counted = time.monotonic()
            try:
                self._slots = self._add_elastic(self._count())
            except Exception as error:  # the session is lost: its trials report that
                logger.debug("Slots could not be counted", exc_info=error)
        return max(1, self._slots)

    def _add_elastic(self, slots: int) -> int:
        """Return more slots with dynamic allocation, which adds executors only if tasks wait."""
        return max(slots, min(2 * slots, self._most_slots(slots))) if self._elastic else slots

    def _count(self) -> int:
        if is_local(self._spark):
            # Spark's number of tasks is cores divided by spark.task.cpus.
            task_cpus = int(setting(self._spark, "spark.task.cpus") or 1)
            return self._count_tasks() * task_cpus // (self._cpus or task_cpus)
        return self._count_tasks()

    def _count_tasks(self) -> int:
        """Return the number of tasks by Spark's own count of cores and GPUs."""
        context = self._spark.sparkContext._jsc.sc()
        manager = context.resourceProfileManager()
        if self._profile is None:
            return int(context.maxNumConcurrentTasks(manager.defaultResourceProfile()))
        profile = self._profile._java_resource_profile
        manager.addResourceProfile(profile)  # Spark itself adds it with the first job
        return int(context.maxNumConcurrentTasks(profile))

    def _most_slots(self, slots: int) -> int:
        """Return the slots with the largest number of executors, if all are like the present."""
        limit = setting(self._spark, "spark.dynamicAllocation.maxExecutors")
        if self._connect or limit is None:
            return 2 * slots
        executors = self._spark.sparkContext._jsc.sc().statusTracker().getExecutorInfos()
        n_executors = len(executors) - 1  # the driver is one of them
        return int(limit) * slots // max(1, n_executors)

    def _wait_for_first(self) -> int:
        deadline = time.monotonic() + FIRST_EXECUTOR_S
        slots, since = self._count(), time.monotonic()
        if slots and self._age_s() > FIRST_EXECUTOR_S:
            return slots  # the session is old enough: all executors have registered
        if is_local(self._spark):
            return self._check_local(slots)
        while (slots == 0 and not self._elastic) or time.monotonic() - since < SETTLE_S:
            if time.monotonic() > deadline:
                raise EnvironmentUnfitError(
                    "A search needs an executor with a free slot, and "
                    f"{setting(self._spark, 'spark.master')} has none after "
                    f"{FIRST_EXECUTOR_S:.0f} s. See on the master's page if workers are "
                    "registered, and if spark.executor.cores, spark.executor.memory, the "
                    "spark.*.resource.gpu.amount settings and cpus_per_trial or gpus_per_trial "
                    "fit them."
                )
            time.sleep(0.1)
            if (now := self._count()) != slots:
                slots, since = now, time.monotonic()
        return slots

    def _age_s(self) -> float:
        return time.time() - float(self._spark.sparkContext._jsc.sc().startTime()) / 1000

    def _check_local(self, slots: int) -> int:
        if slots == 0:
            raise EnvironmentUnfitError(
                f"cpus_per_trial={self._cpus} is more than master "
                f"{setting(self._spark, 'spark.master')!r} has. Ask for less, or use a larger "
                "local[n]."
            )
        return slots

    def _measure(self) -> int:
        """Return how many tasks overlap. It takes seconds; only Connect sessions need it."""
        local = re.fullmatch(r"local\[(\d+).*\]", setting(self._spark, "spark.master") or "")
        if local is not None:
            task_cpus = int(setting(self._spark, "spark.task.cpus") or 1)
            return self._check_local(int(local[1]) // (self._cpus or task_cpus))
        most = 0
        for size in TASK_COUNTS:
            frame = self._spark.range(0, size, 1, size)
            rows = map_in_arrow(frame, _note_times, "times string", self._profile).collect()
            spans = [json.loads(row["times"]) for row in rows]
            most = max(sum(a <= start < b for a, b in spans) for start, _ in spans)
            if most < size:
                break
        return most


def _note_times(batches: Iterator[pyarrow.RecordBatch]) -> Iterator[pyarrow.RecordBatch]:
    import pyarrow

    for _ in batches:
        pass
    started = time.time()
    time.sleep(TASK_S)
    times: list[Any] = [json.dumps([started, time.time()])]
    yield pyarrow.RecordBatch.from_pydict({"times": times})


def _is_stopped(spark: SparkSession) -> bool:
    java_context = spark.sparkContext._jsc  # gone once Python stopped it
    return java_context is None or bool(java_context.sc().isStopped())
