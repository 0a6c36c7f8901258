"""TensorBoard: event files, hyperparameters and the server, without importing TensorFlow."""

from sparkexp.tracking.tensorboard.events import EventFile
from sparkexp.tracking.tensorboard.hparams import MetricSpec
from sparkexp.tracking.tensorboard.links import Link, find_overview_directory, list_board_links
from sparkexp.tracking.tensorboard.search_log import SearchLog
from sparkexp.tracking.tensorboard.server import TensorBoardServer, start_tensorboard
from sparkexp.tracking.tensorboard.sessions import (
    ACCEPTED_TAG,
    DURATION_TAG,
    GENERATION,
    OBJECTIVE_TAG,
    reported_tag,
    returned_tag,
    row_name,
    write_experiment,
    write_session_end,
    write_session_start,
)
from sparkexp.tracking.tensorboard.tracker import TensorBoard, TrialSession

__all__ = [
    "ACCEPTED_TAG",
    "DURATION_TAG",
    "GENERATION",
    "OBJECTIVE_TAG",
    "EventFile",
    "Link",
    "MetricSpec",
    "SearchLog",
    "TensorBoard",
    "TensorBoardServer",
    "TrialSession",
    "list_board_links",
    "find_overview_directory",
    "reported_tag",
    "returned_tag",
    "row_name",
    "start_tensorboard",
    "write_experiment",
    "write_session_end",
    "write_session_start",
]
