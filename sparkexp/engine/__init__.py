"""Where trials run: the `Engine` seam, in this process or on Spark's executors."""

from sparkexp.engine.base import Engine, Isolation, TrialTask
from sparkexp.engine.gang import BatchSize, Gang, Strategy
from sparkexp.engine.inline import InlineEngine
from sparkexp.engine.place import Place
from sparkexp.engine.spark.engine import SparkEngine
from sparkexp.engine.spark.late_session import LateSession
from sparkexp.engine.spark.resources import Resources
from sparkexp.engine.transfer.object_train import with_objects
from sparkexp.engine.worker.import_check import import_check
from sparkexp.engine.worker.task import run_attempt

__all__ = [
    "BatchSize",
    "Engine",
    "Gang",
    "InlineEngine",
    "Isolation",
    "LateSession",
    "Place",
    "Resources",
    "SparkEngine",
    "Strategy",
    "TrialTask",
    "import_check",
    "with_objects",
    "run_attempt",
]
