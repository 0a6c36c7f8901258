"""Reads Spark's errors: was a job cancelled, was a trial lost, can executors run none at all."""

from __future__ import annotations

import logging
import platform
import re
import sys
from typing import TYPE_CHECKING

from sparkexp.engine.spark.connect import is_connect
from sparkexp.engine.spark.slots import is_local

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

__all__ = [
    "NO_MODULE",
    "NO_PYTHON",
    "OTHER_PYTHON",
    "describe_unfit",
    "find_reason",
    "find_unfit",
    "is_cancelled",
]

logger = logging.getLogger(__name__)

OTHER_PYTHON = re.compile(
    r"Python in worker has different version: (\S+) than that in driver: (\d+\.\d+)"
)
NO_PYTHON = re.compile(r'Cannot run program "([^"]+)"[^\n]*?(?:error=\d+, )?([^\n:,]+)$', re.M)
NO_MODULE = re.compile(r"No module named '?([\w.]+)'?")
_BAD_ARROW = re.compile(r"ImportError: (pyarrow[^\n]*)")
_NO_WORKER = re.compile(
    r"^.*(?:Bad data in pyspark\.daemon|Python worker failed to connect back).*$", re.M
)
_CANCELLED = ("SPARK_JOB_CANCELLED", "OPERATION_CANCELED", "cancelled")
# The line of an exception in a traceback: its class, and what it says.
_EXCEPTION = re.compile(r"^(?:\w+\.)*\w+(?:: .*)?$")
MAX_REASON_CHARS = 2000


def is_cancelled(error: Exception) -> bool:
    """Return whether the job was cancelled, by this search or by somebody else."""
    text = str(error)
    return any(name in text for name in _CANCELLED)


def find_unfit(error: Exception) -> str:
    """Return why no trial can run where this one was to run; empty if others can.

    A train function's own errors are results, not errors of Spark: what is missing here is missing
    for every trial.
    """
    text = str(error)
    if found := OTHER_PYTHON.search(text):
        return f"they run Python {found[1]}, and need the driver's {found[2]}"
    if found := NO_PYTHON.search(text):
        return f"their Python {found[1]!r} can't be run: {found[2].strip()}"
    if found := _BAD_ARROW.search(text):
        return f"their Python can't use its pyarrow: {found[1].strip()}"
    if found := NO_MODULE.search(text):
        return f"their Python lacks {found[1]}"
    if found := _NO_WORKER.search(text):
        return f"their Python doesn't start: {found[0].strip()}"
    return ""


def describe_unfit(spark: SparkSession, unfit: str) -> str:
    """Return the error for executors that can't run trials, as `find_unfit` has said."""
    # Of several Pythons, another one may answer.
    python = _find_python(spark) if is_local(spark) else ""
    where = " where the server is started" if is_connect(spark) else ""
    return (
        f"The executors{python} can't run any trial: {unfit}. Let PYSPARK_PYTHON{where}, or "
        "spark.pyspark.python, name a Python that has the packages of requirements.txt, on every "
        f"host; the driver's is {sys.executable}, Python {platform.python_version()}."
    )


def _find_python(spark: SparkSession) -> str:
    """Return what Python runs on the executors, as they tell; empty if they can't."""
    from pyspark.sql.functions import udf

    def look(_: int) -> str:  # by value: nothing of sparkexp has to be there
        import platform
        import sys

        return f" ({sys.executable}, Python {platform.python_version()})"

    try:
        asked = udf(look, "string", useArrow=False)("id")
        return str(spark.range(0, 1, 1, 1).select(asked.alias("python")).collect()[0]["python"])
    except Exception as error:
        logger.debug("Executors could not tell their Python", exc_info=error)
    if is_connect(spark):
        return ""
    return f" ({spark.sparkContext.pythonExec})"


def find_reason(error: Exception) -> str:
    """Return the line of a Spark error that says what happened."""
    text = str(error)
    if "Python worker exited unexpectedly" in text:
        return (
            "its worker process was lost. Check the memory: a process that takes more than there "
            "is gets killed."
        )
    lines = [line.strip(" :\t") for line in text.splitlines() if line.strip()]
    frames = [k for k, line in enumerate(lines) if line.startswith('File "')]
    if frames:  # of Python: the exception's own line follows the last frame
        after = [line for line in lines[frames[-1] + 1 :] if _EXCEPTION.match(line)]
        if after:
            return after[0][:MAX_REASON_CHARS]
    telling = [line for line in lines if re.search(r"Error|Exception|Lost|\blost\b", line)]
    return (telling or lines or [type(error).__name__])[0][:MAX_REASON_CHARS]
