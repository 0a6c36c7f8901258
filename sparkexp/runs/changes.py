"""Finds out when anything that TensorBoard shows last changed in a log directory."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from sparkexp.runs.paths import RunPaths

__all__ = ["last_change"]


def last_change(logdir: str | os.PathLike[str]) -> float:
    """Return when a run last changed: a trial began, wrote a point of a curve, or ended.

    Only the files of the driver and of running trials are looked at, so it takes milliseconds for
    thousands of trials.

    Parameters
    ----------
    logdir : str or path
        A run, the directory of the driver's event files in it, or a directory with several runs.

    Returns
    -------
    float
        Unix time in seconds; 0 if there are no such files.

    Examples
    --------
    >>> last_change('/nowhere')
    0.0
    """
    root = Path(logdir)
    runs = [path for path in (root, root.parent) if RunPaths(path).experiment.is_file()][:1]
    runs = runs or [path.parent for path in root.glob(f"*/{RunPaths(root).experiment.name}")]
    return max((time for run in runs for time in _change_times(RunPaths(run))), default=0.0)


def _change_times(paths: RunPaths) -> Iterator[float]:
    yield _modification_time(paths.records)
    for evolution in (True, False):
        yield from _event_file_times(paths.search(evolution))
    ended = {Path(name).stem for name in _list_names(paths.records)}
    for group in _list_names(paths.root):
        for name in _list_names(paths.root / group):
            if name.startswith("trial-") and name not in ended and group != paths.records.name:
                yield _modification_time(paths.root / group / name)
                yield from _event_file_times(paths.root / group / name)


def _event_file_times(directory: Path) -> Iterator[float]:
    return map(_modification_time, directory.rglob("events.out.tfevents.*"))


def _list_names(directory: Path) -> list[str]:
    try:
        return os.listdir(directory)
    except OSError:  # not a directory, or removed by now
        return []


def _modification_time(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0
