"""The findings of doctor, and their output as lines or JSON."""

from __future__ import annotations

import enum
import json
from collections.abc import Iterable
from dataclasses import dataclass

__all__ = ["Finding", "Level", "line", "ok", "problem", "to_json", "warning"]

# The longest check's name is "executors' packages".
CHECK_WIDTH = 19


class Level(enum.Enum):
    """The severity of a finding."""

    OK = "ok"
    WARNING = "warning"
    PROBLEM = "problem"


@dataclass(frozen=True)
class Finding:
    """The outcome of one check.

    Parameters
    ----------
    check : str
        The name of the check, in a word or two.
    level : Level
        The severity. With a problem, a search or some of its trials would fail.
    found : str
        What was found; if it breaks a rule, the rule as well.
    way_out : str
        What to do about it; empty if there is nothing to do.
    """

    check: str
    level: Level
    found: str
    way_out: str = ""

    def __str__(self) -> str:
        return f"{self.found} {self.way_out}".strip()


def ok(check: str, found: str) -> Finding:
    """Return the finding of a check that passed."""
    return Finding(check, Level.OK, found)


def warning(check: str, found: str, way_out: str = "") -> Finding:
    """Return a finding of something that may be wrong."""
    return Finding(check, Level.WARNING, found, way_out)


def problem(check: str, found: str, way_out: str) -> Finding:
    """Return a finding of something that is wrong."""
    return Finding(check, Level.PROBLEM, found, way_out)


def line(finding: Finding) -> str:
    """Return a finding as a line; the lines of several findings form columns.

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
    """Return findings as JSON: an object with the list and the number of each level."""
    found = list(findings)
    entries = [
        {"check": f.check, "level": f.level.value, "found": f.found, "way_out": f.way_out}
        for f in found
    ]
    counts = {level.value: sum(f.level is level for f in found) for level in Level}
    return json.dumps({"findings": entries, "counts": counts}, indent=2)
