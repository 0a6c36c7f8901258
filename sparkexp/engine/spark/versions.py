"""What pyspark 3.5 to 4.3 do in different ways; no other module knows their differences.

Each function asks for the feature, never for a version: platforms bring features of newer
versions along.
"""

from __future__ import annotations

import filecmp
import inspect
import os
import sys
import zipfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from sparkexp.engine.spark.connect import is_connect
from sparkexp.errors import EnvironmentUnfitError, InvalidArgumentError

if TYPE_CHECKING:
    import pyarrow
    from pyspark.resource import ResourceProfile
    from pyspark.sql import DataFrame, SparkSession

__all__ = [
    "Collectable",
    "add_file",
    "add_python_files",
    "check_arrow",
    "check_connect",
    "inherit_properties",
    "map_in_arrow",
    "min_java",
]

# What pyspark 4 needs, where no jar tells.
USUAL_JAVA = 17
# A class file names a format, whose number is that of its Java and so many more.
FORMAT_OF_JAVA_0 = 44


class Collectable(Protocol):
    """Rows on the executors: a data frame, or an RDD."""

    def collect(self) -> list[Any]:
        """Run the job and return its rows."""
        ...


def map_in_arrow(
    frame: DataFrame,
    function: Callable[[Iterator[pyarrow.RecordBatch]], Iterator[pyarrow.RecordBatch]],
    schema: str,
    profile: ResourceProfile | None,
    barrier: bool = False,
) -> Collectable:
    """Return a frame's rows mapped by a function, in tasks with a resource profile.

    Parameters
    ----------
    frame : DataFrame
        Of a classic or Connect session.
    function : Callable
        Maps the batches of a partition.
    schema : str
        The columns of the result.
    profile : ResourceProfile, optional
        By default that of the session.
    barrier : bool
        Whether all tasks run at the same time, and reach each other by Spark's
        `BarrierTaskContext`.
    """
    mapped: Collectable
    if profile is None:
        mapped = frame.mapInArrow(function, schema, barrier)
    elif "profile" in inspect.signature(frame.mapInArrow).parameters:
        mapped = frame.mapInArrow(function, schema, barrier, profile)
    else:
        mapped = frame.mapInArrow(function, schema, barrier).rdd.withResources(profile)
    return mapped


def inherit_properties(spark: SparkSession, target: Callable[[], None]) -> Callable[[], None]:
    """Return a function that takes this thread's pool and tags along to another thread.

    Parameters
    ----------
    spark : SparkSession
        Classic or Connect.
    target : Callable
        What the other thread runs.
    """
    from pyspark.sql.utils import is_remote
    from pyspark.util import inheritable_thread_target

    if is_connect(spark) and not is_remote():
        return target  # there is a classic session, too, and pyspark would look at that one
    wrapped: Callable[[], None]
    if is_connect(spark) or _has_new_methods(spark):
        wrapped = inheritable_thread_target(spark)(target)
    else:
        wrapped = inheritable_thread_target(target)
    return wrapped


def add_python_files(spark: SparkSession, paths: Iterable[str]) -> None:
    """Send .py, .zip and .egg files to the executors, and put them on their search path.

    Parameters
    ----------
    spark : SparkSession
        Classic or Connect.
    paths : iterable of str
        Local files.

    Raises
    ------
    InvalidArgumentError
        If the session has another file of the same name.
    """
    if not is_connect(spark):
        paths = [path for path in paths if not _is_there(path)]  # else Spark would warn of it
    for path in paths:
        if is_connect(spark) or _has_new_methods(spark):
            spark.addArtifacts(path, pyfile=True)  # classic sessions of pyspark 4.0 take one
        else:
            spark.sparkContext.addPyFile(path)


def add_file(spark: SparkSession, path: str) -> None:
    """Send a file to the executors, which find it by ``SparkFiles.get``.

    Parameters
    ----------
    spark : SparkSession
        Classic or Connect.
    path : str
        A local file.

    Raises
    ------
    InvalidArgumentError
        If the session has another file of the same name.
    """
    if not is_connect(spark) and _is_there(path):
        return
    if is_connect(spark) or _has_new_methods(spark):
        spark.addArtifacts(path, file=True)
    else:
        spark.sparkContext.addFile(path)


def _is_there(path: str) -> bool:
    """Return whether a classic session has sent this file before."""
    from pyspark import SparkFiles

    try:
        there = Path(SparkFiles.getRootDirectory(), Path(path).name)
    except AssertionError:  # a session without a SparkContext of Python's
        return False
    if not there.exists():
        return False
    if not filecmp.cmp(path, there, shallow=False):
        raise InvalidArgumentError(
            f"A session keeps the first file of a name, and has another {there.name!r} than "
            f"{path!r} by now. Rename the file, or build a new session."
        )
    return True


def check_arrow() -> None:
    """Check that pyspark can use this Python's pyarrow.

    Raises
    ------
    EnvironmentUnfitError
        If pyarrow is missing, too old for pyspark, or too new for numpy.
    """
    from pyspark.sql.pandas.utils import require_minimum_pyarrow_version

    try:
        require_minimum_pyarrow_version()
    except ImportError as error:
        # pyspark says "it was not found" of one that can't be imported, too.
        reason = error.__cause__ or error
        raise EnvironmentUnfitError(
            f"Trials travel by pyarrow, and pyspark can't use that of {sys.executable}: {reason}. "
            "Install one that goes with pyspark and numpy (pyarrow 20 goes with numpy 1.26), or "
            "a newer numpy."
        ) from None


def check_connect(spark: SparkSession) -> None:
    """Check that a Connect session's client is one that sparkexp can use.

    Raises
    ------
    EnvironmentUnfitError
        If it is older than those of pyspark 4.0.
    """
    if is_connect(spark) and not hasattr(spark.client, "set_retry_policies"):
        import pyspark

        raise EnvironmentUnfitError(
            "Spark Connect needs pyspark 4.0 or newer on this side, and this is pyspark "
            f"{pyspark.__version__}. Use a classic session (a master instead of sc://…, or "
            "spark-submit), or install a newer pyspark here and on the server."
        )


def min_java() -> int:
    """Return the oldest Java that can read Spark's classes."""
    import pyspark

    home = Path(os.environ.get("SPARK_HOME") or Path(pyspark.__file__).parent)
    for jar in home.glob("jars/spark-core_*.jar"):
        with zipfile.ZipFile(jar) as archive:
            with archive.open("org/apache/spark/SparkContext.class") as file:
                return int.from_bytes(file.read(8)[6:], "big") - FORMAT_OF_JAVA_0
    return USUAL_JAVA


def _has_new_methods(spark: SparkSession) -> bool:
    """Return whether a classic session can do what once only those of Connect could.

    In pyspark 3.5 these methods (tags, artifacts) exist, and only raise an error.
    """
    try:
        spark.getTags()
    except RuntimeError:
        return False
    return True
