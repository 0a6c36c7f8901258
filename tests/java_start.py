"""Java that starts in half the time: the tests start Spark some eighty times.

A Java process spends its first seconds on reading and checking Spark's classes, and on compiling
code for a long life that it won't have. An archive of the loaded classes saves the first, and
compiling lightly the second. Nothing else is different.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyspark

# No archive is used where the class path is another one, as that of Spark's launcher: no warning.
OPTIONS = (
    "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC -XX:-UsePerfData "
    "-Xlog:disable -Xlog:all=error:stderr"
)
TIMEOUT_S = 240

_LOAD_CLASSES = """
from pyspark.sql import SparkSession
spark = SparkSession.builder.master("local[2]").config("spark.ui.enabled", "false").getOrCreate()
spark.range(0, 1, 1, 1).mapInArrow(lambda batches: batches, "id long").collect()
spark.sparkContext.parallelize([1], 1).map(str).collect()
gateway = spark.sparkContext._gateway
spark.stop()
gateway.shutdown()
gateway.proc.stdin.close()
gateway.proc.wait()  # the archive is written at its end
"""


def java_options(cache: Path) -> str:
    """Return the options, with an archive that is made unless it is there.

    Parameters
    ----------
    cache : Path
        Directory for the archive, of about 160 MB.
    """
    found = subprocess.run(["java", "-version"], capture_output=True, text=True, check=False)
    key = hashlib.sha256(f"{found.stderr} {pyspark.__version__} {pyspark.__file__}".encode())
    archive = cache / f"spark-{key.hexdigest()[:12]}.jsa"
    with _alone(archive.with_suffix(".lock")):
        there = archive.exists() or _made(archive)
    return f"{OPTIONS} -XX:SharedArchiveFile={archive}" if there else OPTIONS


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Hold a lock: of test processes side by side one makes the archive, for all."""
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _made(archive: Path) -> bool:
    new = archive.with_suffix(f".{os.getpid()}")
    environment = {
        **os.environ,
        "JDK_JAVA_OPTIONS": f"{OPTIONS} -XX:ArchiveClassesAtExit={new}",
        "PYSPARK_PYTHON": sys.executable,
    }
    try:
        subprocess.run(
            [sys.executable, "-c", _LOAD_CLASSES],
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=TIMEOUT_S,
            check=True,
        )
        new.replace(archive)
    except (OSError, subprocess.SubprocessError):
        return False  # the tests run without, too
    return True
