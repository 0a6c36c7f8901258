"""Tags on Spark jobs, to cancel them by: the one thing that classic and Connect do differently."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from sparkexp.engine.patience import is_connect

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

__all__ = ["cancel_jobs", "tagged"]


@contextmanager
def tagged(spark: SparkSession, tag: str, description: str) -> Iterator[None]:
    """Tag the jobs that this thread starts meanwhile, and describe them in Spark's pages."""
    if is_connect(spark):
        spark.addTag(tag)
        try:
            yield
        finally:
            spark.removeTag(tag)
        return
    # The session's own tags exist on classic sessions, too, but interruptTag finds no job
    # there (pyspark 4.3.0): the context's are those that cancel.
    context = spark.sparkContext
    context.addJobTag(tag)
    context.setJobDescription(description)
    try:
        yield
    finally:
        context.removeJobTag(tag)


def cancel_jobs(spark: SparkSession, tag: str) -> None:
    """Cancel the running jobs that carry a tag."""
    if is_connect(spark):
        spark.interruptTag(tag)
    else:
        spark.sparkContext.cancelJobsWithTag(tag)
