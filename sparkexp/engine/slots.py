"""How many trials a Spark session can run at the same time."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING

from sparkexp.errors import EnvironmentUnfitError

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

__all__ = ["check_session", "count_slots", "is_connect", "is_local", "setting", "wait_for_slots"]

FIRST_EXECUTOR_S = 60.0
SETTLE_S = 1.0


def is_connect(spark: SparkSession) -> bool:
    """Tell whether a session talks to a Spark Connect server."""
    return type(spark).__module__.startswith("pyspark.sql.connect")


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
    if not is_connect(spark) and _is_stopped(spark):
        raise EnvironmentUnfitError(
            "The Spark session is stopped. Build a new one: SparkSession.builder.getOrCreate()."
        )
    key = "spark.task.resource.gpu.amount"
    if is_local(spark) and setting(spark, key):
        raise EnvironmentUnfitError(
            f"{key}={setting(spark, key)} needs executors, and master "
            f"{setting(spark, 'spark.master')!r} has none: its tasks would wait for ever. Leave "
            "the spark.*.resource.gpu settings out, sparkexp assigns the GPUs of this machine; "
            "or start a standalone cluster (see conf/)."
        )


def _is_stopped(spark: SparkSession) -> bool:
    java_context = spark.sparkContext._jsc  # gone once Python stopped it
    return java_context is None or bool(java_context.sc().isStopped())


def count_slots(spark: SparkSession) -> int:
    """Return how many tasks the executors that are there can run at the same time.

    Spark's own count: cores over ``spark.task.cpus``, and GPUs over the GPUs of a task.
    """
    context = spark.sparkContext._jsc.sc()
    profile = context.resourceProfileManager().defaultResourceProfile()
    return int(context.maxNumConcurrentTasks(profile))


def wait_for_slots(spark: SparkSession) -> int:
    """Return the slots once executors have come and their number has settled.

    Raises
    ------
    EnvironmentUnfitError
        If no executor comes within a minute.
    """
    deadline = time.monotonic() + FIRST_EXECUTOR_S
    slots, since = count_slots(spark), time.monotonic()
    if is_local(spark):
        return slots
    while slots == 0 or time.monotonic() - since < SETTLE_S:
        if slots == 0 and time.monotonic() > deadline:
            raise EnvironmentUnfitError(
                f"No executor of {setting(spark, 'spark.master')} has a free slot after "
                f"{FIRST_EXECUTOR_S:.0f} s. Look at the master's page whether workers are "
                "registered and whether spark.executor.cores, spark.executor.memory and the "
                "spark.*.resource.gpu.amount settings fit them; or give parallelism=."
            )
        time.sleep(0.1)
        if (now := count_slots(spark)) != slots:
            slots, since = now, time.monotonic()
    return slots
