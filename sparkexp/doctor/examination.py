"""Runs all checks, from Java to the log directory."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from sparkexp.doctor.driver import driver_findings, java_finding
from sparkexp.doctor.executors import executor_findings, logdir_findings
from sparkexp.doctor.failures import task_failure
from sparkexp.doctor.findings import Finding, Level, ok, problem
from sparkexp.engine.spark.connect import is_connect
from sparkexp.engine.spark.inspection import failing_executors, inspect_executors, package_version
from sparkexp.engine.spark.session import build_session, error_text
from sparkexp.engine.spark.slots import is_local, setting
from sparkexp.errors import RunDirectoryError, SparkexpError, StorageError
from sparkexp.runs.logdir_probe import probe_logdir

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

__all__ = ["PACKAGES", "examine", "examine_session"]

# What a trial loads, and what Spark needs to run it.
PACKAGES = (
    *("pyspark", "tensorflow", "keras", "numpy", "pandas", "pyarrow", "tensorboard"),
    "cloudpickle",
)


def examine(
    master: str | None, logdir: str, settings: Mapping[str, str] | None = None
) -> Iterator[Finding]:
    """Check the driver, start a session, and check its executors; yield the findings.

    Parameters
    ----------
    master : str, optional
        Spark master, or ``sc://host:port`` of a Connect server; by default that of `settings`, of
        spark-submit, or ``local[2]``.
    logdir : str
        Log directory of a search, a path or a URL; all test files in it are removed.
    settings : Mapping[str, str], optional
        Spark settings of the session.
    """
    settings = settings or {}
    yield from driver_findings(PACKAGES)
    if not (master or "").startswith("sc://"):
        java = java_finding()
        yield java
        if java.level is Level.PROBLEM:
            return
    try:
        spark = build_session("sparkexp doctor", master, settings)
    except Exception as error:  # whatever Spark says of its settings or its master
        yield problem(
            "session",
            f"A Spark session must start, and it doesn't: {error_text(error)[:300]}",
            "Correct --master, --properties-file or --conf.",
        )
        return
    try:
        if not is_connect(spark):
            spark.sparkContext.setLogLevel("OFF")  # the findings say what went wrong
        yield ok("session", f"Spark {spark.version} at {setting(spark, 'spark.master')}")
        yield from examine_session(spark, logdir)
    finally:
        spark.stop()


def examine_session(spark: SparkSession, logdir: str) -> Iterator[Finding]:
    """Check the executors of a session and a log directory; yield the findings.

    Parameters
    ----------
    spark : SparkSession
        Classic or Connect.
    logdir : str
        Log directory of a search; all test files in it are removed.
    """
    try:
        with probe_logdir(logdir) as probe:
            inspection = inspect_executors(spark, PACKAGES, probe)
            found = list(logdir_findings(probe, inspection.sightings, logdir))
    except (RunDirectoryError, StorageError) as error:
        found = [problem("log directory", str(error), "")]
        try:
            inspection = inspect_executors(spark, PACKAGES)
        except Exception as failed:
            yield from (*found, _executors_problem(spark, failed))
            return
    except Exception as error:
        yield _executors_problem(spark, error)
        return
    driver = {name: package_version(name) for name in PACKAGES}
    yield from executor_findings(inspection, driver, is_local(spark))
    yield from found


def _executors_problem(spark: SparkSession, error: Exception) -> Finding:
    """Return the finding for an error that kept all executors from being checked."""
    if isinstance(error, SparkexpError):
        return problem("executors", str(error), "")
    return task_failure(error_text(error), failing_executors(spark))
