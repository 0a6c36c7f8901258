"""Searches without Spark that write what TensorBoard is to show, for tests and pictures."""

from __future__ import annotations

import math
import os
import random
from typing import Any

from sparkexp import experiment
from sparkexp.experiment import Float

SPACE = {
    "learning_rate": Float(1e-5, 1e-1, log=True),
    "dropout": [0.01, 0.99],
    "num_layers": [1, 3],
    "optimizer": ["adam", "sgd", "rmsprop"],
}
QUIET: dict[str, Any] = {"engine": "inline", "progress": False}


def train(learning_rate: float, dropout: float, num_layers: int, optimizer: str) -> Any:
    """Stands for a training: an optimum, some noise, and a region where it fails."""
    if dropout > 0.93:
        raise ValueError(f"dropout={dropout:.3f} leaves nothing to learn from")
    noise = random.Random(repr((learning_rate, dropout, num_layers, optimizer))).random()
    accuracy = (
        0.96
        - 0.08 * (math.log10(learning_rate) + 2.7) ** 2
        - 0.3 * (dropout - 0.35) ** 2
        - 0.03 * abs(num_layers - 2)
        - 0.05 * (optimizer == "sgd")
        + 0.02 * noise
    )
    for epoch in range(3):
        experiment.report(epoch, loss=1.3 - accuracy * (epoch + 1) / 3)
    return {"accuracy": accuracy, "size": 1000.0 * num_layers}


def evolution(
    logdir: str | os.PathLike[str], n_trials: int = 100, popsize: int = 10, **options: Any
) -> experiment.Result:
    """Run an evolutionary search."""
    return experiment.evolutionary_search(
        None, train, SPACE, "max", popsize, n_trials // popsize - 1, metric="accuracy",
        logdir=logdir, **{"seed": 1, "variant": "classic", **QUIET, **options},
    )  # fmt: skip
