"""Builds a session for the demo and the command line, where the user gives none."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from sparkexp.engine.spark.versions import min_java
from sparkexp.errors import EnvironmentUnfitError

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

__all__ = ["build_session", "check_java", "error_text"]

MAX_CAUSES = 5


def build_session(
    app_name: str, master: str | None = None, settings: Mapping[str, str] | None = None
) -> SparkSession:
    """Return a session: on the given master, else that of spark-submit, else a local one.

    Parameters
    ----------
    app_name : str
        Shown in Spark's pages.
    master : str, optional
        Spark master, or ``sc://host:port`` of a Connect server; by default that of `settings`, of
        spark-submit, or ``local[2]``.
    settings : Mapping[str, str], optional
        Spark settings, as spark-submit takes them with ``--conf``.

    Raises
    ------
    EnvironmentUnfitError
        If Java is missing or too old.
    """
    settings = dict(settings or {})
    master = master or settings.pop("spark.master", None)
    if master and master.startswith("sc://"):
        return _connected(app_name, master, settings)
    check_java()
    from pyspark.sql import SparkSession

    if python := settings.get("spark.pyspark.python"):
        os.environ["PYSPARK_PYTHON"] = python  # as spark-submit does in the driver's process
    # Workers on this machine must run this Python, not the first one on the PATH.
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    builder = SparkSession.builder.appName(app_name)
    under_submit = "PYSPARK_GATEWAY_PORT" in os.environ
    if master or not under_submit:
        builder = builder.master(master or "local[2]")
    if not under_submit:
        # A web server is not needed, and Spark's progress bar would overwrite the search's.
        builder = builder.config("spark.ui.enabled", "false")
        builder = builder.config("spark.ui.showConsoleProgress", "false")
    for key, value in settings.items():
        builder = builder.config(key, value)
    spark: SparkSession = builder.getOrCreate()
    return spark


def _connected(app_name: str, url: str, settings: Mapping[str, str]) -> SparkSession:
    from pyspark.sql.connect.session import SparkSession as RemoteSession

    builder = RemoteSession.builder.appName(app_name).remote(url)
    for key, value in settings.items():
        builder = builder.config(key, value)
    spark: SparkSession = builder.getOrCreate()
    return spark


def error_text(error: Exception) -> str:
    """Return the text of a Spark error with Java's causes, which name the host.

    Parameters
    ----------
    error : Exception
        The error of a session or a job.
    """
    parts = [str(error)]
    cause = getattr(error, "_origin", None) or getattr(error, "java_exception", None)
    for _ in range(MAX_CAUSES):
        if cause is None:
            break
        parts.append(str(cause.toString()))
        cause = cause.getCause()
    return "\n".join(parts)


def check_java() -> str:
    """Check that there is a Java for Spark, and return its version and path.

    Raises
    ------
    EnvironmentUnfitError
        If Java is missing or too old.
    """
    home = os.environ.get("JAVA_HOME")
    java = str(Path(home, "bin", "java")) if home else shutil.which("java")
    oldest = min_java()
    need = f"Spark needs Java {oldest} or newer (for example Debian's openjdk-17-jre-headless)"
    if java is None:
        raise EnvironmentUnfitError(f"{need}, and there is no java on the PATH. Install it.")
    try:
        done = subprocess.run([java, "-version"], capture_output=True, text=True, timeout=60)
    except (OSError, subprocess.SubprocessError) as error:
        where = f"JAVA_HOME={home}" if home else java
        raise EnvironmentUnfitError(
            f"{need}, and {where} can't be run: {error}. Install it, or correct JAVA_HOME."
        ) from None
    match = re.search(r'version "((?:1\.)?(\d+)[^"]*)', done.stderr + done.stdout)
    if match is None or int(match[2]) < oldest:
        found = match[2] if match else (done.stderr or done.stdout).strip()
        raise EnvironmentUnfitError(
            f"{need}, and {java} is {'Java ' if match else ''}{found}. Install a newer one, or "
            "let JAVA_HOME name it."
        )
    return f"{match[1]} ({java})"
