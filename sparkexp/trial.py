"""Trials and their results."""

from __future__ import annotations

import enum
import math
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

__all__ = [
    "Direction",
    "Fault",
    "Loss",
    "ParamValue",
    "State",
    "Trial",
    "TrialResult",
    "params_key",
]

ParamValue = int | float | str | bool
Direction = Literal["max", "min"]

# What stands between the exceptions of a traceback, of which the last one ended the trial.
_LINKS = (
    "The above exception was the direct cause of the following exception:",
    "During handling of the above exception, another exception occurred:",
)


class State(enum.StrEnum):
    """How a trial ended."""

    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"
    #: Ended early, since others were better; the last value that it reported counts.
    PRUNED = "PRUNED"


class Fault(enum.StrEnum):
    """What in the call, not in its configuration, made a trial fail: others will fail alike."""

    #: The dict that the train function returned lacks the metric.
    METRIC = "metric"
    #: It returned nothing, or no number.
    RETURNED = "returned"
    #: A module that it imports is missing, or can't be imported.
    MODULE = "module"
    #: It can't be called with its arguments.
    ARGUMENTS = "arguments"
    #: It, or its data, can't be loaded where it is to run.
    LOADING = "loading"
    #: Where it is to run, no trial can.
    ENVIRONMENT = "environment"


class Loss(enum.StrEnum):
    """How a trial's process was lost; what the train function does had no part in it."""

    #: A signal has killed it.
    KILLED = "killed"
    #: Another worker of its gang was lost.
    PEER = "peer"
    #: It was ended, since another worker of its gang had failed.
    ENDED = "ended"


@dataclass(frozen=True)
class Trial:
    """One configuration that a searcher wants evaluated.

    Parameters
    ----------
    number : int
        Position in the order in which the searcher asked for its trials, from 0.
    params : Mapping[str, int | float | str | bool]
        Arguments for the train function, native Python values.
    generation : int, optional
        Generation of an evolutionary search, from 0 (the initial population).
    parent : str, optional
        Id of the trial that this one competes with. If trials have rungs: id of the trial whose
        configuration this one trains further.
    parent_value : float, optional
        The parent's value, if it was known when the trial started; not compared by ``==``.
    parent_violation : float
        The parent's violation, likewise.
    rung : int, optional
        In a multi-fidelity search: how often the configuration was promoted, from 0.
    checkpoint : str, optional
        Directory of the trial whose checkpoints this one goes on from; not compared by ``==``.
    extra : Mapping[str, int | float | str | bool]
        Further arguments for the train function that are not searched, such as the number of
        epochs or the seed.
    repetition : int, optional
        Number of this run of its configuration, from 0, if each configuration has several.
    tracking : Mapping[str, Mapping[str, str]]
        What the driver's trackers tell those on the executor, by the tracker's position; not
        compared by ``==``.

    Examples
    --------
    >>> Trial(7, {'learning_rate': 0.01}).id
    'trials/trial-00007'
    >>> Trial(7, {'learning_rate': 0.01}, generation=2).id
    'gen-002/trial-00007'
    >>> Trial(7, {'learning_rate': 0.01}, extra={'epochs': 9}).arguments
    {'learning_rate': 0.01, 'epochs': 9}
    """

    number: int
    params: Mapping[str, ParamValue]
    generation: int | None = None
    parent: str | None = None
    parent_value: float | None = field(default=None, compare=False)
    extra: Mapping[str, ParamValue] = field(default_factory=dict)
    rung: int | None = None
    checkpoint: str | None = field(default=None, compare=False)
    repetition: int | None = None
    tracking: Mapping[str, Mapping[str, str]] = field(default_factory=dict, compare=False)
    parent_violation: float = field(default=0.0, compare=False)

    @property
    def arguments(self) -> dict[str, ParamValue]:
        """All keyword arguments that the train function is called with."""
        return {**self.params, **self.extra}

    @property
    def id(self) -> str:
        """The trial's directory below the log directory; also its run name in TensorBoard."""
        group = "trials" if self.generation is None else f"gen-{self.generation:03d}"
        group = group if self.rung is None else f"rung-{self.rung}"
        return f"{group}/trial-{self.number:05d}"

    def to_json(self) -> dict[str, Any]:
        """Return the trial as a dict that `json` can write; ``Trial(**record)`` reads it."""
        return {
            "number": self.number,
            "params": dict(self.params),
            "generation": self.generation,
            "parent": self.parent,
            "extra": dict(self.extra),
            "rung": self.rung,
            "repetition": self.repetition,
        }


