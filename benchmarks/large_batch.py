"""The large-batch recipe on a real training: eight times the batch, the same accuracy.

::

    python benchmarks/large_batch.py                  # one process, minutes
    python benchmarks/large_batch.py --workers 2      # large batches by experiment.distribute
    python benchmarks/large_batch.py --data digits --seeds 2

A small network learns with batch B; with 8 B and the learning rate of B; with 8 B and eight times
the rate from the first step on; and with 8 B and the recipe of Goyal et al. 2017: the rate of
`experiment.scaled` grows to eight times in the first epochs. All see each image equally often. The
figure is the accuracy on the test images after the last epoch: nothing is chosen by it.
"""

from __future__ import annotations

import argparse
import gzip
import json
import logging
import os
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sparkexp import experiment
from sparkexp.demo.images import FASHION_MNIST
from sparkexp.engine.spark.session import build_session

logger = logging.getLogger("large_batch")

FACTOR = 8


@dataclass(frozen=True)
class Setting:
    """What all trainings on one data set have in common; chosen on seeds from 100 on.

    Parameters
    ----------
    n_train : int
        Images to learn; the rest of what there is, or the data's own test images, is for the test.
    batch : int
        B.
    rate : float
        The learning rate that is right for B.
    units : int
        Of each of two hidden layers.
    epochs, warmup_epochs : int
        How often each image is seen; how long the recipe's rate grows.
    drops : tuple of float
        Epochs at which the rate drops to a tenth.
    """

    n_train: int
    batch: int
    rate: float
    units: int
    epochs: int
    warmup_epochs: int
    drops: tuple[float, ...]


SETTINGS = {
    "fashion-mnist": Setting(20_000, 32, 0.01, 128, 16, 3, (10, 14)),
    "digits": Setting(1_200, 8, 0.01, 64, 20, 3, (14, 18)),
}


@dataclass(frozen=True)
class Arm:
    """A way to train.

    Parameters
    ----------
    label : str
        In the table.
    factor : int
        The batch, in B.
    scale : float
        What the rate is multiplied by at once.
    recipe : bool
        Whether the rate is scaled by `experiment.scaled`.
    """

    label: str
    factor: int
    scale: float = 1.0
    recipe: bool = False


ARMS = {
    "small": Arm("batch B, rate η", 1),
    "recipe": Arm(f"batch {FACTOR} B, the recipe", FACTOR, recipe=True),
    "unscaled": Arm(f"batch {FACTOR} B, rate η", FACTOR),
    "no-warmup": Arm(f"batch {FACTOR} B, rate {FACTOR} η at once", FACTOR, scale=FACTOR),
}


def main() -> int:
    """Train what the command line says and print the table."""
    args = _parser().parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", stream=sys.stderr)
    logging.getLogger("py4j").setLevel(logging.WARNING)
    name = args.data or ("fashion-mnist" if args.folder.is_dir() else "digits")
    setting = _changed(SETTINGS[name], args)
    seeds = range(args.first_seed, args.first_seed + args.seeds)
    os.environ.update(OMP_NUM_THREADS="1", TF_NUM_INTRAOP_THREADS="1", TF_NUM_INTEROP_THREADS="1")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    accuracies = run(name, setting, args.arms, seeds, args.folder, args.workers)
    print(report(name, setting, accuracies, args.workers))
    if args.json:
        content = {
            "data": name,
            "setting": asdict(setting),
            "workers": args.workers,
            "seeds": [*seeds],
            "accuracies": accuracies,
        }
        args.json.write_text(json.dumps(content, indent=1) + "\n")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0] if __doc__ else None,
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument(
        "--data", choices=SETTINGS, help="default: Fashion-MNIST where it is, else digits"
    )
    parser.add_argument(
        "--folder", type=Path, default=FASHION_MNIST, help="where Fashion-MNIST's files are"
    )
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--first-seed", type=int, default=0, help="100 or more while tuning")
    parser.add_argument("--arms", nargs="+", choices=ARMS, default=list(ARMS), metavar="ARM")
    parser.add_argument(
        "--workers",
        type=int,
        default=1,
        help="with more than one, large batches are trained by a gang on a local Spark",
    )
    parser.add_argument("--rate", type=float, help="another learning rate for B")
    parser.add_argument("--epochs", type=int, help="another number of epochs; drops move along")
    parser.add_argument("--json", type=Path, help="a file for all figures")
    return parser


def _changed(setting: Setting, args: argparse.Namespace) -> Setting:
    epochs = args.epochs or setting.epochs
    ratio = epochs / setting.epochs
    values: dict[str, Any] = {
        **asdict(setting),
        "rate": args.rate or setting.rate,
        "epochs": epochs,
        "warmup_epochs": max(1, round(setting.warmup_epochs * ratio)),
        "drops": tuple(drop * ratio for drop in setting.drops),
    }
    return Setting(**values)


def run(
    name: str,
    setting: Setting,
    arms: Sequence[str],
    seeds: Sequence[int],
    folder: Path,
    workers: int = 1,
) -> dict[str, list[float]]:
    """Return the test accuracies of each arm, by seed; seeds are the outer loop."""
    spark = build_session("large_batch", f"local[{workers}]") if workers > 1 else None
    found: dict[str, list[float]] = {arm: [] for arm in arms}
    for seed in seeds:
        for arm in arms:
            params = _params(name, setting, ARMS[arm], seed, folder)
            started = time.perf_counter()
            if spark is not None and ARMS[arm].factor > 1:
                accuracy = _trained_by_gang(spark, params, workers)
            else:
                accuracy = train(**params)
            found[arm].append(accuracy)
            seconds = time.perf_counter() - started
            logger.info("seed %d, %s: %.4f (%.1f s)", seed, arm, accuracy, seconds)
    if spark is not None:
        spark.stop()
    return found


