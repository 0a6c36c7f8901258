"""The front door: hand over a train function and a search space, get the best configuration.

::

    from sparkexp import experiment

    result = experiment.launch(spark, train,
        {'learning_rate': [0.001, 0.01], 'dropout': [0.5, 0.6]})
    result = experiment.evolutionary_search(spark, train,
        {'learning_rate': [0.0001, 0.1], 'dropout': [0.0, 0.9]}, popsize=10, generations=3)
    result.best.params
"""

from __future__ import annotations

from sparkexp.api.architecture_search import architecture_search
from sparkexp.api.distribute import distribute
from sparkexp.api.dry_run import dry_run
from sparkexp.api.evolutionary_search import evolutionary_search
from sparkexp.api.in_trial import (
    artifact_dir,
    checkpoint_dir,
    keras_callback,
    logdir,
    report,
    save_model,
    stop_search,
)
from sparkexp.api.launch import launch
from sparkexp.api.random_search import random_search
from sparkexp.api.resume import load, resume
from sparkexp.api.save_frame import save_frame
from sparkexp.api.search import search
from sparkexp.api.typed_options import FidelityOptions, ResumeOptions, RunOptions
from sparkexp.distributed import (
    gang,
    learning_rate_at,
    on_device,
    place_slots,
    scaled,
    split_cpus,
)
from sparkexp.engine import Gang
from sparkexp.results.result import Result
from sparkexp.space import Choice, Float, Int, Space

__all__ = [
    "Choice",
    "FidelityOptions",
    "Float",
    "Gang",
    "Int",
    "Result",
    "ResumeOptions",
    "RunOptions",
    "Space",
    "architecture_search",
    "artifact_dir",
    "checkpoint_dir",
    "distribute",
    "dry_run",
    "evolutionary_search",
    "gang",
    "keras_callback",
    "launch",
    "learning_rate_at",
    "load",
    "logdir",
    "on_device",
    "place_slots",
    "random_search",
    "report",
    "resume",
    "save_frame",
    "save_model",
    "scaled",
    "search",
    "split_cpus",
    "stop_search",
]
