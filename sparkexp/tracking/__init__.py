"""TensorBoard: event files, hyperparameters and the server, without importing TensorFlow.

Importing this package is light; TensorBoard's modules are imported by the functions that need
them (0.15 s, once per process).
"""

from sparkexp.tracking.events import EventFile
from sparkexp.tracking.hparams import HParamSpec, Interval, MetricSpec
from sparkexp.tracking.reporter import ScalarReporter
from sparkexp.tracking.search_log import SearchLog
from sparkexp.tracking.server import TensorBoardServer, start_tensorboard
from sparkexp.tracking.tensorboard import (
    DURATION_TAG,
    GENERATION,
    OBJECTIVE_TAG,
    reported_tag,
    returned_tag,
    write_experiment,
    write_session_end,
    write_session_start,
)

__all__ = [
    "DURATION_TAG",
    "GENERATION",
    "OBJECTIVE_TAG",
    "EventFile",
    "HParamSpec",
    "Interval",
    "MetricSpec",
    "ScalarReporter",
    "SearchLog",
    "TensorBoardServer",
    "reported_tag",
    "returned_tag",
    "start_tensorboard",
    "write_experiment",
    "write_session_end",
    "write_session_start",
]