def _params(name: str, setting: Setting, arm: Arm, seed: int, folder: Path) -> dict[str, Any]:
    drops = [*setting.drops]
    return {
        "data": name,
        "folder": str(folder),
        "n_train": setting.n_train,
        "units": setting.units,
        "base_batch": setting.batch,
        "batch": setting.batch * arm.factor,
        "rate": setting.rate * arm.scale,
        "recipe": arm.recipe,
        "warmup_epochs": setting.warmup_epochs,
        "drops": " ".join(map(str, drops)),
        "epochs": setting.epochs,
        "seed": seed,
    }


def _trained_by_gang(spark: Any, params: Mapping[str, Any], workers: int) -> float:
    with tempfile.TemporaryDirectory() as folder:
        result = experiment.distribute(
            spark, train, params, workers=workers, logdir=f"{folder}/run", progress=False
        )
    (trial,) = result.trials
    if trial.value is None:
        raise RuntimeError(f"the training failed: {trial.error}")
    return float(trial.value)


def train(
    data: str,
    folder: str,
    n_train: int,
    units: int,
    base_batch: int,
    batch: int,
    rate: float,
    recipe: bool,
    warmup_epochs: int,
    drops: str,
    epochs: int,
    seed: int,
) -> float:
    """Train a network of two hidden layers and return its accuracy on the test images."""
    import keras

    (x, y), (x_test, y_test) = load(data, Path(folder), n_train)
    keras.utils.set_random_seed(seed)
    model = keras.Sequential(
        [
            keras.Input(x.shape[1:]),
            keras.layers.Dense(units, activation="relu"),
            keras.layers.Dense(units, activation="relu"),
            keras.layers.Dense(10),
        ]
    )
    schedule = experiment.scaled(
        rate,
        warmup_epochs=warmup_epochs,
        base_batch=base_batch if recipe else batch,
        drops=[float(drop) for drop in drops.split()],
    )
    # In a gang fit does it.
    schedule.bind(-(-len(x) // batch), batch, batch)
    model.compile(
        keras.optimizers.SGD(schedule, momentum=0.9),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
        jit_compile=False,
    )
    model.fit(x, y, batch_size=batch, epochs=epochs, verbose=0)
    return float(model.evaluate(x_test, y_test, batch_size=1000, verbose=0)[1])


def load(
    data: str, folder: Path, n_train: int
) -> tuple[tuple[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]:
    """Return flat images in [0, 1] and their labels, to learn and for the test."""
    if data == "fashion-mnist":
        x, y = _read_idx(folder, "train")
        return (x[:n_train], y[:n_train]), _read_idx(folder, "t10k")
    from sklearn.datasets import load_digits

    digits = load_digits()
    # The file is ordered by writer.
    order = np.random.default_rng(0).permutation(len(digits.target))
    x, y = (digits.data[order] / 16).astype(np.float32), digits.target[order].astype(np.int64)
    return (x[:n_train], y[:n_train]), (x[n_train:], y[n_train:])


def _read_idx(folder: Path, part: str) -> tuple[np.ndarray, np.ndarray]:
    """Read images and labels of an IDX file: the magic number's last byte counts the axes."""
    found = []
    for kind in ("images-idx3", "labels-idx1"):
        with gzip.open(folder / f"{part}-{kind}-ubyte.gz") as file:
            content = file.read()
        found.append(np.frombuffer(content, np.uint8, offset=4 + 4 * content[3]))
    pixels, labels = found
    images = pixels.reshape(len(labels), -1).astype(np.float32) / np.float32(255)
    return images, labels.astype(np.int64)


def report(
    name: str, setting: Setting, accuracies: Mapping[str, Sequence[float]], workers: int
) -> str:
    """Return a table: means, their standard errors, differences to batch B by seed."""
    n_seeds = len(next(iter(accuracies.values())))
    how = f"large batches by {workers} workers" if workers > 1 else "one process"
    lines = [
        f"{name}, {setting.n_train:,} images, B = {setting.batch}, η = {setting.rate:g}, "
        f"{setting.epochs} epochs, {n_seeds} seeds, {how}. Mean ± standard error.",
        "",
        "| | steps | test accuracy, % | minus batch B, points |",
        "|---|---|---|---|",
    ]
    base = accuracies.get("small")
    for key, values in accuracies.items():
        arm = ARMS[key]
        steps = -(-setting.n_train // (setting.batch * arm.factor)) * setting.epochs
        difference = "–"
        if base is not None and key != "small":
            # The same seed gives the same first weights.
            difference = _mean([a - b for a, b in zip(values, base, strict=True)], "+.2f")
        lines.append(f"| {arm.label} | {steps:,} | {_mean(values, '.2f')} | {difference} |")
    return "\n".join(lines)


def _mean(values: Sequence[float], form: str) -> str:
    points = 100 * np.asarray(values)
    if len(points) < 2:
        return format(points.mean(), form)
    error = points.std(ddof=1) / np.sqrt(len(points))
    return f"{points.mean():{form}} ± {error:.2f}"


if __name__ == "__main__":
    sys.exit(main())
