"""The demo's two searches, and what they found."""

from __future__ import annotations

import argparse
import shlex
import time

from sparkexp import experiment
from sparkexp.demo.images import data_name, load_images, test_accuracy, train_cnn
from sparkexp.engine.spark.session import build_session

__all__ = ["add_options", "run_demo"]


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.add_argument("--master", help="Spark master, local[2] by default")
    parser.add_argument("--logdir", help="directory for the two runs")


def run_demo(master: str | None = None, logdir: str | None = None) -> str:
    """Run a grid search and an evolutionary search on real images, and return the report.

    Parameters
    ----------
    master : str, optional
        Spark master; by default that of spark-submit, or ``local[2]``.
    logdir : str, optional
        Directory or URL for the runs; by default a new one below ``sparkexp-runs``.
    """
    started = time.monotonic()
    root = (logdir or f"sparkexp-runs/demo-{time.strftime('%Y%m%d-%H%M%S')}").rstrip("/")
    spark = build_session("sparkexp demo", master)
    spark.sparkContext.setLogLevel("ERROR")
    try:
        grid = experiment.launch(
            spark,
            train_cnn,
            {"learning_rate": [0.001, 0.005, 0.01], "dropout": [0.5, 0.6]},
            name="grid",
            logdir=f"{root}/grid",
        )
        evolution = experiment.evolutionary_search(
            spark,
            train_cnn,
            {"learning_rate": [0.005, 0.00005], "dropout": [0.01, 0.99], "num_layers": [1, 3]},
            direction="max",
            popsize=6,
            generations=3,
            crossover=0.7,
            mutation=0.5,
            seed=1,
            name="evolution",
            logdir=f"{root}/evolution",
        )
        best = max(grid.best, evolution.best, key=lambda trial: trial.value)
        test = experiment.launch(
            spark,
            test_accuracy,
            [best.params],
            name="test",
            logdir=f"{root}/test",
            progress=False,
        )
        accuracy = test.best.value
    finally:
        spark.stop()
    n_test = len(load_images()["test"])
    return "\n".join(
        [
            f"\nGrid search\n{grid}",
            f"\nDifferential evolution\n{evolution}",
            f"\nBest configuration: {best.params}",
            f"Accuracy on the {n_test} test images of {data_name()}: {accuracy:.4f} "
            f"(validation: {best.value:.4f})",
            f"Searched in {time.monotonic() - started:.0f} s. To browse the trials:",
            f"  sparkexp tensorboard {shlex.quote(evolution.logdir)}",
            f"  sparkexp tensorboard {shlex.quote(grid.logdir)}",
        ]
    )
