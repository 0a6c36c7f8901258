"""What there is where tasks run: asked of every executor, without a trial."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
import os
import platform
import socket
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from sparkexp.engine.gpu import VISIBLE_DEVICES, gpus_there, is_there, visible_devices
from sparkexp.engine.spark.connect import is_connect
from sparkexp.engine.spark.slots import SlotCount, check_session, is_local
from sparkexp.engine.transfer.shipping import ship
from sparkexp.engine.worker.executor_id import executor_id
from sparkexp.errors import EnvironmentUnfitError
from sparkexp.runs.logdir_probe import LogdirProbe, Visit, visit_probe

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

__all__ = [
    "Inspection",
    "Sighting",
    "failing_executors",
    "inspect_executors",
    "package_version",
]

# An executor that has just come may get no task of the first rounds.
N_ROUNDS = 3
# How long the failure of a task may take to be known.
TOLD_S = 2.0
# Packages of one module that come under several names.
ALIASES = {"tensorflow": ("tensorflow-cpu", "tf-nightly", "tensorflow-intel", "tensorflow-macos")}


@dataclass(frozen=True)
class Sighting:
    """What one task saw.

    Parameters
    ----------
    host : str
        Name of the host.
    executor : str
        Spark's id of the executor; empty in a local session.
    python : str
        Version of Python.
    executable : str
        Path of Python.
    packages : dict
        Versions by name of the package; None for what can't be imported.
    announced : tuple of str
        GPU addresses that Spark gave the task.
    gpus : tuple of str
        GPUs that are there, by index and by name.
    absent : tuple of str
        Devices that the task would use and that are not there.
    visit : Visit, optional
        What the task could do in the log directory.
    """

    host: str
    executor: str
    python: str
    executable: str
    packages: dict[str, str | None]
    announced: tuple[str, ...] = ()
    gpus: tuple[str, ...] = ()
    absent: tuple[str, ...] = ()
    visit: Visit | None = None

    @property
    def where(self) -> str:
        return f"executor {self.executor} on {self.host}" if self.executor else self.host

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Sighting:
        fields = json.loads(text)
        visit = fields.pop("visit")
        names = ("announced", "gpus", "absent")
        fields.update({name: tuple(fields[name]) for name in names})
        return cls(**fields, visit=Visit(**visit) if visit else None)


@dataclass(frozen=True)
class Inspection:
    """What all executors saw.

    Parameters
    ----------
    sightings : tuple of Sighting
        One per task, at least one per executor that was reached.
    n_executors : int, optional
        Executors that Spark knows; None where it doesn't say.
    slots : int
        Tasks at the same time.
    """

    sightings: tuple[Sighting, ...]
    n_executors: int | None
    slots: int


def inspect_executors(
    spark: SparkSession, packages: Iterable[str], place: LogdirProbe | None = None
) -> Inspection:
    """Run a task in every slot, until each executor has told what it sees.

    Parameters
    ----------
    spark : SparkSession
        Classic or Connect.
    packages : iterable of str
        Names of packages.
    place : LogdirProbe, optional
        Where each task tries to read and to write.

    Raises
    ------
    EnvironmentUnfitError
        If the session can't run tasks.
    """
    check_session(spark)
    slots = SlotCount(spark).now()
    names = tuple(packages)
    ship(spark, inspect_executors)
    sightings: list[Sighting] = []
    for _ in range(N_ROUNDS):
        n_executors = _n_executors(spark)
        sightings += _round(spark, slots, names, place)
        if len({sighting.where for sighting in sightings}) >= (n_executors or 0):
            break
    return Inspection(tuple(sightings), n_executors, slots)


def _round(
    spark: SparkSession, n_tasks: int, names: tuple[str, ...], place: LogdirProbe | None
) -> list[Sighting]:
    from pyspark.sql.functions import udf

    # Neither Arrow nor pandas: they may be what is missing.
    look = udf(_looking(names, place), "string", useArrow=False)
    rows = spark.range(0, n_tasks, 1, n_tasks).select(look("id").alias("told")).collect()
    return [Sighting.from_json(row["told"]) for row in rows]


def _n_executors(spark: SparkSession) -> int | None:
    if is_connect(spark):
        return None
    if is_local(spark):
        return 1
    return len(spark.sparkContext._jsc.sc().statusTracker().getExecutorInfos()) - 1


def failing_executors(spark: SparkSession) -> str:
    """Return the executors whose tasks failed; empty where Spark doesn't say.

    Parameters
    ----------
    spark : SparkSession
        Classic or Connect, after a job that failed: Python's errors don't say where.
    """
    if is_connect(spark):
        return ""
    deadline = time.monotonic() + TOLD_S
    while time.monotonic() < deadline:
        known = spark.sparkContext._jsc.sc().statusStore().executorList(False)
        listed = [known.apply(k) for k in range(known.size())]
        failing = [
            f"executor {one.id()} on {one.hostPort().rpartition(':')[0]}"
            for one in listed
            if one.failedTasks()
        ]
        if failing:
            return ", ".join(sorted(failing))
        time.sleep(0.1)
    return ""


def _looking(names: tuple[str, ...], place: LogdirProbe | None) -> Callable[[int], str]:
    def look(task: int) -> str:
        from pyspark import TaskContext

        return _sight(TaskContext.get(), names, place).to_json()

    return look


def _sight(context: Any, names: tuple[str, ...], place: LogdirProbe | None) -> Sighting:
    gpu = context.resources().get("gpu")
    announced = tuple(gpu.addresses) if gpu else ()
    there = gpus_there()
    return Sighting(
        host=socket.gethostname(),
        executor=executor_id(),
        python=platform.python_version(),
        executable=sys.executable,
        packages={name: package_version(name) for name in names},
        announced=announced,
        gpus=there,
        absent=_absent(announced, there),
        visit=None if place is None else visit_probe(place),
    )


def _absent(announced: tuple[str, ...], there: tuple[str, ...]) -> tuple[str, ...]:
    try:
        devices = visible_devices(announced, os.environ.get(VISIBLE_DEVICES)).split(",")
    except EnvironmentUnfitError:
        return announced  # outside of what the worker may see
    return tuple(device for device in devices if device and not is_there(device, there))


def package_version(name: str) -> str | None:
    """Return the version of a package whose module has its name; None where it is missing.

    Parameters
    ----------
    name : str
        Name of the package.

    Returns
    -------
    str or None
        Empty where the module is there and nobody says which version.

    Examples
    --------
    >>> package_version('no_such_package') is None
    True
    """
    try:
        if importlib.util.find_spec(name.replace("-", "_")) is None:
            return None
    except (ImportError, ValueError):
        return None
    for known in (name, *ALIASES.get(name, ())):
        try:
            return importlib.metadata.version(known)
        except importlib.metadata.PackageNotFoundError:
            continue
    # Spark brings its own pyspark to executors, which is no installed package.
    module = sys.modules.get(name)
    return str(getattr(module, "__version__", ""))
