"""How long a Spark Connect server that doesn't answer is waited for."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

__all__ = ["bounded_retries", "give_up", "is_connect", "is_unreachable"]

# pyspark's own policy waits for ten minutes, and that once per call. With these, the waits add
# up to a minute and a half: 0.05, 0.2, 0.8, 3.2 and nine times 10 s.
N_RETRIES = 13
MAX_BACKOFF_S = 10.0


def is_connect(spark: SparkSession) -> bool:
    """Tell whether a session talks to a Spark Connect server."""
    return type(spark).__module__.startswith("pyspark.sql.connect")


@contextmanager
def bounded_retries(spark: SparkSession) -> Iterator[None]:
    """Let a Connect session's calls fail after 1.5 minutes without a server, for a while.

    Retry policies that the user set (``spark.client.set_retry_policies``) stay as they are.
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
    """Let the calls of a session whose server is gone fail at once.

    pyspark itself calls the server when the process exits, which would wait for ten minutes.
    """
    if is_connect(spark):
        spark.client.set_retry_policies([])


def is_unreachable(error: Exception) -> bool:
    """Tell whether an error says that a Connect server could not be reached, retries included."""
    status = getattr(error, "getGrpcStatusCode", lambda: None)()
    return getattr(status, "name", "") == "UNAVAILABLE"
