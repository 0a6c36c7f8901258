"""Starts the systems' drivers, each in the Python that has its packages."""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from environments import REQUIREMENTS, InstallError, python_of

__all__ = ["SYSTEMS", "DriverError", "System", "run_driver", "usable_python"]

logger = logging.getLogger(__name__)

BENCHMARKS = Path(__file__).resolve().parent
LAST_LINES = 2
# For a driver that is over its time to stop its session.
GRACE_S = 20.0
# The same for all: a trial has one core, and systems differ in whether they say so themselves.
ENVIRONMENT = {
    "OMP_NUM_THREADS": "1",
    "TF_NUM_INTRAOP_THREADS": "1",
    "TF_NUM_INTEROP_THREADS": "1",
    "TF_CPP_MIN_LOG_LEVEL": "2",
    "CUDA_VISIBLE_DEVICES": "",
}


@dataclass(frozen=True)
class System:
    """A system, or one way of using it.

    Parameters
    ----------
    label : str
        As the tables show it.
    driver : str
        The script below ``systems/``.
    variant : str
        What the script is told.
    environment : str, optional
        A name in `environments.REQUIREMENTS`; by default the Python that runs the benchmark.
    """

    label: str
    driver: str
    variant: str = ""
    environment: str | None = None


SYSTEMS = {
    "sparkexp": System("sparkexp", "run_sparkexp.py"),
    "one-job-rdd": System("raw Spark, one job (RDD)", "run_raw_spark.py", "one-rdd"),
    "one-job-arrow": System("raw Spark, one job (mapInArrow)", "run_raw_spark.py", "one-arrow"),
    "job-per-trial-rdd": System("raw Spark, job per trial (RDD)", "run_raw_spark.py", "each-rdd"),
    "job-per-trial-arrow": System(
        "raw Spark, job per trial (mapInArrow)", "run_raw_spark.py", "each-arrow"
    ),
    "warm-processes": System("a warm process per core, no Spark", "run_warm_processes.py"),
    "hyperopt": System("Hyperopt SparkTrials", "run_hyperopt.py", environment="hyperopt"),
    "joblib-spark": System("joblib-spark", "run_joblib_spark.py", environment="joblib-spark"),
    "ray-tune": System("Ray Tune", "run_ray_tune.py", environment="ray-tune"),
    "ray-tune-reuse": System(
        "Ray Tune, actors reused", "run_ray_tune.py", "reuse", environment="ray-tune"
    ),
}


class DriverError(Exception):
    """A system did not finish its workloads."""


def usable_python(system: System, order: Mapping[str, Any], cache: Path) -> Path:
    """Return the interpreter in which a system runs, after it answered a small order.

    Raises
    ------
    DriverError, InstallError
        If it doesn't run, with any of the versions known for it.
    """
    if system.environment is None:
        return Path(sys.executable)
    problem: Exception = InstallError("no versions are known")
    for requirements in REQUIREMENTS[system.environment]:
        try:
            python = python_of(system.environment, requirements, cache)
            run_driver(system, python, order, timeout_s=300)
            return python
        except (DriverError, InstallError) as error:
            logger.warning("%s with %s: %s", system.label, requirements[0], error)
            problem = error
    raise problem


def run_driver(
    system: System, python: Path, order: Mapping[str, Any], timeout_s: float
) -> dict[str, Any]:
    """Run a system's driver to its end and return its answer.

    Raises
    ------
    DriverError
        If it fails or takes longer than `timeout_s` seconds.
    """
    # A short path: Ray's sockets lie below it.
    with tempfile.TemporaryDirectory(prefix="bench-", ignore_cleanup_errors=True) as scratch:
        with Path(scratch, "stderr").open("w+", errors="replace") as log:
            process = subprocess.Popen(
                [
                    str(python),
                    str(BENCHMARKS / "systems" / system.driver),
                    json.dumps({**order, "variant": system.variant, "scratch": scratch}),
                ],
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                cwd=scratch,
                env=_environment(system),
                start_new_session=True,
            )
            try:
                answer, _ = process.communicate(timeout=timeout_s)
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGINT)  # it stops what it started elsewhere
                raise DriverError(f"not done after {timeout_s:g} s") from None
            finally:
                _end(process)
            if process.returncode:
                log.seek(0)
                raise DriverError(_reason(log.read(), process.returncode))
    found: dict[str, Any] = json.loads(answer.splitlines()[-1])
    return found


def _environment(system: System) -> dict[str, str]:
    path = [str(BENCHMARKS / "systems")]
    if system.environment is None:
        path = [*filter(None, [os.environ.get("PYTHONPATH")]), str(BENCHMARKS.parent), *path]
    return {**os.environ, **ENVIRONMENT, "PYTHONPATH": os.pathsep.join(path)}


def _end(process: subprocess.Popen[str]) -> None:
    """End a driver and what it left behind, such as the Java process of one that was killed."""
    try:
        process.wait(GRACE_S)
    except subprocess.TimeoutExpired:
        pass
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    process.wait()


def _reason(text: str, status: int) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    telling = [line for line in lines if "Error" in line or "Exception" in line] or lines
    return " ".join(telling[-LAST_LINES:])[:400] or f"exit status {status}"
