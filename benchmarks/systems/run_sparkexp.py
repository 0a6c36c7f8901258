"""sparkexp, as a user calls it; the run directory and TensorBoard's files are written."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from bench_protocol import Order, Runner, Train, serve
from bench_session import local_session

from sparkexp import experiment


@contextmanager
def start(order: Order) -> Iterator[Runner]:
    numbers = itertools.count()
    with local_session(order) as spark:

        def run(train: Train, values: Sequence[float]) -> list[float]:
            result = experiment.launch(
                spark,
                train,
                [{"x": value} for value in values],
                logdir=f"{order.scratch}/run-{next(numbers)}",
                isolation=order.variant or "fork",
                progress=False,
            )
            return [trial.value for trial in result.trials if trial.value is not None]

        yield run


if __name__ == "__main__":
    serve(start, ["pyspark", "tensorflow"])
