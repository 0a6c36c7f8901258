"""Hyperopt's SparkTrials."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from bench_protocol import Order, Runner, Train, serve
from bench_session import local_session
from hyperopt import SparkTrials, fmin, hp
from hyperopt.base import miscs_update_idxs_vals


@contextmanager
def start(order: Order) -> Iterator[Runner]:
    with local_session(order) as spark:

        def run(train: Train, values: Sequence[float]) -> list[float]:
            trials = SparkTrials(parallelism=order.slots, spark_session=spark)
            fmin(
                train,
                hp.uniform("x", 0.0, 1e6),
                algo=_listed(values),
                max_evals=len(values),
                trials=trials,
                show_progressbar=False,
                rstate=np.random.default_rng(0),
            )
            return [loss for loss in trials.losses() if loss is not None]

        yield run


def _listed(values: Sequence[float]) -> Callable[..., list[Any]]:
    """Return an algorithm that proposes the values in their order."""
    remaining = iter(values)

    def suggest(new_ids: list[int], domain: Any, trials: Any, seed: int) -> list[Any]:
        docs = []
        for new_id in new_ids:
            misc = {"tid": new_id, "cmd": domain.cmd, "workdir": domain.workdir}
            miscs_update_idxs_vals([misc], {"x": [new_id]}, {"x": [next(remaining)]})
            result = domain.new_result()
            docs += trials.new_trial_docs([new_id], [None], [result], [misc])
        return docs

    return suggest


if __name__ == "__main__":
    serve(start, ["hyperopt", "pyspark", "tensorflow"])
