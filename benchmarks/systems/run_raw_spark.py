"""Spark without anything around it: no isolation, no records, no search.

Variants: one job of N tasks or one job a trial from as many threads as there are slots, as an RDD
or with mapInArrow.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from multiprocessing.pool import ThreadPool
from typing import TYPE_CHECKING

import pyarrow
from bench_protocol import Order, Runner, Train, serve
from bench_session import local_session

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

SCHEMA = "result double"


@contextmanager
def start(order: Order) -> Iterator[Runner]:
    shape, api = order.variant.split("-")
    collect = {"rdd": _collect_rdd, "arrow": _collect_arrow}[api]
    with local_session(order) as spark, ThreadPool(order.slots) as threads:

        def one_job(train: Train, values: Sequence[float]) -> list[float]:
            return collect(spark, train, values)

        def job_per_trial(train: Train, values: Sequence[float]) -> list[float]:
            def run(value: float) -> float:
                return collect(spark, train, [value])[0]

            return list(threads.imap_unordered(run, values))

        yield one_job if shape == "one" else job_per_trial


def _collect_rdd(spark: SparkSession, train: Train, values: Sequence[float]) -> list[float]:
    result: list[float] = spark.sparkContext.parallelize(values, len(values)).map(train).collect()
    return result


def _collect_arrow(spark: SparkSession, train: Train, values: Sequence[float]) -> list[float]:
    def call(batches: Iterator[pyarrow.RecordBatch]) -> Iterator[pyarrow.RecordBatch]:
        # To its end: else Spark would start a new worker for the next trial.
        for index in [i for batch in batches for i in batch.column(0).to_pylist()]:
            yield pyarrow.RecordBatch.from_pydict({"result": [float(train(values[index]))]})

    frame = spark.range(0, len(values), 1, len(values)).mapInArrow(call, SCHEMA)
    return [row["result"] for row in frame.collect()]


if __name__ == "__main__":
    serve(start, ["pyspark", "tensorflow"])
