"""A train function that fails, is slow or returns NaN.

A module of its own, since the process of each trial imports the function's module: with that of
the tests it would load pytest and Optuna, which takes longer than the trial.
"""

from __future__ import annotations

import math
import time


def train(rate, units, optimizer, momentum=0.0, seed=0):
    if units == 8:
        raise RuntimeError("fails")
    if units == 7:
        time.sleep(1)
    loss = math.nan if optimizer == "odd" else rate * units + (1 - momentum) / 10
    return {"loss": loss, "size": units}
