"""Compares runs: a row for each, and the reasons why they can't be compared."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePath

from sparkexp.results.result import Result
from sparkexp.runs import RunDirectory
from sparkexp.trial import State, TrialResult

__all__ = ["Row", "find_differences", "make_row"]


@dataclass(frozen=True)
class Row:
    """A run in a table of runs.

    Parameters
    ----------
    name, searcher : str
        The names of the run's directory and of its searcher.
    n_trials, n_failed : int
        The number of ended trials, and how many of them failed.
    best : float, optional
        The best value of the objective.
    params : dict
        The parameters of the best trial.
    trained_s : float
        The seconds of all trials, added up.
    took_s : float
        The seconds from the start of the first trial to the end of the last one.
    until_best : int, optional
        How many trials had ended when the best one ended, itself included.
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


def make_row(run: RunDirectory) -> Row:
    """Return a run's row."""
    result = Result.of_run(run)
    found = result.front[0] if result.front and len(result.objectives) < 2 else None
    started = [r.started for r in result.trials if r.started]
    ended = [r.ended for r in result.trials if r.started]
    return Row(
        name=PurePath(run.location).name,
        searcher=str(run.settings.get("searcher", "")),
        n_trials=sum(r.state is not State.CANCELLED for r in result.trials),
        n_failed=sum(r.state is State.FAILED for r in result.trials),
        best=None if found is None else found.value,
        params={} if found is None else found.params,
        trained_s=sum(r.seconds for r in result.trials),
        took_s=max(ended) - min(started) if started else 0.0,
        until_best=None if found is None else _count_until(result.trials, found.id),
    )


def _count_until(trials: Sequence[TrialResult], best: str) -> int:
    end = next(r.ended for r in trials if r.trial.id == best)
    return sum(0 < r.ended <= end for r in trials)


def find_differences(runs: Sequence[RunDirectory]) -> list[str]:
    """Return the reasons why the runs' objectives can't be compared; none if they can.

    Parameters
    ----------
    runs : sequence of RunDirectory
        The runs.
    """
    metrics = [run.settings.get("options", {}).get("metric") for run in runs]
    directions = [run.settings.get("directions") or [run.settings["direction"]] for run in runs]
    notes = []
    if any(metric != metrics[0] for metric in metrics):
        named = ", ".join(_metric_text(metric) for metric in metrics)
        notes.append(f"the runs have different metrics ({named}): don't compare their objectives")
    if any(direction != directions[0] for direction in directions):
        named = ", ".join("/".join(direction) for direction in directions)
        notes.append(f"the runs have different directions ({named}): there is no best one")
    if any(len(direction) > 1 for direction in directions):
        notes.append("a run with several objectives has a front, and no best trial")
    return notes


def _metric_text(metric: str | Sequence[str] | None) -> str:
    if metric is None:
        return "none named"
    return metric if isinstance(metric, str) else " and ".join(metric)
