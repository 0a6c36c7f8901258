"""Where trials run: the `Engine` seam, in this process or on Spark's executors."""

from sparkexp.engine.base import Engine, Isolation, Objective, TrialTask
from sparkexp.engine.inline import InlineEngine
from sparkexp.engine.late_session import LateSession
from sparkexp.engine.probe import probe_of
from sparkexp.engine.resources import Resources
from sparkexp.engine.spark import SparkEngine

__all__ = [
    "Engine",
    "InlineEngine",
    "Isolation",
    "LateSession",
    "Objective",
    "Resources",
    "SparkEngine",
    "TrialTask",
    "probe_of",
]
