"""The reference without Spark: trials one after another in one warm process per slot.

Nothing is isolated: what a trial leaves behind is there for the next one.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from bench_protocol import Order, Runner, Train, serve


@contextmanager
def start(order: Order) -> Iterator[Runner]:
    with multiprocessing.get_context("spawn").Pool(order.slots) as pool:

        def run(train: Train, values: Sequence[float]) -> list[float]:
            return list(pool.imap_unordered(train, values, chunksize=1))

        yield run


if __name__ == "__main__":
    serve(start, ["tensorflow"])
