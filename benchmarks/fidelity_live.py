"""What multi-fidelity search finds with a third of the epochs: real Keras trainings on Spark.

::

    python benchmarks/fidelity_live.py                             # 3 seeds
    python benchmarks/fidelity_live.py --seeds 1 --trainings 4     # does it run?

Small convolutional networks learn scikit-learn's digits. The searches take turns in one local
session; each trial notes how many epochs it has really trained, so that one which goes on from its
checkpoint counts the further ones only.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pyspark.sql import SparkSession

from sparkexp import experiment
from sparkexp.search import SurrogateAshaSearcher
from sparkexp.space import Space

MAX_EPOCHS = 27
SPACE = {
    "learning_rate": experiment.Float(1e-4, 1e-1, log=True),
    "filters": experiment.Int(2, 16, log=True),
    "dropout": [0.0, 0.8],
    "optimizer": ["adam", "sgd"],
}
LADDER: dict[str, Any] = {"fidelity": "epochs", "min": 1, "max": MAX_EPOCHS, "eta": 3}


def train(
    learning_rate: float, filters: int, dropout: float, optimizer: str, epochs: int = MAX_EPOCHS
) -> float:
    """Go on from the configuration's checkpoint, and return the accuracy on other images."""
    import keras
    from sklearn.datasets import load_digits

    digits = load_digits()
    x, y = digits.images[..., None] / 16.0, digits.target
    saved = Path(experiment.checkpoint_dir(), "model.keras")
    if saved.exists():
        model = keras.saving.load_model(saved)
    else:
        keras.utils.set_random_seed(1)
        model = keras.Sequential(
            [
                keras.Input((8, 8, 1)),
                keras.layers.Conv2D(filters, 3, activation="relu"),
                keras.layers.Flatten(),
                keras.layers.Dropout(dropout),
                keras.layers.Dense(10, activation="softmax"),
            ]
        )
        steps = {"adam": keras.optimizers.Adam, "sgd": keras.optimizers.SGD}
        loss = "sparse_categorical_crossentropy"
        model.compile(steps[optimizer](learning_rate), loss, metrics=["accuracy"])
    per_epoch = -(-1000 // 32)  # 1,000 images in batches of 32
    history = model.fit(
        x[:1000],
        y[:1000],
        initial_epoch=int(model.optimizer.iterations) // per_epoch,
        epochs=epochs,
        verbose=0,
        validation_data=(x[1000:], y[1000:]),
    ).history
    model.save(saved)
    Path(experiment.logdir(), "trained.txt").write_text(str(len(history["loss"])))
    return float(history["val_accuracy"][-1])


def searches(n: int) -> dict[str, Callable[..., Any]]:
    """Return the searches: n full trainings, and one with a third of the epochs at most."""
    random, evolution = experiment.random_search, experiment.evolutionary_search
    popsize = 10 if n >= 20 else 4
    generations = 0
    while _planned(popsize, generations + 1) <= n * MAX_EPOCHS / 3:
        generations += 1
    halved = {"popsize": popsize, "generations": generations}
    return {
        "random_search": lambda *a, **o: random(*a, n_trials=n, **o),
        "evolutionary_search": lambda *a, **o: evolution(*a, max_trials=n, **o),
        "evolutionary_search, fidelity": lambda *a, **o: evolution(*a, **halved, **LADDER, **o),
    }


def _planned(popsize: int, generations: int) -> int:
    """Return how many epochs the search with a fidelity trains."""
    space, n = Space.from_search_dict(SPACE), popsize * (generations + 1)
    return SurrogateAshaSearcher(space, "max", n, **LADDER, popsize=popsize).planned_cost()


def measured(search: Callable[..., Any], spark: SparkSession, seed: int) -> tuple[float, int, int]:
    """Return the best accuracy of a full training, the epochs trained, and the trials.

    Raises
    ------
    RuntimeError
        If a trial failed, or a promoted one did not go on where its parent had ended.
    """
    with tempfile.TemporaryDirectory() as folder:
        logdir = Path(folder, "run")
        result = search(spark, train, SPACE, seed=seed, logdir=logdir, progress=False)
        if failed := result.failures():
            raise RuntimeError(next(iter(failed.values())))
        trained = {
            r.trial.id: int(Path(r.logdir, "trained.txt").read_text())
            for r in result.trials
            if r.reused_from is None
        }
        levels = {r.trial.id: r.trial.extra.get("epochs", MAX_EPOCHS) for r in result.trials}
        for r in result.trials:
            below = 0 if r.trial.rung is None or not r.trial.parent else levels[r.trial.parent]
            if trained.get(r.trial.id, levels[r.trial.id] - below) != levels[r.trial.id] - below:
                raise RuntimeError(f"{r.trial.id} has trained {trained[r.trial.id]} epochs")
        return result.best.value, sum(trained.values()), len(trained)


def main() -> int:
    """Run all searches for all seeds, and print a table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--trainings", type=int, default=10, help="full trainings of a search")
    args = parser.parse_args()
    spark = SparkSession.builder.master("local[2]").getOrCreate()
    found: dict[str, list[tuple[float, int, int]]] = {}
    for seed in range(args.seeds):
        for name, search in searches(args.trainings).items():
            began = time.monotonic()
            found.setdefault(name, []).append(measured(search, spark, seed))
            took = time.monotonic() - began
            sys.stderr.write(f"seed {seed}, {name}: {found[name][-1]}, {took:.0f} s\n")
    spark.stop()
    lines = ["| search | trials | epochs trained | share | best accuracy, by seed | mean |"]
    lines.append("|---|---|---|---|---|---|")
    full = statistics.mean(epochs for _, epochs, _ in found["random_search"])
    for name, runs in found.items():
        values, epochs, trials = zip(*runs, strict=True)
        mean = statistics.mean(epochs)
        each = ", ".join(f"{value:.3f}" for value in values)
        lines.append(
            f"| {name} | {statistics.mean(trials):.0f} | {mean:.0f} | {mean / full:.2f} | {each} "
            f"| {statistics.mean(values):.3f} |"
        )
    sys.stdout.write("\n".join(lines) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
