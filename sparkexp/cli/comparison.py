"""Several runs side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sparkexp.results.result import Result
from sparkexp.runs import RunDirectory
from sparkexp.trial import State, TrialResult

__all__ = ["Row", "differences", "row_of"]


@dataclass(frozen=True)
class Row:
    """A run in a table of several.

    Parameters
    ----------
    name, searcher : str
        Of the run.
    n_trials, n_failed : int
        Trials that ended, and those of them that failed.
    best : float, optional
        The best objective.
    params : dict
        Its parameters.
    trained_s : float
        Seconds of all trials together.
    took_s : float
        Seconds from the first trial's start to the last one's end.
    until_best : int, optional
        How many trials had ended when the best one did.
    """

    name: str
    searcher: str
    n_trials: int
    n_failed: int
    best: float | None
    params: dict[str, int | float | str | bool]
    trained_s: float
    took_s: float
    until_best: int | None


def row_of(run: RunDirectory) -> Row:
    """Return what is compared of a run."""
    result = Result.of_run(run)
    found = result.front[0] if result.front and len(result.objectives) < 2 else None
    started = [r.started for r in result.trials if r.started]
    ended = [r.ended for r in result.trials if r.started]
    return Row(
        result.name,
        str(run.settings.get("searcher", "")),
        sum(r.state is not State.CANCELLED for r in result.trials),
        sum(r.state is State.FAILED for r in result.trials),
        None if found is None else found.value,
        {} if found is None else found.params,
        sum(r.seconds for r in result.trials),
        max(ended) - min(started) if started else 0.0,
        None if found is None else _until(result.trials, found.id),
    )


def _until(trials: Sequence[TrialResult], best: str) -> int:
    end = next(r.ended for r in trials if r.trial.id == best)
    return sum(0 < r.ended <= end for r in trials)


def differences(runs: Sequence[RunDirectory]) -> list[str]:
    """Return why the objectives of the runs can't be compared; nothing if they can.

    Parameters
    ----------
    runs : sequence of RunDirectory
        The runs.
    """
    metrics = [run.settings.get("options", {}).get("metric") for run in runs]
    directions = [run.settings.get("directions") or [run.settings["direction"]] for run in runs]
    notes = []
    if any(metric != metrics[0] for metric in metrics):
        named = ", ".join(_named(metric) for metric in metrics)
        notes.append(f"the runs have different metrics ({named}): don't compare their objectives")
    if any(direction != directions[0] for direction in directions):
        named = ", ".join("/".join(direction) for direction in directions)
        notes.append(f"the runs have different directions ({named}): no best one of them")
    if any(len(direction) > 1 for direction in directions):
        notes.append("a run with several objectives has a front, and no best trial")
    return notes


def _named(metric: str | Sequence[str] | None) -> str:
    if metric is None:
        return "none named"
    return metric if isinstance(metric, str) else " and ".join(metric)
