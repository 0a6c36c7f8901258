"""Trials as a table of pandas."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from sparkexp.analysis.ranking import Configuration
from sparkexp.results.best_trial import BestTrial
from sparkexp.trial import TrialResult

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["make_configurations_frame", "make_trials_frame", "fill_blanks"]

# Columns of the table, beside one per parameter.
FIXED_COLUMNS = (
    "id",
    "generation",
    "parent",
    "value",
    "status",
    "seconds",
    "host",
    "gpu",
    "logdir",
    "error",
    "reused_from",
)


def make_trials_frame(
    trials: Sequence[TrialResult],
    front: Sequence[BestTrial] | None = None,
    without: Collection[str] = (),
    constrained: bool = False,
) -> pd.DataFrame:
    """Return a table with a row per trial, as `Result.to_pandas` describes it.

    Parameters
    ----------
    trials : sequence of TrialResult
        The trials.
    front : sequence of BestTrial, optional
        Those on the Pareto front, where there are several objectives.
    without : collection of str
        Metrics that have no column.
    constrained : bool
        Whether there are constraints: a column says by how much each trial violates them.
    """
    import pandas as pd

    fixed = [*FIXED_COLUMNS[:4], *(["violation"] if constrained else []), *FIXED_COLUMNS[4:]]
    taken = set(fixed)
    params = _assign_columns(_list_argument_names(trials), "param_", taken)
    named = (name for r in trials for name in r.metrics if name not in without)
    metrics = _assign_columns(named, "metric_", taken)
    columns = [
        *fixed[:3], *params.values(), *fixed[3:], *metrics.values(),
    ]  # fmt: skip
    frame = pd.DataFrame([_make_row(r, params, metrics) for r in trials], columns=columns)
    if any(r.trial.repetition is not None for r in trials):
        frame["repetition"] = pd.array([r.trial.repetition for r in trials], dtype="Int64")
    if front is not None:
        on_front = {best.id for best in front}
        frame["front"] = [r.trial.id in on_front for r in trials]
    # Missing where a search has no generations; whole numbers all the same.
    return frame.astype({"generation": "Int64"})


def make_configurations_frame(configurations: Sequence[Configuration]) -> pd.DataFrame:
    """Return a table with a row per configuration, in their order."""
    import pandas as pd

    taken = {"n_runs", "mean", "std"}
    params = [each.runs[0].trial.params for each in configurations]
    columns = _assign_columns((name for each in params for name in each), "param_", taken)
    rows = [
        {
            **{columns[name]: value for name, value in given.items()},
            "n_runs": len(each.runs),
            "mean": each.value,
            "std": each.spread,
        }
        for each, given in zip(configurations, params, strict=True)
    ]
    frame = pd.DataFrame(rows, columns=[*columns.values(), "n_runs", "mean", "std"])
    return frame.astype({"std": "float64"})


def fill_blanks(frame: pd.DataFrame, columns: Iterable[str]) -> pd.DataFrame:
    """Return the table with empty texts where these columns have no value."""
    blank = {c: frame[c].astype(object).where(frame[c].notna(), "") for c in columns if c in frame}
    return frame.assign(**blank)


def _list_argument_names(trials: Sequence[TrialResult]) -> Iterable[str]:
    yield from (name for r in trials for name in r.trial.params)
    yield from (name for r in trials for name in r.trial.extra)


def _assign_columns(names: Iterable[str], prefix: str, taken: set[str]) -> dict[str, str]:
    """Return a column for each name, and add the columns to `taken`."""
    columns = {name: name for name in names}
    for name in columns:
        while columns[name] in taken or (columns[name] != name and columns[name] in columns):
            columns[name] = prefix + columns[name]
        taken.add(columns[name])
    return columns


def _make_row(r: TrialResult, params: dict[str, str], metrics: dict[str, str]) -> dict[str, Any]:
    trial = r.trial
    return {
        "id": trial.id,
        "generation": trial.generation,
        "parent": trial.parent,
        "value": r.value,
        "violation": None if r.value is None else r.violation,
        "status": str(r.state),
        "seconds": round(r.seconds, 3),
        "host": r.host,
        "gpu": r.gpu,
        "logdir": r.logdir,
        "error": r.error,
        "reused_from": r.reused_from,
        **{params[name]: value for name, value in trial.arguments.items()},
        **{metrics[name]: value for name, value in r.metrics.items() if name in metrics},
    }
