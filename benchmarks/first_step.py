"""Time from a call to the first training step; distributed.py calls it for --first-step.

A function that trains a small network runs as a plain trial and by a gang of two, in turns, in the
same session. It returns when its first step had ended; the rest is a subtraction.
"""

from __future__ import annotations

import logging
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from report import spread

from sparkexp import experiment
from sparkexp.engine.spark.session import build_session

__all__ = ["CALLS", "measure_first_step", "report_first_step", "train"]

logger = logging.getLogger("first_step")

WORKERS = 2


def train(units: int) -> float:
    """Train a small network and return when its first step had ended, in s of the epoch."""
    import time

    import keras
    import numpy as np

    ends: list[float] = []

    class FirstStep(keras.callbacks.Callback):  # type: ignore[misc]
        def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
            if batch == 1:
                ends.append(time.time())

    model = keras.Sequential(
        [
            keras.Input((64,)),
            keras.layers.Dense(units, activation="relu"),
            keras.layers.Dense(10),
        ]
    )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("sgd", loss, jit_compile=False)
    rng = np.random.default_rng(0)
    x, y = rng.random((640, 64), dtype=np.float32), rng.integers(0, 10, 640)
    model.fit(x, y, batch_size=64, epochs=1, verbose=0, callbacks=[FirstStep()])
    return ends[0]


def _launch(spark: Any, logdir: str) -> Any:
    return experiment.launch(
        spark, train, {"units": 32}, name="plain", logdir=logdir, progress=False
    )


def _distribute(spark: Any, logdir: str) -> Any:
    return experiment.distribute(
        spark, train, {"units": 32}, workers=WORKERS, name="gang", logdir=logdir, progress=False
    )


CALLS: Mapping[str, Callable[[Any, str], Any]] = {
    "launch, one trial": _launch,
    f"distribute, workers={WORKERS}": _distribute,
}


def measure_first_step(n_sessions: int, n_calls: int) -> list[dict[str, Any]]:
    """Return what each call took, in order.

    Parameters
    ----------
    n_sessions : int
        Sessions, one after the other. Whose call comes first in one alternates.
    n_calls : int
        Calls of each kind in a session.
    """
    found = []
    for session in range(n_sessions):
        spark = build_session("first_step", f"local[{WORKERS}]")
        names = [*CALLS] if session % 2 == 0 else [*CALLS][::-1]
        for number, name in enumerate(names * n_calls):
            with tempfile.TemporaryDirectory() as folder:
                begun = time.time()
                result = CALLS[name](spark, f"{folder}/run")
                took = time.time() - begun
            (trial,) = result.trials
            if trial.value is None:
                raise RuntimeError(f"{name} failed: {trial.error}")
            row = {
                "call": name,
                "session": session,
                "number": number,
                "first_step_s": trial.value - begun,
                "whole_call_s": took,
            }
            found.append(row)
            logger.info("%s", row)
        spark.stop()
    return found


def report_first_step(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return the table: medians, smallest and largest."""
    lines = [
        "| s from the call | to the first step, first call of a session | later calls "
        "| to its return, later calls |",
        "|---|---|---|---|",
    ]
    for name in CALLS:
        own = [row for row in rows if row["call"] == name]
        first = [row["first_step_s"] for row in own if row["number"] == 0]
        # The first of a kind after one of the other kind is neither.
        later = [row for row in own if row["number"] >= len(CALLS)]
        cells = [
            spread(first, 2),
            spread([row["first_step_s"] for row in later], 2),
            spread([row["whole_call_s"] for row in later], 2),
        ]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)
