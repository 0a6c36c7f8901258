"""What ``limit_threads`` is worth: trials that compute, on every core, with and without it.

Run: ``python benchmarks/threads.py`` on a machine that does nothing else.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time

from sparkexp import experiment
from sparkexp.engine.spark.session import build_session


def train(seed: int) -> float:
    """Fit a convolutional network over 2,000 random images of 28 x 28 pixels."""
    import numpy as np
    import tensorflow as tf

    rng = np.random.default_rng(seed)
    images = rng.random((2_000, 28, 28, 1), dtype=np.float32)
    model = tf.keras.Sequential(
        [
            tf.keras.Input((28, 28, 1)),
            tf.keras.layers.Conv2D(32, 3, activation="relu"),
            tf.keras.layers.Conv2D(32, 3, activation="relu"),
            tf.keras.layers.Flatten(),
            tf.keras.layers.Dense(10),
        ]
    )
    loss = tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("adam", loss)
    history = model.fit(images, rng.integers(0, 10, 2_000), epochs=1, verbose=0)
    return float(history.history["loss"][-1])


def main() -> int:
    """Run the rounds and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--trials", type=int, default=6)
    arguments = parser.parse_args()
    slots = os.cpu_count() or 1
    spark = build_session("threads", f"local[{slots}]")
    seconds: dict[bool, list[float]] = {True: [], False: []}
    for number in range(-1, arguments.rounds):  # the first is the warm-up
        for limit in (True, False) if number % 2 else (False, True):
            configurations = [{"seed": seed} for seed in range(arguments.trials)]
            started = time.perf_counter()
            result = experiment.launch(
                spark,
                train,
                configurations,
                logdir=tempfile.mkdtemp() + "/run",
                limit_threads=limit,
                progress=False,
            )
            took = time.perf_counter() - started
            assert not result.failures(), result.failures()
            if number >= 0:
                seconds[limit].append(took / arguments.trials)
                print(f"round {number}, limit_threads={limit}: {took:.1f} s", file=sys.stderr)
    print(f"{slots} trials at a time on {slots} cores, {arguments.rounds} rounds\n")
    print("| | s per trial, median | min–max |")
    print("|---|---|---|")
    for limit, values in seconds.items():
        median = statistics.median(values)
        print(f"| limit_threads={limit} | {median:.2f} | {min(values):.2f}–{max(values):.2f} |")
    spark.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
