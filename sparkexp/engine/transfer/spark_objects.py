"""Things of Spark's that a train function refers to, and that no trial can use."""

from __future__ import annotations

from collections import deque
from typing import Any

from sparkexp.engine.base import Train
from sparkexp.engine.transfer.main_module import MAIN
from sparkexp.engine.transfer.references import find_references
from sparkexp.errors import TrainFunctionError

__all__ = ["check_spark_objects"]

_SESSION = (
    "Spark's session and its tables are the driver's; a trial runs in a process of its own on an "
    "executor. Do Spark's part before the search, and hand over what comes out: data= takes any "
    "value, or a DataFrame such as spark.table('t'), which def train(data, …) gets as one of "
    "pandas."
)
_WAYS_OUT = {
    "Broadcast": (
        "A trial's own process has no broadcast variables. Hand the value over with data=, of "
        "which there is one copy for all trials on a host: data={name}.value, and def "
        "train(data, …)."
    ),
    "DataFrame": (
        "Its rows are on Spark's executors, and the trial has no session. Hand it over with "
        "data={name}, and write def train(data, …): data is a DataFrame of pandas there. One that "
        "is too large for that is written by experiment.save_frame({name}, path), and read in "
        "trials by sparkexp.storage.dataset(path)."
    ),
    "SparkSession": _SESSION,
    "SparkContext": _SESSION,
    "SQLContext": _SESSION,
    "RDD": _SESSION,
    "Accumulator": (
        "What a trial adds to an accumulator never reaches the driver. Return the number beside "
        "the metric, return {{'accuracy': accuracy, 'rows': n}} with metric='accuracy', and add "
        "up result.to_pandas()['rows'] after the search."
    ),
}


def check_spark_objects(train: Train) -> None:
    """Refuse a train function that refers to something of Spark's, directly or by others.

    Raises
    ------
    TrainFunctionError
        If it does; the message names the variable and the way out.
    """
    own = {MAIN, _find_package(train)}
    queue, seen = deque([train]), set()
    while queue:
        item: Any = queue.popleft()
        for name, value in find_references(item):
            if id(value) in seen:
                continue
            seen.add(id(value))
            kind = type(value)
            if kind.__module__.startswith("pyspark.") and kind.__name__ in _WAYS_OUT:
                user = getattr(item, "__qualname__", type(item).__qualname__)
                way_out = _WAYS_OUT[kind.__name__].format(name=name)
                raise TrainFunctionError(
                    f"The train function can't use its variable {name!r} (Spark's "
                    f"{kind.__name__}; used by {user}). {way_out}"
                )
            if _find_package(value) in own:  # not all of TensorFlow
                queue.append(value)


def _find_package(item: Any) -> str:
    """Return the package of a function or a class, or of an object's class."""
    item = getattr(item, "func", item)  # a functools.partial
    module = getattr(item, "__module__", None) or type(item).__module__
    return str(module).partition(".")[0]
