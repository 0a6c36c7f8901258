"""How many trials a Spark session can run at the same time."""

from __future__ import annotations

import json
import logging
import re
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from sparkexp.engine.spark.connect import bounded_retries, is_connect
from sparkexp.errors import EnvironmentUnfitError

if TYPE_CHECKING:
    import pyarrow
    from pyspark.resource import ResourceProfile
    from pyspark.sql import SparkSession

logger = logging.getLogger(__name__)

__all__ = ["SlotCount", "check_session", "is_alive", "is_local", "setting"]

# How long the first executor may take, and how long their number must not change at the start.
FIRST_EXECUTOR_S = 60.0
SETTLE_S = 1.0
RECOUNT_S = 1.0
# A Connect session tells no number: tasks that overlap are counted, more and more of them.
PROBE_S = 1.0
PROBE_SIZES = (4, 16, 64, 256, 1024)


def setting(spark: SparkSession, key: str) -> str | None:
    """Return a Spark setting, None where it isn't set."""
    value: str | None = spark.conf.get(key, None)
    return value


def is_local(spark: SparkSession) -> bool:
    """Tell whether executors are threads of one Java process (``local[*]``)."""
    return re.fullmatch(r"local(\[.*\])?", setting(spark, "spark.master") or "") is not None


def check_session(spark: SparkSession) -> None:
    """Find what would make the session's jobs hang.

    Raises
    ------
    EnvironmentUnfitError
        If the session is stopped, or asks for GPUs that its master can't announce.
    """
    with bounded_retries(spark):
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
    """Tell whether a session still answers."""
    try:
        spark.conf.get("spark.app.name", None)
        return is_connect(spark) or not _is_stopped(spark)
    except Exception:  # whatever the transport raises when nobody is at its other end
        return False


class SlotCount:
    """How many tasks of a trial's size the session can run at the same time, now.

    Executors come and go: with dynamic allocation, when they are lost, while a cluster starts.

    Parameters
    ----------
    spark : SparkSession
        Classic or Connect.
    cpus : int, optional
        Cores of a trial where a profile can't say so: on a local master.
    profile : ResourceProfile, optional
        The profile of a trial's task.

    Raises
    ------
    EnvironmentUnfitError
        If no executor comes within a minute, or none can ever hold a trial.
    """

    def __init__(
        self, spark: SparkSession, cpus: int | None = None, profile: ResourceProfile | None = None
    ) -> None:
        self._spark = spark
        self._cpus = cpus
        self._profile = profile
        self._connect = is_connect(spark)
        self._elastic = setting(spark, "spark.dynamicAllocation.enabled") == "true"
        self._slots = self._offered(self._measure() if self._connect else self._wait_for_first())
        self._counted = time.monotonic()

    @property
    def exact(self) -> bool:
        """Whether Spark runs just as many trials at a time and no more, however many wait."""
        counted_here = self._cpus is not None and is_local(self._spark)
        return not counted_here and not self._elastic

    def now(self) -> int:
        """Return the slots, at least 1."""
        if not self._connect and time.monotonic() - self._counted > RECOUNT_S:
            self._counted = time.monotonic()
            try:
                self._slots = self._offered(self._count())
            except Exception as error:  # a session that is gone: its trials will tell
                logger.debug("Slots could not be counted", exc_info=error)
        return max(1, self._slots)

    def _offered(self, slots: int) -> int:
        """Return as many slots again where executors are added: only for tasks that wait."""
        return max(slots, min(2 * slots, self._ceiling(slots))) if self._elastic else slots

    def _count(self) -> int:
        if is_local(self._spark):
            # The backend's own number is cores over spark.task.cpus.
            task_cpus = int(setting(self._spark, "spark.task.cpus") or 1)
            return self._count_tasks() * task_cpus // (self._cpus or task_cpus)
        return self._count_tasks()

    def _count_tasks(self) -> int:
        """Return Spark's own count: of cores, and of GPUs where tasks have some."""
        context = self._spark.sparkContext._jsc.sc()
        manager = context.resourceProfileManager()
        if self._profile is None:
            return int(context.maxNumConcurrentTasks(manager.defaultResourceProfile()))
        profile = self._profile._java_resource_profile
        manager.addResourceProfile(profile)  # else known from its first job on
        return int(context.maxNumConcurrentTasks(profile))

    def _ceiling(self, slots: int) -> int:
        """Return the slots of as many executors as there may ever be, if all are like these."""
        limit = setting(self._spark, "spark.dynamicAllocation.maxExecutors")
        if self._connect or limit is None:
            return 2 * slots
        known = self._spark.sparkContext._jsc.sc().statusTracker().getExecutorInfos()
        n_executors = len(known) - 1  # the driver is one of them
        return int(limit) * slots // max(1, n_executors)

    def _wait_for_first(self) -> int:
        deadline = time.monotonic() + FIRST_EXECUTOR_S
        slots, since = self._count(), time.monotonic()
        if slots and self._age_s() > FIRST_EXECUTOR_S:
            return slots  # whoever wanted to come is there
        if is_local(self._spark):
            return self._checked_local(slots)
        while (slots == 0 and not self._elastic) or time.monotonic() - since < SETTLE_S:
            if time.monotonic() > deadline:
                raise EnvironmentUnfitError(
                    f"No executor of {setting(self._spark, 'spark.master')} has a free slot after "
                    f"{FIRST_EXECUTOR_S:.0f} s. Look at the master's page whether workers are "
                    "registered, and whether spark.executor.cores, spark.executor.memory, the "
                    "spark.*.resource.gpu.amount settings and cpus_per_trial or gpus_per_trial "
                    "fit them."
                )
            time.sleep(0.1)
            if (now := self._count()) != slots:
                slots, since = now, time.monotonic()
        return slots

    def _age_s(self) -> float:
        return time.time() - float(self._spark.sparkContext._jsc.sc().startTime()) / 1000

    def _checked_local(self, slots: int) -> int:
        if slots == 0:
            raise EnvironmentUnfitError(
                f"cpus_per_trial={self._cpus} is more than master "
                f"{setting(self._spark, 'spark.master')!r} has. Ask for less, or use a larger "
                "local[n]."
            )
        return slots

    def _measure(self) -> int:
        """Count how many tasks overlap; takes seconds, and only Connect sessions need it."""
        local = re.fullmatch(r"local\[(\d+).*\]", setting(self._spark, "spark.master") or "")
        if local is not None:
            task_cpus = int(setting(self._spark, "spark.task.cpus") or 1)
            return self._checked_local(int(local[1]) // (self._cpus or task_cpus))
        most = 0
        for size in PROBE_SIZES:
            frame = self._spark.range(0, size, 1, size)
            rows = frame.mapInArrow(_note_times, "times string", profile=self._profile).collect()
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
    time.sleep(PROBE_S)
    times: list[Any] = [json.dumps([started, time.time()])]
    yield pyarrow.RecordBatch.from_pydict({"times": times})


def _is_stopped(spark: SparkSession) -> bool:
    java_context = spark.sparkContext._jsc  # gone once Python stopped it
    return java_context is None or bool(java_context.sc().isStopped())
