"""Limits how long calls wait for a Spark Connect server that doesn't answer."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

__all__ = ["limit_retries", "give_up", "is_connect", "is_unreachable"]

# With pyspark's own policy each call waits for ten minutes. With these values the waits add up to
# a minute and a half: 0.05, 0.2, 0.8, 3.2 and nine times 10 s.
N_RETRIES = 13
MAX_BACKOFF_S = 10.0


def is_connect(spark: SparkSession) -> bool:
    """Return whether a session is one of Spark Connect."""
    return type(spark).__module__.startswith("pyspark.sql.connect")


@contextmanager
def limit_retries(spark: SparkSession) -> Iterator[None]:
    """Let a Connect session's calls fail after 1.5 minutes without a server.

    This holds in the ``with`` block. Retry policies that the user has set
    (``spark.client.set_retry_policies``) are not changed.
    """
    if not is_connect(spark):
        yield
        return
    from pyspark.sql.connect.client.retries import DefaultPolicy

    client, default = spark.client, DefaultPolicy()
    before = client.get_retry_policies()
    if [(type(p), p.max_retries) for p in before] != [(DefaultPolicy, default.max_retries)]:
        yield
        return
    ours = DefaultPolicy(max_retries=N_RETRIES, max_backoff=int(MAX_BACKOFF_S * 1000))
    client.set_retry_policies([ours])
    try:
        yield
    finally:
        client.set_retry_policies(before)


def give_up(spark: SparkSession) -> None:
    """Let all calls of a session fail at once, since its server is gone.

    pyspark calls the server when the process exits, and would wait for it for ten minutes.
    """
    if is_connect(spark):
        spark.client.set_retry_policies([])


def is_unreachable(error: Exception) -> bool:
    """Return whether an error means that a Connect server could not be reached, with retries."""
    status = getattr(error, "getGrpcStatusCode", lambda: None)()
    return getattr(status, "name", "") == "UNAVAILABLE"
