"""Calls the train function and returns its outcome as plain data."""

from __future__ import annotations

import itertools
import json
import math
import numbers
import os
import sys
import time
import traceback
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from typing import Any

from sparkexp.engine.base import Train
from sparkexp.engine.transfer.train_imports import HEAVY_MODULES
from sparkexp.engine.worker.ending import end_copy
from sparkexp.objective import Objective
from sparkexp.trial import ParamValue, State

__all__ = ["EXITED", "Outcome", "TrialStopped", "call_train", "failure"]

MAX_ERROR_CHARS = 16_000
EXITED = "The trial's process exited with status {} before the train function returned."
MISSING_MODULE = (
    "  The trial ran under {python}. Install the module there, on every host, or pass its file in "
    "py_files=[...]."
)


class TrialStopped(BaseException):
    """Ends a train function from within; its ``except Exception`` does not catch it."""


@dataclass(frozen=True)
class Outcome:
    """The result of a train function, as far as its own process can tell."""

    state: State
    value: float | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)
    error: str | None = None
    started: float = 0.0
    ended: float = 0.0
    imported: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    continued: bool = False

    def to_bytes(self) -> bytes:
        return json.dumps(vars(self)).encode()

    @classmethod
    def from_bytes(cls, data: bytes) -> Outcome:
        record = json.loads(data)
        record["state"] = State(record["state"])
        record["imported"] = tuple(record["imported"])
        record["warnings"] = tuple(record["warnings"])
        return cls(**record)


def failure(error: str, started: float = 0.0) -> Outcome:
    """Return the outcome of a trial that failed for a reason outside the train function."""
    return Outcome(State.FAILED, error=error, started=started, ended=time.time())


def call_train(
    train: Train,
    params: Mapping[str, ParamValue],
    objectives: Sequence[Objective] = (Objective(),),
    needs_value: bool = True,
) -> Outcome:
    """Call the train function and return its outcome; raise interrupts only.

    Copies of this process that the function makes, and that come back from it, end here.

    Parameters
    ----------
    train : Callable
        The user's function.
    params : Mapping[str, int | float | str | bool]
        Its keyword arguments.
    objectives : sequence of Objective
        What it must return.
    needs_value : bool
        Whether a trial without a value has failed.
    """
    n_before = len(sys.modules)
    before = {module for module in HEAVY_MODULES if module in sys.modules}
    started = time.time()
    value: float | None = None
    metrics: dict[str, float] = {}
    error: str | None = None
    own = os.getpid()
    try:
        try:
            returned = train(**params)
        except BaseException as raised:
            end_copy(own, raised)
            raise
        end_copy(own)
        value, metrics, error = _split_returned(returned, objectives, needs_value)
    except KeyboardInterrupt:
        raise
    except TrialStopped:
        return Outcome(State.CANCELLED, started=started, ended=time.time())
    except BaseException as raised:  # SystemExit and the like end the trial, not the worker
        if isinstance(raised, ModuleNotFoundError):
            raised.add_note(MISSING_MODULE.format(python=sys.executable))
        error = _format_traceback(raised)
    return Outcome(
        state=State.SUCCEEDED if error is None else State.FAILED,
        value=value if error is None else None,
        metrics=metrics,
        error=error,
        started=started,
        ended=time.time(),
        imported=_find_heavy(
            itertools.islice(reversed(sys.modules), len(sys.modules) - n_before), before
        ),
    )


def _find_heavy(loaded: Iterable[str], before: Set[str]) -> tuple[str, ...]:
    """Return modules to import before the next trial: heavy ones, and submodules loaded late.

    Parameters
    ----------
    loaded : iterable of str
        Modules that the trial loaded, the last first. (Not all of `sys.modules`: touching every
        name copies memory pages that a fork shares, which takes 12 ms.)
    before : set of str
        Heavy modules that were loaded before.
    """
    names = [name for name in loaded if name.partition(".")[0] in HEAVY_MODULES]
    parts = [name for name in names if name.partition(".")[0] in before]
    return tuple(reversed([name for name in names if name in HEAVY_MODULES] + parts))


