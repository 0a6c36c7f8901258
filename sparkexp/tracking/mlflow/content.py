"""What MLflow is sent of a search and of a trial, without MLflow's own classes."""

from __future__ import annotations

import getpass
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from sparkexp._version import __version__
from sparkexp.analysis.description import SearchDescription
from sparkexp.tracking.base import Outcome, Report
from sparkexp.tracking.mlflow.names import Names
from sparkexp.trial import State, Trial, TrialResult

__all__ = [
    "PARENT",
    "SEARCH",
    "TRIAL",
    "Content",
    "Point",
    "describe_end",
    "describe_search",
    "describe_trial",
    "extract_points",
    "find_status",
    "find_status_of_search",
    "make_stamp",
    "shorten",
]

PARENT, NOTE, USER = "mlflow.parentRunId", "mlflow.note.content", "mlflow.user"
#: The tags by which a run is found again.
SEARCH, TRIAL = "sparkexp.search", "sparkexp.trial"
MAX_PARAM_CHARS, MAX_TAG_CHARS = 6_000, 5_000
_STATUS = {State.SUCCEEDED: "FINISHED", State.FAILED: "FAILED"}
_STATUS_OF_SEARCH: dict[Outcome, str] = {
    "complete": "FINISHED",
    "limit": "FINISHED",
    "interrupted": "KILLED",
    "failed": "FAILED",
}


@dataclass(frozen=True)
class Point:
    """A value of a metric: at a step, at a Unix time in milliseconds."""

    name: str
    value: float
    time_ms: int
    step: int


@dataclass(frozen=True)
class Content:
    """What one batch for a run holds."""

    params: Mapping[str, str]
    tags: Mapping[str, str]
    points: Sequence[Point] = ()


def describe_search(search: SearchDescription, search_id: str, logdir: str) -> Content:
    """Return what the run of a search begins with."""
    settings = {
        "searcher": search.searcher,
        "metric": ", ".join(objective.label for objective in search.objectives),
        "direction": ", ".join(objective.direction for objective in search.objectives),
        "repeats": search.repeats,
        **search.settings,
    }
    names = Names()
    params = {names.clean(name): shorten(value) for name, value in settings.items()}
    tags = {SEARCH: search_id, "sparkexp.version": __version__, "sparkexp.logdir": logdir}
    if search.about:
        tags[NOTE] = search.about
    return Content(params, _shorten_tags({**tags, **_find_user()}))


def describe_trial(trial: Trial, search_id: str, names: Names) -> Content:
    """Return what the run of a trial begins with."""
    facts = {
        "generation": trial.generation,
        "parent": trial.parent,
        "rung": trial.rung,
        "repetition": trial.repetition,
    }
    tags = {f"sparkexp.{name}": str(fact) for name, fact in facts.items() if fact is not None}
    params = {names.clean(name): shorten(value) for name, value in trial.arguments.items()}
    return Content(params, {SEARCH: search_id, TRIAL: trial.id, **_find_user(), **tags})


def describe_end(result: TrialResult, reports: Iterable[Report], names: Names) -> Content:
    """Return what the run of a trial ends with: its curves, its values and where it ran."""
    ended_ms = round(result.ended * 1000)
    points, last = [], dict[str, float]()
    last_step = 0
    for report in reports:
        if report.time < result.started:
            continue  # the file is of an earlier try, whose driver was killed
        last_step = max(last_step, report.step)
        last |= report.metrics
        points += extract_points([report], names)
    returned = {name: value for name, value in result.metrics.items() if last.get(name) != value}
    if result.value is not None:
        returned["objective"] = result.value
    if result.seconds:
        returned["duration_s"] = result.seconds
    points += [Point(names.clean(n), v, ended_ms, last_step) for n, v in returned.items()]
    facts = {
        "state": str(result.state),
        "host": result.host,
        "gpu": result.gpu,
        "attempt": str(result.attempt) if result.attempt else "",
        "error": result.reason,
    }
    tags = {f"sparkexp.{name}": fact for name, fact in facts.items() if fact}
    return Content({}, _shorten_tags(tags), points)


def extract_points(reports: Iterable[Report], names: Names) -> list[Point]:
    """Return the values in reports, one by one."""
    return [
        Point(names.clean(name), value, round(report.time * 1000), report.step)
        for report in reports
        for name, value in report.metrics.items()
    ]


def find_status(result: TrialResult) -> str:
    """Return MLflow's word for how a trial ended: a pruned trial was ended, it didn't fail."""
    return _STATUS.get(result.state, "KILLED")


def find_status_of_search(outcome: Outcome) -> str:
    """Return MLflow's word for how a search ended."""
    return _STATUS_OF_SEARCH[outcome]


def make_stamp(result: TrialResult) -> str:
    """Return what tells this end of a trial from others, if the trial is run again."""
    return f"{result.state} {result.ended:.6f} {result.reused_from or ''}".strip()


def shorten(value: object, n_chars: int = MAX_PARAM_CHARS) -> str:
    """Return a value as a text that is not too long for MLflow."""
    text = str(value)
    return text if len(text) <= n_chars else f"{text[: n_chars - 1]}…"


def _shorten_tags(tags: Mapping[str, str]) -> dict[str, str]:
    return {name: shorten(text, MAX_TAG_CHARS) for name, text in tags.items()}


def _find_user() -> dict[str, str]:
    try:
        return {USER: getpass.getuser()}
    except (KeyError, OSError):
        return {}
