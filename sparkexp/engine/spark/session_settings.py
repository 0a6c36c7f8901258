"""Adapts to a session's settings, and changes those of them that don't suit a search."""

from __future__ import annotations

import logging
import os
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from sparkexp.engine.spark.connect import is_connect
from sparkexp.engine.spark.slots import is_local, setting

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

__all__ = ["attempts_per_job", "count_copies_as_retries", "stop_progress_bar", "use_own_python"]

logger = logging.getLogger(__name__)


def use_own_python(spark: SparkSession) -> None:
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
        if not _python_is_chosen(spark):
            logger.info("Workers run %s instead of %s", sys.executable, context.pythonExec)
            context.pythonExec = sys.executable


def attempts_per_job(spark: SparkSession) -> int:
    """Return how often Spark runs a task before it gives up the job."""
    return 1 if is_local(spark) else int(setting(spark, "spark.task.maxFailures") or 4)


def count_copies_as_retries(spark: SparkSession, max_retries: int) -> int:
    """Return the number of retries; with speculation, the copy of an attempt counts as one."""
    copies = setting(spark, "spark.speculation") == "true"
    return 2 * max_retries + 1 if copies else max_retries


def stop_progress_bar(spark: SparkSession) -> None:
    """Stop Spark's progress bar, which would overwrite the line with the search's progress."""
    if is_connect(spark):
        return
    bar = spark.sparkContext._jsc.sc().progressBar()
    if bar.isDefined():
        bar.get().stop()


def _python_is_chosen(spark: SparkSession) -> bool:
    return (
        bool(os.environ.get("PYSPARK_PYTHON"))
        or setting(spark, "spark.pyspark.python") is not None
    )
