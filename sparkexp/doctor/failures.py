"""Explains why no task could run."""

from __future__ import annotations

import re

from sparkexp.doctor.executors import ENVIRONMENT
from sparkexp.doctor.findings import Finding, problem
from sparkexp.engine.spark.failures import NO_MODULE, NO_PYTHON, OTHER_PYTHON

__all__ = ["task_failure"]

_EXECUTOR = re.compile(r"\(TID \d+\) \((\S+) executor (\S+)\)")


def task_failure(error: str, where: str = "") -> Finding:
    """Return the finding for a failed task of doctor, from Spark's error.

    Parameters
    ----------
    error : str
        The text of Spark's error, with its causes.
    where : str
        The executors whose tasks failed; by default the one that the error names.

    Examples
    --------
    >>> print(task_failure('… (TID 3) (node7 executor 2): … Python in worker has different '
    ...                    'version: 3.9 than that in driver: 3.11, PySpark …').found)
    Executors need the driver's Python 3.11, and Python 3.9 runs on executor 2 on node7.
    """
    found_at = _EXECUTOR.search(error)
    where = where or (f"executor {found_at[2]} on {found_at[1]}" if found_at else "an executor")
    if found := OTHER_PYTHON.search(error):
        return problem(
            "executors' python",
            f"Executors need the driver's Python {found[2]}, and Python {found[1]} runs on "
            f"{where}.",
            f"Let spark.pyspark.python (or PYSPARK_PYTHON) name a Python {found[2]} on every "
            f"host, or run the driver with Python {found[1]}.",
        )
    if found := NO_PYTHON.search(error):
        return problem(
            "executors' python",
            f"Executors need a Python, and {found[1]!r} can't be run on {where}: "
            f"{found[2].strip()}.",
            ENVIRONMENT,
        )
    if found := NO_MODULE.search(error):
        return problem(
            "executors' packages",
            f"Executors need {found[1]}, and it is missing on {where}.",
            ENVIRONMENT,
        )
    return problem(
        "executors",
        f"Executors must be able to run Python, and tasks failed on {where}: {_reason(error)}",
        "Look at its log, on Spark's page Executors.",
    )


def _reason(error: str) -> str:
    """Return the line of the error that says what happened."""
    lines = [line.strip() for line in error.splitlines() if line.strip()]
    telling = [line for line in lines if re.match(r"[\w.]*(Error|Exception)\b", line)]
    return (telling or lines or ["no reason is given"])[-1][:500]
