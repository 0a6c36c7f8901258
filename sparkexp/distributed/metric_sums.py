"""Metrics and moving statistics of the whole gang, at the end of an epoch and of evaluate."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from sparkexp.distributed.collectives import Collectives
from sparkexp.distributed.steps import GangSteps, own_statistics, unique

__all__ = ["average_statistics", "sum_metrics"]


def sum_metrics(
    model: Any, gang: Collectives, steps: GangSteps, result: Callable[[Any], Any], logs: Any
) -> Any:
    """Return the metrics over all workers, the same on each.

    Their states are summed, as Keras itself does where it evaluates in parts: so an AUC, say, is
    that of all examples, and not a mean of several.

    Parameters
    ----------
    model : keras.Model
        The model.
    gang : Collectives
        The workers.
    steps : GangSteps
        Its steps.
    result : Callable
        Keras's own: returns metrics for the last step's logs.
    logs : dict
        What the last step returned.
    """
    if steps.in_epoch and not steps.in_test:
        steps.in_epoch = False
        average_statistics(model, gang)
    metrics = unique(model.metrics_variables)
    for variable, total in zip(metrics, gang.sum([v.numpy() for v in metrics]), strict=True):
        variable.assign(total.astype(variable.numpy().dtype))
    found = result(logs)
    if steps.in_epoch and not gang.is_chief:
        # An evaluation in the middle: the epoch goes on, and its end sums once more.
        for variable in metrics:
            variable.assign(np.zeros_like(variable.numpy()))
    if found is not logs or not isinstance(logs, dict):
        return found
    # An own train_step's: Keras knows the last step's values only.
    weight = float(gang.variables.weight)
    own = [weight * float(value) if weight else 0.0 for value in logs.values()]
    total, *sums = gang.sum([weight, *own])
    return {name: float(value / total) for name, value in zip(logs, sums, strict=True)}


def average_statistics(model: Any, gang: Collectives) -> None:
    """Give all workers the same moving statistics, as those of BatchNormalization."""
    found = own_statistics(model)
    for variable, total in zip(found, gang.sum([v.numpy() for v in found]), strict=True):
        variable.assign((total / gang.size).astype(variable.numpy().dtype))
