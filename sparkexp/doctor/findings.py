"""What was found: a line each, or JSON."""

from __future__ import annotations

import enum
import json
from collections.abc import Iterable
from dataclasses import dataclass

__all__ = ["Finding", "Level", "line", "ok", "problem", "to_json", "warning"]

# The longest check's name is "executors' packages".
CHECK_WIDTH = 19


class Level(enum.Enum):
    """How bad it is."""

    OK = "ok"
    WARNING = "warning"
    PROBLEM = "problem"


@dataclass(frozen=True)
class Finding:
    """The outcome of one check.

    Parameters
    ----------
    check : str
        What was looked at, in a word or two.
    level : Level
        How bad it is: searches fail, or fail in part, with a problem.
    found : str
        The rule, where it is broken, and what was found.
    way_out : str
        What to do; empty where there is nothing to be done.
    """

    check: str
    level: Level
    found: str
    way_out: str = ""

    def __str__(self) -> str:
        return f"{self.found} {self.way_out}".strip()


def ok(check: str, found: str) -> Finding:
    """Return that a check found nothing wrong."""
    return Finding(check, Level.OK, found)


def warning(check: str, found: str, way_out: str = "") -> Finding:
    """Return what may be wrong."""
    return Finding(check, Level.WARNING, found, way_out)


def problem(check: str, found: str, way_out: str) -> Finding:
    """Return what is wrong."""
    return Finding(check, Level.PROBLEM, found, way_out)


def line(finding: Finding) -> str:
    """Return a finding as a line; those of one examination stand in columns.

    Examples
    --------
    >>> print(line(ok('java', 'Java 17')), line(problem('gpus', 'There is none.', 'Add one.')),
    ...       sep='\\n')
    ok       java                 Java 17
    problem  gpus                 There is none. Add one.
    """
    found = " ".join(str(finding).split())
    return f"{finding.level.value:7}  {finding.check:{CHECK_WIDTH}}  {found}"


def to_json(findings: Iterable[Finding]) -> str:
    """Return the findings as JSON: an object with a list, and how many there are of each level."""
    known = list(findings)
    listed = [
        {"check": f.check, "level": f.level.value, "found": f.found, "way_out": f.way_out}
        for f in known
    ]
    counts = {level.value: sum(f.level is level for f in known) for level in Level}
    return json.dumps({"findings": listed, "counts": counts}, indent=2)
