"""Trackers: what a search is followed with. TensorBoard is one, users may bring their own.

Importing this package is light; TensorBoard's modules are imported by the functions that need
them (0.15 s, once per process).
"""

from sparkexp.tracking.attempt import AttemptTrackers
from sparkexp.tracking.base import Attempt, Outcome, Report, Tracker, TrialTracker
from sparkexp.tracking.tensorboard import TensorBoard, TensorBoardServer, start_tensorboard

__all__ = [
    "Attempt",
    "AttemptTrackers",
    "Outcome",
    "Report",
    "TensorBoard",
    "TensorBoardServer",
    "Tracker",
    "TrialTracker",
    "start_tensorboard",
]
