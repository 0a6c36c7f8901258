"""Ray Tune with a function trainable and one core a trial.

Variant ``reuse`` keeps the actors from trial to trial, which isolates as little as a warm process.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from bench_protocol import Order, Runner, Train, serve

os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
import ray  # noqa: E402  # it reads the environment when it is imported
from ray import tune  # noqa: E402


@contextmanager
def start(order: Order) -> Iterator[Runner]:
    numbers = itertools.count()
    ray.init(num_cpus=order.slots, include_dashboard=False, log_to_driver=False)
    try:

        def run(train: Train, values: Sequence[float]) -> list[float]:
            def trainable(config: dict[str, Any]) -> None:
                tune.report({"value": train(config["x"])})

            tuner = tune.Tuner(
                tune.with_resources(trainable, {"cpu": 1}),
                param_space={"x": tune.grid_search(list(values))},
                tune_config=tune.TuneConfig(reuse_actors=order.variant == "reuse"),
                run_config=tune.RunConfig(
                    name=f"run-{next(numbers)}", storage_path=f"{order.scratch}/ray", verbose=0
                ),
            )
            return [r.metrics["value"] for r in tuner.fit() if "value" in (r.metrics or {})]

        yield run
    finally:
        ray.shutdown()


if __name__ == "__main__":
    serve(start, ["ray", "tensorflow"])
