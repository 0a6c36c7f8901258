"""Reads what trials have reported, from the files that they leave for the driver."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable
from pathlib import Path

from sparkexp.runs import RunDirectory, RunPaths
from sparkexp.storage.filesystems import is_remote
from sparkexp.storage.regular_files import read_regular
from sparkexp.storage.remote_files import RemoteFiles
from sparkexp.tracking.base import Report
from sparkexp.trial import TrialResult

__all__ = ["MAX_POINTS", "read_all_reports", "read_reports"]

logger = logging.getLogger(__name__)

#: A trial's curve has no more points: when there are more, every other one is dropped.
MAX_POINTS = 512


def read_reports(path: Path) -> list[Report]:
    """Return what a trial has reported; an empty list if the file is missing or unreadable."""
    try:
        return [_parse_report(*entry) for entry in json.loads(read_regular(path))]
    except (OSError, ValueError, TypeError, OverflowError, RecursionError):
        return []


def read_all_reports(run: RunDirectory, result: TrialResult) -> list[Report]:
    """Return all that a trial has reported which ended, also where its curve was thinned.

    Parameters
    ----------
    run : RunDirectory
        Holds the curve.
    result : TrialResult
        The trial's result: its directory holds the rest, if there is more.
    """
    run.refresh_curve(result.trial.number)
    thinned = read_reports(run.paths.curve(result.trial.number))
    if len(thinned) < MAX_POINTS // 2 or not result.logdir:
        return thinned
    whole = _parse_lines(_read_lines(result.logdir))
    # The last ones may be in the curve alone, if the process was killed.
    last = whole[-1].time if whole else 0.0
    return [*whole, *(report for report in thinned if report.time > last)]


def _read_lines(directory: str) -> list[bytes]:
    path = RunPaths.reports(Path() if is_remote(directory) else Path(directory))
    try:
        if is_remote(directory):
            content = RemoteFiles(directory).read(path.name) or b""
        else:
            content = read_regular(path)
    except FileNotFoundError:
        return []
    except Exception as error:  # clients of storage have their own classes
        logger.warning("%s in %s could not be read: %s", path.name, directory, error)
        return []
    return content.splitlines()


def _parse_lines(lines: Iterable[bytes]) -> list[Report]:
    found = []
    for line in lines:
        try:
            found.append(_parse_report(*json.loads(line)))
        except (ValueError, TypeError, OverflowError, RecursionError):
            continue  # the last line, of a process that was killed
    return found


def _parse_report(step: object, value: object, metrics: object = None) -> Report:
    if metrics is None:  # version 0.1.0 kept the objective alone
        return Report(int(str(step)), 0.0, {"": float(str(value))})
    if not isinstance(metrics, dict):
        raise TypeError("metrics are an object")
    return Report(
        int(str(step)), float(str(value)), {str(k): float(v) for k, v in metrics.items()}
    )
