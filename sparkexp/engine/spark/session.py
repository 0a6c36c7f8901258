"""Builds a session where the user has none: for the demo and the command line."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from sparkexp.errors import EnvironmentUnfitError

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

__all__ = ["MIN_JAVA", "build_session", "check_java", "error_text"]

# What pyspark 4 runs on.
MIN_JAVA = 17
MAX_CAUSES = 5


def build_session(
    app_name: str, master: str | None = None, settings: Mapping[str, str] | None = None
) -> SparkSession:
    """Return a session: that of spark-submit, or one on the master given, or a local one.

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
        os.environ["PYSPARK_PYTHON"] = python  # spark-submit would, for the driver's process
    # Workers on this machine need this Python and no other that is first on the PATH.
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    builder = SparkSession.builder.appName(app_name)
    under_submit = "PYSPARK_GATEWAY_PORT" in os.environ
    if master or not under_submit:
        builder = builder.master(master or "local[2]")
    if not under_submit:
        # Nobody asked for a web server, and Spark's progress would overwrite ours.
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
    """Return all that Spark says of an error: Java's causes name the host, Python's text does not.

    Parameters
    ----------
    error : Exception
        What a session or a job raised.
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
    """Find out whether Spark can start here, and return the version of Java.

    Raises
    ------
    EnvironmentUnfitError
        If there is no Java, or one that is too old.
    """
    home = os.environ.get("JAVA_HOME")
    java = str(Path(home, "bin", "java")) if home else shutil.which("java")
    need = f"Spark needs Java {MIN_JAVA} or newer (for example Debian's openjdk-17-jre-headless)"
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
    if match is None or int(match[2]) < MIN_JAVA:
        found = match[2] if match else (done.stderr or done.stdout).strip()
        raise EnvironmentUnfitError(
            f"{need}, and {java} is {'Java ' if match else ''}{found}. Install a newer one, or "
            "let JAVA_HOME name it."
        )
    return f"{match[1]} ({java})"
