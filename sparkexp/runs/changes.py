"""When something in a log directory last changed that TensorBoard shows."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from sparkexp.runs.paths import RunPaths

__all__ = ["last_change"]


def last_change(logdir: str | os.PathLike[str]) -> float:
    """Return when a run last changed: a trial began, wrote a point of a curve, or ended.

    Only the driver's files and the trials that run are looked at, so that it costs milliseconds
    for thousands of trials.

    Parameters
    ----------
    logdir : str or path
        A run, the driver's event files in it, or a directory with several runs.

    Returns
    -------
    float
        Unix time in seconds; 0 where there is nothing.

    Examples
    --------
    >>> last_change('/nowhere')
    0.0
    """
    root = Path(logdir)
    runs = [path for path in (root, root.parent) if RunPaths(path).experiment.is_file()][:1]
    runs = runs or [path.parent for path in root.glob(f"*/{RunPaths(root).experiment.name}")]
    return max((time for run in runs for time in _times(RunPaths(run))), default=0.0)


def _times(paths: RunPaths) -> Iterator[float]:
    yield _time(paths.records)
    for evolution in (True, False):
        yield from _events(paths.search(evolution))
    ended = {Path(name).stem for name in _names(paths.records)}
    for group in _names(paths.root):
        for name in _names(paths.root / group):
            if name.startswith("trial-") and name not in ended and group != paths.records.name:
                yield _time(paths.root / group / name)
                yield from _events(paths.root / group / name)


def _events(directory: Path) -> Iterator[float]:
    return map(_time, directory.rglob("events.out.tfevents.*"))


def _names(directory: Path) -> list[str]:
    try:
        return os.listdir(directory)
    except OSError:  # no directory, or gone meanwhile
        return []


def _time(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0