def _format_traceback(raised: BaseException) -> str:
    """Return the traceback from the user's first frame on; if very long, only its end."""
    # The first frame is call_train's own, which tells the user nothing.
    own = raised.__traceback__
    text = "".join(
        traceback.format_exception(type(raised), raised, own.tb_next if own else None)
    ).rstrip()
    if len(text) > MAX_ERROR_CHARS:
        text = "…" + text[-MAX_ERROR_CHARS:]
    # A lone surrogate (an undecodable file name, say) can't be written as UTF-8 later.
    return text.encode("utf-8", "replace").decode()


def _split_returned(
    returned: Any, objectives: Sequence[Objective], needs_value: bool
) -> tuple[float | None, dict[str, float], str | None]:
    """Split a returned value into the objective, all metrics, and an error message or None."""
    if returned is None:
        if not needs_value and objectives[0].name is None:
            return None, {}, None
        return None, {}, "The train function returned nothing. Return the metric to optimise."
    if not isinstance(returned, Mapping):
        number = _convert_number(returned)
        if number is None:
            return (
                None,
                {},
                (
                    "The train function must return a number or a dict of numbers, "
                    f"got {_describe(returned)}."
                ),
            )
        if len(objectives) > 1:
            names = ", ".join(repr(objective.name) for objective in objectives)
            return None, {}, f"The train function must return a dict of {names}, got a number."
        name = objectives[0].name
        metrics = {name: number} if name and math.isfinite(number) else {}
        return number, metrics, _check_finite(number)
    return _split_returned_dict(returned, objectives, needs_value)


def _split_returned_dict(
    returned: Mapping[Any, Any], objectives: Sequence[Objective], needs_value: bool
) -> tuple[float | None, dict[str, float], str | None]:
    metrics: dict[str, float] = {}
    finite: dict[str, float] = {}  # what JSON and TensorBoard can hold
    for name, entry in returned.items():
        number = _convert_number(entry)
        if number is None or not isinstance(name, str):
            return (
                None,
                finite,
                (
                    "The train function must return a number or a dict of names and numbers, got "
                    f"{name!r}: {_describe(entry)}."
                ),
            )
        metrics[name] = number
        if math.isfinite(number):
            finite[name] = number
    metric = objectives[0].name or (next(iter(metrics)) if len(metrics) == 1 else None)
    if metric is None:
        # A grid needs no objective: its metrics are kept.
        error = (
            f"The train function returned a dict of {', '.join(map(repr, metrics)) or 'nothing'}. "
            "Name the entry to optimise, for example metric='accuracy'."
        )
        return None, finite, error if needs_value else None
    for name in (metric, *(each.name for each in objectives[1:] if each.name)):
        problem = _find_problem(name, metrics)
        if problem is not None:
            return metrics.get(metric), finite, problem
    return metrics[metric], finite, None


def _find_problem(metric: str, metrics: Mapping[str, float]) -> str | None:
    if metric not in metrics:
        return (
            f"The train function returned no {metric!r} but {', '.join(map(repr, metrics))}. "
            "Return it, or name another entry with metric=."
        )
    return _check_finite(metrics[metric])


def _convert_number(value: Any) -> float | None:
    """Return a number, or an array or tensor of no dimensions, as a float; otherwise None."""
    if isinstance(value, bool):
        return None
    if not isinstance(value, numbers.Real):
        # Arrays and tensors must have no dimensions. float() would also take others with one
        # element, and numpy's bools, complex numbers and texts.
        kind = getattr(getattr(value, "dtype", None), "kind", "f")
        if getattr(value, "shape", None) != () or kind in "bcSU":
            return None
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        return None


def _check_finite(number: float) -> str | None:
    return None if math.isfinite(number) else f"The train function returned {number}."


def _describe(value: Any) -> str:
    """Describe a value by its type and shape, without calling its repr."""
    shape = getattr(value, "shape", None)
    suffix = f" of shape {tuple(shape)}" if isinstance(shape, tuple) else ""
    return f"{type(value).__module__}.{type(value).__qualname__}{suffix}"
