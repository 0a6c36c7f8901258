"""Checks the driver, before a session is started."""

from __future__ import annotations

import platform
import sys
from collections.abc import Iterator

from sparkexp.doctor.findings import Finding, ok, problem
from sparkexp.engine.spark.inspection import package_version
from sparkexp.engine.spark.session import check_java
from sparkexp.engine.spark.versions import check_arrow
from sparkexp.errors import EnvironmentUnfitError

__all__ = ["driver_findings", "java_finding"]


def java_finding() -> Finding:
    """Check that there is a Java in which Spark can start."""
    try:
        return ok("java", f"Java {check_java()}")
    except EnvironmentUnfitError as error:
        return problem("java", str(error), "")


def driver_findings(packages: tuple[str, ...]) -> Iterator[Finding]:
    """Check the driver's Python and its packages.

    Parameters
    ----------
    packages : tuple of str
        Names of the packages that searches need.
    """
    yield ok("driver's python", f"Python {platform.python_version()} at {sys.executable}")
    found = {name: package_version(name) for name in packages}
    for name, version in found.items():
        if version is None:
            yield problem(
                "driver's packages",
                f"A search needs {name}, and it is not installed in this Python.",
                f"Run: {sys.executable} -m pip install {name}",
            )
    if found.get("pyspark") is not None and found.get("pyarrow") is not None:
        try:
            check_arrow()
        except EnvironmentUnfitError as error:
            yield problem("driver's packages", str(error), "")
    there = [f"{name} {version}".strip() for name, version in found.items() if version is not None]
    yield ok("driver's packages", ", ".join(there))
