"""The Spark session that all systems on Spark get."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from bench_protocol import Order
from pyspark.sql import SparkSession

__all__ = ["local_session"]


@contextmanager
def local_session(order: Order) -> Iterator[SparkSession]:
    """Start a local session with as many slots as ordered, and stop it at the end."""
    os.environ["PYSPARK_PYTHON"] = sys.executable
    spark = (
        SparkSession.builder.master(f"local[{order.slots}]")
        .appName("overhead")
        .config("spark.ui.enabled", "false")
        .config("spark.ui.showConsoleProgress", "false")
        .config("spark.driver.host", "127.0.0.1")
        .config("spark.driver.bindAddress", "127.0.0.1")
        .config("spark.sql.warehouse.dir", f"{order.scratch}/warehouse")
        .config("spark.local.dir", f"{order.scratch}/spark")
        .getOrCreate()
    )
    spark.sparkContext.setLogLevel("ERROR")
    try:
        yield spark
    finally:
        spark.stop()