@dataclass(frozen=True)
class TrialResult:
    """The result of a trial.

    Parameters
    ----------
    trial : Trial
        The trial.
    state : State
        How it ended.
    value : float, optional
        The objective that the train function returned, the first if there are several; None for a
        failed trial, and for a function that returns nothing.
    metrics : Mapping[str, float]
        All numbers that the train function returned.
    error : str, optional
        Why it failed: the traceback, or a sentence.
    submitted, started, ended : float
        Unix times in seconds: when the engine got the trial, when the train function began (on the
        executor's clock), and when it ended. 0 if that never happened.
    host, gpu : str
        The host that ran it, and the value of ``CUDA_VISIBLE_DEVICES``, empty without a GPU.
    executor : str
        The id of its executor, as Spark's pages show it; empty in a local session.
    attempt : int
        How often the trial was run again because an executor was lost, from 0.
    logdir : str
        The directory of the attempt that counts.
    reused_from : str, optional
        Id of the trial with the same parameters whose result this is; such a trial was not run.
    output : str
        The last lines that a failed trial wrote to its standard output and error.
    imported : tuple of str
        Heavy modules that the train function imported; later trials start with them loaded.
    warnings : tuple of str
        Problems that did not change the trial's value, such as logs that can't be written.
    continued : bool
        Whether the trial found checkpoints of an earlier trial of its configuration.
    values : tuple of float
        All objectives, if there are several and the trial succeeded.
    kept : str
        The place of its files, as ``host:path``, if they couldn't be sent to the log directory.
    notes : Mapping[str, Any]
        What the train function returned beside numbers: texts, lists, dicts, as JSON has them.
    fault : Fault, optional
        What in the call made it fail, if it was not the trial's configuration.
    loss : Loss, optional
        How its process was lost, if it didn't fail by itself.
    stops_search : str
        Why the trial asked for the end of the search; empty if it did not.
    violation : float
        By how much it violates the constraints of the search: the sum of the entries that should
        be at most 0 and are above; 0 if it satisfies them, or there are none.
    """

    trial: Trial
    state: State
    value: float | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)
    error: str | None = None
    submitted: float = 0.0
    started: float = 0.0
    ended: float = 0.0
    host: str = ""
    gpu: str = ""
    attempt: int = 0
    logdir: str = ""
    reused_from: str | None = None
    output: str = ""
    imported: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    executor: str = ""
    values: tuple[float, ...] = ()
    continued: bool = False
    kept: str = ""
    notes: Mapping[str, Any] = field(default_factory=dict)
    fault: Fault | None = None
    loss: Loss | None = None
    stops_search: str = ""
    violation: float = 0.0

    def __post_init__(self) -> None:
        if self.value is not None and not math.isfinite(self.value):
            raise ValueError(f"A trial's value is a finite number or None, got {self.value}.")

    @property
    def seconds(self) -> float:
        """Seconds that the train function ran; 0 if it never started."""
        return max(0.0, self.ended - self.started) if self.started else 0.0

    @property
    def reason(self) -> str:
        """The line of the error that says what happened; empty without an error."""
        lines = (self.error or "").strip().splitlines()
        # The traceback of another process comes first, and its first line says nothing.
        links = [k for k, line in enumerate(lines) if line in _LINKS]
        lines = [line for line in lines[links[-1] + 1 :] if line] if links else lines
        start = ("Traceback", "Exception Group", "…")  # the last one: it was too long
        if not lines or not lines[0].lstrip(" +").startswith(start):
            return lines[0] if lines else ""
        # The exception's own line follows the last frame; its message may have more lines.
        frames = [k for k, line in enumerate(lines) if line.lstrip(" |").startswith("File ")]
        after = lines[frames[-1] + 1 :] if frames else lines[1:]
        if lines[0].startswith(("Traceback", "…")):
            return next((line for line in after if not line.startswith(" ")), lines[-1])
        return next((line.strip(" |") for line in lines if "Group: " in line), lines[-1])

    @property
    def succeeded(self) -> bool:
        """Whether the train function returned a value that counts."""
        return self.state is State.SUCCEEDED

    @property
    def went_wrong(self) -> bool:
        """Whether the trial failed or was cancelled; a pruned trial did neither."""
        return self.state in (State.FAILED, State.CANCELLED)

    def to_json(self) -> dict[str, Any]:
        """Return the result as a dict that `json` can write."""
        record = {name: getattr(self, name) for name in self.__dataclass_fields__}
        record["trial"] = self.trial.to_json()
        record["state"] = str(self.state)
        record["metrics"] = dict(self.metrics)
        record["imported"] = list(self.imported)
        record["warnings"] = list(self.warnings)
        record["values"] = list(self.values)
        record["notes"] = dict(self.notes)
        return record

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> TrialResult:
        """Return the result that `to_json` wrote.

        Raises
        ------
        KeyError, TypeError, ValueError
            If `to_json` did not write the record.
        """
        if not isinstance(record["trial"], Mapping):
            raise TypeError("its trial is no object")
        _check_fields(record["trial"], _TRIAL_FIELDS)
        _check_fields(record, _RESULT_FIELDS)
        return cls(
            **{
                **record,
                "trial": Trial(**record["trial"]),
                "state": State(record["state"]),
                "imported": tuple(record["imported"]),
                "warnings": tuple(record["warnings"]),
                "values": tuple(record.get("values", ())),
                "fault": Fault(record["fault"]) if record.get("fault") else None,
                "loss": Loss(record["loss"]) if record.get("loss") else None,
            }
        )


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _is_count(value: object) -> bool:
    return type(value) is int and 0 <= value < 2**63


