"""Live searches of architectures on Spark: do they end, and what does a trial cost?

::

    python benchmarks/nas_live.py                             # 30 trials with each searcher
    python benchmarks/nas_live.py --trials 4 --searchers random
    python benchmarks/nas_live.py --logdir runs               # keeps them, for TensorBoard
    python benchmarks/nas_live.py --sizes                     # no search: networks of four sizes

Small networks of cells learn scikit-learn's digits. The figures are processor time, which other
work on the machine changes less than wall time. One search each says nothing about which searcher
is better; nas.py compares them.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from pyspark.sql import SparkSession

from sparkexp import experiment, nas

SEARCHERS = ("evolution", "tournament", "reinforcement", "random")
EPOCHS, N_TRAIN, BATCH = 2, 600, 32
# Images' height and width, blocks, cells, filters.
SIZES = ((8, 2, 1, 8), (32, 2, 3, 16), (32, 5, 3, 16), (32, 5, 6, 32))
N_STEPS = 5
PARTS = ("build", "first_step", "steps", "evaluation")


def train(architecture: nas.Architecture, inherit: bool = False) -> dict[str, float]:
    """Return the accuracy on other images, and the processor seconds of a trial's parts."""
    import keras
    from sklearn.datasets import load_digits

    digits = load_digits()
    x, y = digits.images[..., None] / 16.0, digits.target
    keras.utils.set_random_seed(0)
    times = [time.process_time()]

    class Clock(keras.callbacks.Callback):  # type: ignore[misc]
        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            if len(times) == 2:  # the first step, with the tracing of the network
                times.append(time.process_time())

    model = architecture.build(input_shape=(8, 8, 1), classes=10, cells=1, filters=8, reductions=1)
    saved = Path(experiment.checkpoint_dir(), "model.keras")
    inherited = nas.inherit_weights(model, saved) if inherit else 0
    model.compile(
        keras.optimizers.Adam(0.01), "sparse_categorical_crossentropy", metrics=["accuracy"]
    )
    times.append(time.process_time())
    model.fit(
        x[:N_TRAIN], y[:N_TRAIN], batch_size=BATCH, epochs=EPOCHS, verbose=0,
        callbacks=[Clock(), experiment.keras_callback()] if not inherit else [Clock()],
    )  # fmt: skip
    times.append(time.process_time())
    _, accuracy = model.evaluate(x[1200:], y[1200:], batch_size=200, verbose=0)
    times.append(time.process_time())
    if inherit:
        model.save(saved)
    parts = zip(PARTS, times, times[1:], strict=False)
    return {
        "accuracy": accuracy,
        "parameters": model.count_params(),
        "layers": sum(bool(layer.weights) for layer in model.layers),
        "inherited": inherited,
        **{name: end - begin for name, begin, end in parts},
    }


def train_child(architecture: nas.Architecture) -> dict[str, float]:
    """Train with the weights that fit of the parent's network."""
    return train(architecture, inherit=True)


def run(spark: SparkSession, searcher: str, n_trials: int, logdir: Path) -> str:
    """Return a row of the table."""
    began = time.monotonic()
    result = experiment.architecture_search(
        spark, train_child if searcher == "tournament" else train, nas.CellSpace(blocks=2),
        searcher, max_trials=n_trials, metric="accuracy", seed=1, logdir=logdir / searcher,
        progress=False,
    )  # fmt: skip
    took = time.monotonic() - began
    if failed := result.failures():
        raise RuntimeError(next(iter(failed.values())))
    trained = [r.metrics for r in result.trials if r.reused_from is None]
    mean = {name: statistics.mean(m[name] for m in trained) for name in trained[0]}
    of_all = sum(mean[name] for name in PARTS)
    cells = [f"{mean[name]:.1f}" for name in PARTS]
    inherited = sum(m["inherited"] for m in trained) / sum(m["layers"] for m in trained)
    return (
        f"| {searcher} | {len(result)} | {len(trained)} | {' | '.join(cells)} | "
        f"{(mean['build'] + mean['first_step']) / of_all:.0%} | {inherited:.0%} | "
        f"{result.best.value:.3f} | {took:.0f} |"
    )


def measure_size(size: int, blocks: int, cells: int, filters: int) -> str:
    """Return a row of the other table: the processor seconds of a network's steps."""
    import keras
    import numpy as np

    rng = np.random.default_rng(0)
    architecture = nas.CellSpace(blocks).random(rng)
    x, y = rng.random((BATCH, size, size, 3)), rng.integers(10, size=BATCH)
    times = [time.process_time()]
    reductions = min(cells, 2)
    model = architecture.build(
        input_shape=(size, size, 3), classes=10, cells=cells, filters=filters,
        reductions=reductions,
    )  # fmt: skip
    model.compile(keras.optimizers.Adam(0.01), "sparse_categorical_crossentropy")
    for _ in range(1 + N_STEPS):
        model.train_on_batch(x, y)
        times.append(time.process_time())
    first, *later = (end - begin for begin, end in zip(times, times[1:], strict=False))
    step = statistics.median(later)
    return (
        f"| {size}×{size} | {blocks} | {cells} + {reductions} | {filters} | "
        f"{model.count_params():,} | {first:.1f} | {1000 * step:.0f} | {first / step:.0f} |"
    )


def print_sizes() -> None:
    """Print what the first and the other steps of networks of several sizes cost."""
    heads = (
        "images", "blocks", "cells", "filters", "parameters", "build and first step, s",
        "another step, ms", "that many steps",
    )  # fmt: skip
    sys.stdout.write(f"| {' | '.join(heads)} |\n" + "|---" * len(heads) + "|\n")
    keras_is_loaded = measure_size(*SIZES[0])  # the first network of a process takes longer
    sys.stderr.write(f"not counted: {keras_is_loaded}\n")
    for size in SIZES:
        sys.stdout.write(measure_size(*size) + "\n")
        sys.stdout.flush()


def main() -> int:
    """Run the searches, and print a table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--searchers", nargs="+", choices=SEARCHERS, default=list(SEARCHERS))
    parser.add_argument("--trials", type=int, default=30)
    parser.add_argument("--logdir", type=Path, help="where the searches are kept")
    parser.add_argument("--sizes", action="store_true", help="measure networks, search nothing")
    args = parser.parse_args()
    if args.sizes:
        print_sizes()
        return 0
    spark = SparkSession.builder.master("local[2]").getOrCreate()
    heads = (
        "searcher", "trials", "trained", "build, s", "first step, s", "other steps, s",
        "evaluation, s", "build and first step", "layers inherited", "best accuracy", "wall, s",
    )  # fmt: skip
    lines = [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    with tempfile.TemporaryDirectory() as folder:
        for searcher in args.searchers:
            lines.append(run(spark, searcher, args.trials, args.logdir or Path(folder)))
            sys.stderr.write(lines[-1] + "\n")
    spark.stop()
    sys.stdout.write("\n".join(lines) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
