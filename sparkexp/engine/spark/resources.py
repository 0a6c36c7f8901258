"""The resources of a trial: cores, GPUs, threads."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sparkexp.engine.gang import Gang
from sparkexp.engine.spark.slots import is_local, setting
from sparkexp.errors import EnvironmentUnfitError

if TYPE_CHECKING:
    from pyspark.resource import ResourceProfile
    from pyspark.sql import SparkSession

__all__ = ["Resources", "resource_profile"]


@dataclass(frozen=True)
class Resources:
    """The resources that the user asked for; None means that the session's settings decide.

    Parameters
    ----------
    parallelism : int, optional
        Trials at the same time.
    cpus : int, optional
        Cores of a trial.
    gpus : float, optional
        GPUs of a trial; 0.5 is half of one.
    limit_threads : bool
        Whether numeric libraries get as many threads as the trial has cores.
    gang : Gang, optional
        The workers of a trial, each with these resources; by default one alone.
    """

    parallelism: int | None = None
    cpus: int | None = None
    gpus: float | None = None
    limit_threads: bool = True
    gang: Gang | None = None

    def threads(self, spark: SparkSession) -> int:
        """Return the number of threads of a trial; 0 leaves it to the libraries."""
        cores = setting(spark, "spark.task.cpus") or "1"
        own = setting(spark, "spark.executorEnv.OMP_NUM_THREADS") or cores
        if own != cores and own.isdecimal():
            return int(own)  # without it, Spark sets the variable to its number of cores
        return (self.cpus or int(cores)) if self.limit_threads else 0


def resource_profile(spark: SparkSession, resources: Resources) -> ResourceProfile | None:
    """Return the resource profile of a trial's task; None if the session's settings are enough.

    Parameters
    ----------
    spark : SparkSession
        Classic or Connect.
    resources : Resources
        The resources that the user asked for.

    Raises
    ------
    EnvironmentUnfitError
        If the session's master doesn't support resource profiles.
    """
    if (resources.cpus is None and resources.gpus is None) or is_local(spark):
        return None  # on one machine the driver counts cores and assigns GPUs itself
    master = setting(spark, "spark.master") or ""
    if master.startswith("local-cluster"):
        raise EnvironmentUnfitError(
            "cpus_per_trial and gpus_per_trial need a standalone, YARN or Kubernetes master, got "
            f"{master!r}. Set spark.task.cpus or spark.task.resource.gpu.amount instead."
        )
    from pyspark.resource import ResourceProfileBuilder, TaskResourceRequests

    requests = TaskResourceRequests()
    requests.cpus(resources.cpus or int(setting(spark, "spark.task.cpus") or 1))
    gpus = resources.gpus or float(setting(spark, "spark.task.resource.gpu.amount") or 0)
    if gpus:
        requests.resource("gpu", gpus)
    return ResourceProfileBuilder().require(requests).build
