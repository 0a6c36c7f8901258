"""Asks every executor about its Python, packages, GPUs and log directory, without a trial."""

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

from sparkexp.engine.gpu import VISIBLE_DEVICES, is_present, list_gpus, visible_devices
from sparkexp.engine.spark.connect import is_connect
from sparkexp.engine.spark.slots import SlotCount, check_session, is_local
from sparkexp.engine.transfer.shipping import ship
from sparkexp.engine.worker.executor_id import find_executor_id
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

# A new executor may get no task in the first rounds.
N_ROUNDS = 3
# How long it may take until Spark lists the failure of a task.
FAILURE_KNOWN_S = 2.0
# Modules that several packages provide.
ALIASES = {"tensorflow": ("tensorflow-cpu", "tf-nightly", "tensorflow-intel", "tensorflow-macos")}


@dataclass(frozen=True)
class Sighting:
    """What one task saw on its executor.

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
        Versions by name of the package; None for a package that is missing.
    announced : tuple of str
        GPU addresses that Spark assigned to the task.
    gpus : tuple of str
        GPUs of the host, by index and by name.
    absent : tuple of str
        Devices that the task would use and that don't exist.
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
        One per task, so at least one for each executor that ran a task.
    n_executors : int, optional
        The number of executors; None if Spark doesn't tell.
    slots : int
        How many tasks can run at the same time.
    """

    sightings: tuple[Sighting, ...]
    n_executors: int | None
    slots: int


def inspect_executors(
    spark: SparkSession, packages: Iterable[str], probe: LogdirProbe | None = None
) -> Inspection:
    """Run a task in every slot, until each executor has run one; return what they saw.

    Parameters
    ----------
    spark : SparkSession
        Classic or Connect.
    packages : iterable of str
        Names of packages.
    probe : LogdirProbe, optional
        A probe in the log directory, which each task reads and writes.

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
        sightings += _run_round(spark, slots, names, probe)
        if len({sighting.where for sighting in sightings}) >= (n_executors or 0):
            break
    return Inspection(tuple(sightings), n_executors, slots)


def _run_round(
    spark: SparkSession, n_tasks: int, names: tuple[str, ...], probe: LogdirProbe | None
) -> list[Sighting]:
    from pyspark.sql.functions import udf

    # Without Arrow and pandas, which may be missing.
    look = udf(_make_look(names, probe), "string", useArrow=False)
    rows = spark.range(0, n_tasks, 1, n_tasks).select(look("id").alias("sighting")).collect()
    return [Sighting.from_json(row["sighting"]) for row in rows]


def _n_executors(spark: SparkSession) -> int | None:
    if is_connect(spark):
        return None
    if is_local(spark):
        return 1
    return len(spark.sparkContext._jsc.sc().statusTracker().getExecutorInfos()) - 1


def failing_executors(spark: SparkSession) -> str:
    """Return the executors whose tasks failed, as text; empty if Spark doesn't tell.

    Errors of Python don't say where they happened.

    Parameters
    ----------
    spark : SparkSession
        Classic or Connect, after a job that failed.
    """
    if is_connect(spark):
        return ""
    deadline = time.monotonic() + FAILURE_KNOWN_S
    while time.monotonic() < deadline:
        executors = spark.sparkContext._jsc.sc().statusStore().executorList(False)
        listed = [executors.apply(k) for k in range(executors.size())]
        failing = [
            f"executor {one.id()} on {one.hostPort().rpartition(':')[0]}"
            for one in listed
            if one.failedTasks()
        ]
        if failing:
            return ", ".join(sorted(failing))
        time.sleep(0.1)
    return ""


def _make_look(names: tuple[str, ...], probe: LogdirProbe | None) -> Callable[[int], str]:
    def look(task: int) -> str:
        from pyspark import TaskContext

        return _inspect_here(TaskContext.get(), names, probe).to_json()

    return look


def _inspect_here(context: Any, names: tuple[str, ...], probe: LogdirProbe | None) -> Sighting:
    gpu = context.resources().get("gpu")
    announced = tuple(gpu.addresses) if gpu else ()
    there = list_gpus()
    return Sighting(
        host=socket.gethostname(),
        executor=find_executor_id(),
        python=platform.python_version(),
        executable=sys.executable,
        packages={name: package_version(name) for name in names},
        announced=announced,
        gpus=there,
        absent=_find_absent(announced, there),
        visit=None if probe is None else visit_probe(probe),
    )


def _find_absent(announced: tuple[str, ...], there: tuple[str, ...]) -> tuple[str, ...]:
    try:
        devices = visible_devices(announced, os.environ.get(VISIBLE_DEVICES)).split(",")
    except EnvironmentUnfitError:
        return announced  # the worker may not see these devices
    return tuple(device for device in devices if device and not is_present(device, there))


def package_version(name: str) -> str | None:
    """Return the version of a package whose module has the same name; None if it is missing.

    Parameters
    ----------
    name : str
        Name of the package.

    Returns
    -------
    str or None
        Empty if the module exists and its version is unknown.

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
    for alias in (name, *ALIASES.get(name, ())):
        try:
            return importlib.metadata.version(alias)
        except importlib.metadata.PackageNotFoundError:
            continue
    # Executors get pyspark from Spark, not as an installed package.
    module = sys.modules.get(name)
    return str(getattr(module, "__version__", ""))
