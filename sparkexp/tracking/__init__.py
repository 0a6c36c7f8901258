"""Trackers: what a search is followed with: TensorBoard, MLflow, or those that users bring.

Importing this package is light; TensorBoard's modules are imported by the functions that need
them (0.15 s, once per process).
"""

from sparkexp.tracking.attempt import AttemptTrackers
from sparkexp.tracking.base import Attempt, Outcome, Report, Tracker, TrialTracker
from sparkexp.tracking.mlflow import MLflow
from sparkexp.tracking.tensorboard import TensorBoard, TensorBoardServer, start_tensorboard

__all__ = [
    "Attempt",
    "AttemptTrackers",
    "MLflow",
    "Outcome",
    "Report",
    "TensorBoard",
    "TensorBoardServer",
    "Tracker",
    "TrialTracker",
    "start_tensorboard",
]