def _is_number(value: object) -> bool:
    # Whole numbers of JSON have any size; one that is no float can't be shown.
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return abs(value) <= sys.float_info.max


def _is_violation(value: object) -> bool:
    return isinstance(value, int | float) and _is_number(value) and value >= 0


def _is_value(value: object) -> bool:
    return isinstance(value, str | bool) or _is_number(value)


def _optional(check: Callable[[object], bool]) -> Callable[[object], bool]:
    return lambda value: value is None or check(value)


def _each(check: Callable[[object], bool]) -> Callable[[object], bool]:
    return lambda value: isinstance(value, list) and all(map(check, value))


def _named(check: Callable[[object], bool]) -> Callable[[object], bool]:
    return lambda value: isinstance(value, dict) and all(map(check, value.values()))


_TRIAL_FIELDS = {
    "number": _is_count,
    "params": _named(_is_value),
    "generation": _optional(_is_count),
    "parent": _optional(_is_text),
    "extra": _named(_is_value),
    "rung": _optional(_is_count),
    "repetition": _optional(_is_count),
}
_RESULT_FIELDS = {
    "value": _optional(_is_number),
    "metrics": _named(_is_number),
    "error": _optional(_is_text),
    "reused_from": _optional(_is_text),
    "attempt": _is_count,
    "violation": _is_violation,
    "continued": lambda value: isinstance(value, bool),
    **dict.fromkeys(("imported", "warnings"), _each(_is_text)),
    "values": _each(_is_number),
    **dict.fromkeys(("submitted", "started", "ended"), _is_number),
    **dict.fromkeys(
        ("host", "gpu", "executor", "logdir", "output", "kept", "stops_search"), _is_text
    ),
}


def _check_fields(record: Mapping[str, Any], checks: Mapping[str, Callable[..., bool]]) -> None:
    for name, check in checks.items():
        if name in record and not check(record[name]):
            raise ValueError(f"{name!r} is {str(record[name])[:40]!r}")


def params_key(params: Mapping[str, ParamValue]) -> tuple[tuple[str, str, ParamValue], ...]:
    """Return a hashable key that is equal for equal parameters (1, 1.0 and True differ)."""
    return tuple(sorted((name, type(value).__name__, value) for name, value in params.items()))
