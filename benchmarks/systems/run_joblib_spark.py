"""joblib with joblib-spark's backend."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from bench_protocol import Order, Runner, Train, serve
from bench_session import local_session
from joblib import Parallel, delayed, parallel_backend
from joblibspark import register_spark


@contextmanager
def start(order: Order) -> Iterator[Runner]:
    with local_session(order):
        register_spark()

        def run(train: Train, values: Sequence[float]) -> list[float]:
            with parallel_backend("spark", n_jobs=order.slots):
                results: list[float] = Parallel()(delayed(train)(value) for value in values)
            return results

        yield run


if __name__ == "__main__":
    serve(start, ["joblibspark", "joblib", "pyspark", "tensorflow"])
