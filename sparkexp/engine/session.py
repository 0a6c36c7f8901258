"""Builds a session where the user has none: for the demo and the command line."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from sparkexp.errors import EnvironmentUnfitError

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

__all__ = ["build_session", "check_java"]

# What pyspark 4 runs on.
MIN_JAVA = 17


def build_session(app_name: str, master: str | None = None) -> SparkSession:
    """Return a session: that of spark-submit, or one on the master given, or a local one.

    Parameters
    ----------
    app_name : str
        Shown in Spark's pages.
    master : str, optional
        Spark master; by default that of spark-submit, or ``local[2]``.

    Raises
    ------
    EnvironmentUnfitError
        If Java is missing or too old.
    """
    check_java()
    from pyspark.sql import SparkSession

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
    spark: SparkSession = builder.getOrCreate()
    return spark


def check_java() -> None:
    """Find out whether Spark can start here.

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
    match = re.search(r'version "(?:1\.)?(\d+)', done.stderr + done.stdout)
    if match is None or int(match[1]) < MIN_JAVA:
        found = match[1] if match else (done.stderr or done.stdout).strip()
        raise EnvironmentUnfitError(
            f"{need}, and {java} is {'Java ' if match else ''}{found}. Install a newer one, or "
            "let JAVA_HOME name it."
        )
