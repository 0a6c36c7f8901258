"""Runs a driver script in a process of its own, as users do."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Any

# Builds the session that the test asks for, before the script's own lines.
_PREAMBLE = """
import json, os, sys
from pyspark.sql import SparkSession
from sparkexp import experiment

def answer(value):
    with open(os.environ["TEST_ANSWER"], "w") as file:
        json.dump(value, file)

builder = SparkSession.builder
for key, value in json.loads(os.environ["TEST_CONF"]).items():
    builder = builder.config(key, value)
spark = builder.getOrCreate()
if "connect" not in type(spark).__module__:
    spark.sparkContext.setLogLevel("ERROR")
logdir = os.environ["TEST_LOGDIR"]
"""


def start_driver(
    folder: Path,
    script: str,
    conf: Mapping[str, str],
    environment: Mapping[str, str | None] | None = None,
) -> subprocess.Popen[str]:
    """Start a script with a session ``spark`` and a fresh ``logdir`` in scope.

    Parameters
    ----------
    folder : Path
        Takes the script, its output and its log directory ``run``.
    script : str
        Python source; ``answer(value)`` hands a JSON value to the test.
    conf : Mapping[str, str]
        Spark settings.
    environment : Mapping[str, str], optional
        Further environment variables; None unsets one.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "driver.py"
    path.write_text(_PREAMBLE + textwrap.dedent(script))
    variables = {
        **os.environ,
        "PYSPARK_PYTHON": sys.executable,
        "TEST_CONF": json.dumps(dict(conf)),
        "TEST_ANSWER": str(folder / "answer.json"),
        "TEST_LOGDIR": str(folder / "run"),
        **(environment or {}),
    }
    variables = {name: value for name, value in variables.items() if value is not None}
    with (folder / "driver.log").open("a") as log:
        return subprocess.Popen(
            [sys.executable, str(path)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=variables,
            cwd=folder,
            text=True,
            start_new_session=True,
        )


def run_driver(
    folder: Path,
    script: str,
    conf: Mapping[str, str],
    environment: Mapping[str, str | None] | None = None,
    timeout_s: float = 180.0,
) -> Any:
    """Run a script to its end and return its answer."""
    driver = start_driver(folder, script, conf, environment)
    try:
        status = driver.wait(timeout_s)
    finally:
        driver.kill()
        driver.wait()
    log = (folder / "driver.log").read_text()
    assert status == 0, f"the driver ended with status {status}:\n{log[-6000:]}"
    return json.loads((folder / "answer.json").read_text())
