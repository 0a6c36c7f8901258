"""Where trials run: the `Engine` seam, in this process or on Spark's executors."""

from sparkexp.engine.base import Engine, Isolation, TrialTask
from sparkexp.engine.inline import InlineEngine
from sparkexp.engine.spark.engine import SparkEngine
from sparkexp.engine.spark.late_session import LateSession
from sparkexp.engine.spark.resources import Resources
from sparkexp.engine.worker.import_check import import_check
from sparkexp.engine.worker.task import run_attempt

__all__ = [
    "Engine",
    "InlineEngine",
    "Isolation",
    "LateSession",
    "Resources",
    "SparkEngine",
    "TrialTask",
    "import_check",
    "run_attempt",
]
