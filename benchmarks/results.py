"""The search benchmark's results: one line of JSON per search, added as they come."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

__all__ = ["Key", "Record", "Results", "append", "read"]

Results = dict[tuple["Key", int], "Record"]


@dataclass(frozen=True)
class Key:
    """What a search's outcome depends on, but its budget.

    Parameters
    ----------
    system, digest : str
        A name of `samplers`, and what changes with its source or version.
    problem, table : str
        A name of `problems`, and what changes with its values.
    seed, slots : int
        Of the search; trials in flight.
    """

    system: str
    digest: str
    problem: str
    table: str
    seed: int
    slots: int


@dataclass(frozen=True)
class Record:
    """What a search found.

    Parameters
    ----------
    key : Key
        Which search it was.
    bests, makespans : Mapping[int, float]
        By budget: the best value, and the time in mean lengths of a trial.
    seconds : float
        Of the processor, for the whole search.
    """

    key: Key
    bests: Mapping[int, float]
    makespans: Mapping[int, float]
    seconds: float


def append(record: Record, folder: Path) -> None:
    """Add a record; several processes may do so."""
    folder.mkdir(parents=True, exist_ok=True)
    line = json.dumps(asdict(record)) + "\n"
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
    file = os.open(folder / f"{record.key.system}.jsonl", flags, 0o644)
    try:
        os.write(file, line.encode())
    finally:
        os.close(file)


def read(folder: Path, digests: Mapping[str, str], tables: Mapping[str, str]) -> Results:
    """Return the results that still count, by key and budget.

    Parameters
    ----------
    folder : Path
        Where `append` put them.
    digests, tables : Mapping[str, str]
        Of the systems and problems as they are now; others don't count.
    """
    found: Results = {}
    for system, digest in digests.items():
        for record in _records(folder / f"{system}.jsonl"):
            key = record.key
            if key.digest == digest and tables.get(key.problem) == key.table:
                found.update({(key, budget): record for budget in record.bests})
    return found


def _records(file: Path) -> Iterator[Record]:
    if not file.exists():
        return
    for line in file.read_text().splitlines():
        try:
            content = json.loads(line)
            numbers = {
                name: {int(budget): value for budget, value in content[name].items()}
                for name in ("bests", "makespans")
            }
            yield Record(Key(**content["key"]), **numbers, seconds=content["seconds"])
        except (ValueError, KeyError, TypeError):
            continue  # a line that was cut off when its process was killed
