"""Opens the runs in a log directory, and returns a run as plain data for JSON."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from sparkexp.results.best_trial import BestTrial
from sparkexp.results.result import Result
from sparkexp.runs import RunDirectory, RunPaths, open_run
from sparkexp.storage.filesystems import is_remote, local_path
from sparkexp.trial import TrialResult

__all__ = ["RECORD_FORMAT", "open_runs", "run_record"]

# Increased when a name is removed or changes its meaning; new names may be added without it.
RECORD_FORMAT = 1


def open_runs(logdir: str) -> list[RunDirectory]:
    """Return the run in a log directory, or the runs in its subdirectories.

    Raises
    ------
    RunDirectoryError
        If there is no run, or one is damaged.
    """
    if is_remote(logdir) or RunPaths(local_path(logdir)).experiment.is_file():
        return [open_run(logdir)]
    folders = sorted(local_path(logdir).glob("*/"))
    below = [path for path in folders if RunPaths(path).experiment.is_file()]
    return [open_run(path) for path in below] or [open_run(logdir)]


def run_record(run: RunDirectory) -> dict[str, Any]:
    """Return a run with all its trials as a dict that `json` can write.

    Parameters
    ----------
    run : RunDirectory
        The run.
    """
    result = Result.of_run(run)
    several = len(result.objectives) > 1
    front = result.front
    best = None if several or not front else front[0]
    return {
        "format": RECORD_FORMAT,
        "name": result.name,
        "logdir": result.logdir,
        "searcher": run.settings.get("searcher"),
        "metric": run.settings.get("options", {}).get("metric"),
        "direction": list(result.directions) if several else result.direction,
        "n_trials": len(result),
        "states": dict(sorted(Counter(str(r.state) for r in result.trials).items())),
        "best": None if best is None else _best(best),
        "front": [_best(trial) for trial in front] if several else None,
        "trials": _trials(result.trials),
    }


def _best(trial: BestTrial) -> dict[str, Any]:
    return {
        "id": trial.id,
        "params": trial.params,
        "value": trial.value,
        "values": list(trial.values),
        "metrics": trial.metrics,
        "n_runs": trial.n_runs,
        "spread": trial.spread,
        "logdir": trial.logdir,
    }


def _trials(trials: Sequence[TrialResult]) -> list[dict[str, Any]]:
    return [
        {
            "id": r.trial.id,
            "number": r.trial.number,
            "generation": r.trial.generation,
            "parent": r.trial.parent,
            "repetition": r.trial.repetition,
            "params": dict(r.trial.params),
            "extra": dict(r.trial.extra),
            "status": str(r.state),
            "value": r.value,
            "values": list(r.values),
            "metrics": dict(r.metrics),
            "seconds": round(r.seconds, 3),
            "host": r.host,
            "gpu": r.gpu,
            "logdir": r.logdir,
            "error": r.error,
            "reused_from": r.reused_from,
        }
        for r in trials
    ]
