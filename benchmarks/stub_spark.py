"""A Spark session without Spark: its jobs sleep, and as many as are asked for run at once."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from inspect import getclosurevars
from typing import Any

import numpy as np
from pyspark import cloudpickle
from pyspark.sql import SparkSession

from sparkexp.engine.base import TrialTask
from sparkexp.trial import State, Trial, TrialResult

__all__ = ["StubSession"]


class StubSession(SparkSession):
    """What `sparkexp.engine.SparkEngine` uses of a classic session on a cluster.

    The subclass passes the type checks of pyspark's own helpers. A job pickles its function, as
    pyspark does on the driver, sleeps, and returns the row that an executor would have returned.

    Parameters
    ----------
    slots : int
        How many tasks the invented executors run at the same time.
    low_s, high_s : float
        Bounds of a job's length, uniformly distributed.
    seed : int
        Of the lengths.
    """

    def __init__(self, slots: int, low_s: float, high_s: float, seed: int) -> None:
        self.slots = slots
        self.slept_s = 0.0
        self.pickle_s = 0.0
        self.running = 0
        self.most_running = 0
        self._bounds = low_s, high_s
        self._context = _Context(slots)
        self._rng = np.random.default_rng(seed)
        self._lock = threading.Lock()
        self._free = threading.Semaphore(slots)

    @property
    def conf(self) -> Any:
        return _Conf({"spark.master": "spark://stub:7077", "spark.app.name": "stub"})

    @property
    def sparkContext(self) -> Any:  # noqa: N802  # Spark's name
        return self._context

    def addArtifacts(self, *path: str, **kinds: bool) -> None:  # noqa: N802
        pass

    def getTags(self) -> set[str]:  # noqa: N802
        return set()

    def range(self, *bounds: Any, **more: Any) -> Any:
        return _Frame(self)

    def run_job(self, function: Callable[..., Any]) -> list[dict[str, str]]:
        """Wait for a slot, sleep for a job's length, and return the rows of its task."""
        with self._free:
            return self._run_job(function)

    def _run_job(self, function: Callable[..., Any]) -> list[dict[str, str]]:
        before = time.thread_time()
        cloudpickle.dumps(function)
        with self._lock:
            self.pickle_s += time.thread_time() - before
            seconds = float(self._rng.uniform(*self._bounds))
            self.running += 1
            self.most_running = max(self.running, self.most_running)
        started = time.time()
        time.sleep(seconds)
        with self._lock:
            self.running -= 1
            self.slept_s += seconds
        # The function itself would need an executor's TaskContext.
        task: TrialTask = getclosurevars(function).nonlocals["task"]
        order = json.loads(self._context.properties.order)
        result = TrialResult(
            trial=Trial(**order["trial"]),
            state=State.SUCCEEDED,
            value=seconds,
            metrics={},
            started=started,
            ended=time.time(),
            host="stub",
            logdir=task.logdir,
        )
        return [{"result": json.dumps(result.to_json())}]


class _Frame:
    def __init__(self, session: StubSession) -> None:
        self._session = session
        self._function: Callable[..., Any] | None = None

    def mapInArrow(  # noqa: N802
        self, func: Callable[..., Any], schema: str, profile: Any = None
    ) -> _Frame:
        self._function = func
        return self

    def collect(self) -> list[dict[str, str]]:
        assert self._function is not None
        return self._session.run_job(self._function)


class _Conf:
    def __init__(self, settings: dict[str, str]) -> None:
        self._settings = settings

    def get(self, key: str, default: str | None = None) -> str | None:
        return self._settings.get(key, default)


class _Context:
    """Stands for the Python and the Java context at once: each has few of these methods."""

    def __init__(self, slots: int) -> None:
        self._slots = slots
        self._jsc = self
        self.properties = threading.local()

    def sc(self) -> _Context:
        return self

    def isStopped(self) -> bool:  # noqa: N802
        return False

    def startTime(self) -> int:  # noqa: N802
        return int(time.time() * 1000)

    def maxNumConcurrentTasks(self, profile: object) -> int:  # noqa: N802
        return self._slots

    def resourceProfileManager(self) -> _Context:  # noqa: N802
        return self

    def defaultResourceProfile(self) -> None:  # noqa: N802
        return None

    def progressBar(self) -> _Context:  # noqa: N802
        return self

    def isDefined(self) -> bool:  # noqa: N802
        return False

    def setLocalProperty(self, key: str, value: str) -> None:  # noqa: N802
        self.properties.order = value

    def addJobTag(self, tag: str) -> None:  # noqa: N802
        pass

    def removeJobTag(self, tag: str) -> None:  # noqa: N802
        pass

    def setJobDescription(self, text: str) -> None:  # noqa: N802
        pass

    def cancelJobsWithTag(self, tag: str) -> None:  # noqa: N802
        pass
