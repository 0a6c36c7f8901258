"""Reads what a train function returned: objective, metrics, and what stands beside them."""

from __future__ import annotations

import json
import math
import numbers
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sparkexp.objective import Objective
from sparkexp.texts.near_names import find_nearest
from sparkexp.trial import Fault

__all__ = ["Returned", "read_returned"]

# What a trial may return beside numbers, as JSON.
MAX_NOTES_CHARS = 16_000
# How deep lists and dicts in it may be nested.
MAX_DEPTH = 20
# How many entries an error names.
MAX_NAMED = 20


@dataclass(frozen=True)
class Returned:
    """What a train function returned, as plain data.

    Parameters
    ----------
    value : float, optional
        The objective, the first of several.
    metrics : Mapping[str, float]
        All finite numbers.
    error : str, optional
        Why the trial has failed.
    fault : Fault, optional
        Whether that lies in the call.
    notes : Mapping[str, Any]
        What stands beside the numbers.
    warnings : tuple of str
        What was left out, and where the value comes from if it was not returned.
    """

    value: float | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)
    error: str | None = None
    fault: Fault | None = None
    notes: Mapping[str, Any] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()


def read_returned(
    returned: Any,
    objectives: Sequence[Objective],
    needs_value: bool,
    reported: Mapping[str, float],
    constraints: Sequence[str] = (),
) -> Returned:
    """Read what a train function returned.

    Parameters
    ----------
    returned : Any
        A number; a dict with the metrics, beside which anything may stand; Keras's History or a
        dict of lists, of which the last entries count; or nothing, if the metrics were reported.
    objectives : sequence of Objective
        What it must have returned.
    needs_value : bool
        Whether a trial without a value has failed.
    reported : Mapping[str, float]
        What the train function reported last.
    constraints : sequence of str
        Further entries that it must have returned.
    """
    if returned is None:
        return _read_reported(objectives, needs_value, reported, constraints)
    history = getattr(returned, "history", None)
    if isinstance(history, Mapping) and not isinstance(returned, Mapping):
        returned = history  # Keras's History
    if isinstance(returned, Mapping):
        return _read_dict(returned, objectives, needs_value, constraints)
    number = _number(returned)
    if number is None:
        return _fail_with(
            f"The train function must return a number or a dict of numbers, got "
            f"{_describe(returned)}."
        )
    if len(objectives) > 1 or constraints:
        names = ", ".join(map(repr, [*(objective.name for objective in objectives), *constraints]))
        return _fail_with(f"The train function must return a dict of {names}, got a number.")
    name = objectives[0].name
    metrics = {name: number} if name and math.isfinite(number) else {}
    return Returned(number, metrics, _describe_not_finite(number))


def _fail_with(error: str) -> Returned:
    return Returned(error=error, fault=Fault.RETURNED)


def _read_reported(
    objectives: Sequence[Objective],
    needs_value: bool,
    reported: Mapping[str, float],
    constraints: Sequence[str],
) -> Returned:
    """Read what was reported, since nothing was returned."""
    names = [*(each.name for each in objectives if each.name is not None), *constraints]
    if not names and not needs_value:
        return Returned()
    if not names and len(objectives) == 1 and len(reported) == 1:
        names = list(reported)
    if not names or not all(name in reported for name in names):
        return _fail_with("The train function returned nothing. Return the metric to optimise.")
    number = reported[names[0]]
    warning = (
        "The train function returned nothing: what it reported last of "
        f"{', '.join(map(repr, names))} counts."
    )
    wrong = next(filter(None, (_describe_not_finite(reported[name]) for name in names)), None)
    finite = {name: each for name, each in reported.items() if math.isfinite(each)}
    return Returned(number, finite, wrong, warnings=(warning,))


def _read_dict(
    returned: Mapping[Any, Any],
    objectives: Sequence[Objective],
    needs_value: bool,
    constraints: Sequence[str],
) -> Returned:
    wanted = [*(each.name for each in objectives if each.name is not None), *constraints]
    metrics, rest = _split(returned, wanted)
    finite = {name: each for name, each in metrics.items() if math.isfinite(each)}
    notes, warnings = _keep_notes(rest)
    metric = wanted[0] if wanted else (next(iter(metrics)) if len(metrics) == 1 else None)
    error, fault = None, None
    if metric is None and needs_value:
        # A grid loses nothing without an objective: its metrics are kept.
        fault = Fault.METRIC
        error = (
            f"The train function returned a dict of {_list_names(metrics) or 'nothing'}. "
            "Name the entry to optimise, for example metric='accuracy'."
            if metrics or not returned
            else _describe_no_number(returned)
        )
    for name in wanted or ([metric] if metric else []):
        if name not in metrics:
            is_metric = name not in constraints
            option = "metric" if is_metric else "constraint"
            error = _describe_missing(name, metrics, returned, option)
            fault = Fault.METRIC if is_metric else Fault.RETURNED
            break
        if error is None:
            error = _describe_not_finite(metrics[name])
    value = None if metric is None else metrics.get(metric)
    return Returned(value, finite, error, fault, notes, warnings)


def _split(
    returned: Mapping[Any, Any], wanted: Sequence[str]
) -> tuple[dict[str, float], dict[Any, Any]]:
    """Return the numbers of a dict, and the rest; of a history's curves the last numbers."""
    metrics: dict[str, float] = {}
    rest: dict[Any, Any] = {}
    for name, entry in returned.items():
        number = _number(entry) if isinstance(name, str) else None
        if number is None:
            rest[name] = entry
        else:
            metrics[str(name)] = number
    last = {name: _last_number(entry) for name, entry in rest.items() if isinstance(name, str)}
    curves = {name: number for name, number in last.items() if number is not None}
    # A list may be anything, but under the metric's name it is its curve. Where the metric is
    # missing, nobody knows, and another name may be corrected later.
    missing = not all(name in metrics for name in wanted) or (not wanted and not metrics)
    if missing:
        metrics.update(curves)
        for name in curves:
            del rest[name]
    return metrics, rest


def _describe_no_number(returned: Mapping[Any, Any]) -> str:
    """Return the error for a dict without a number."""
    name, entry = next(iter(returned.items()), ("", None))
    got = f"{name!r}: {_describe(entry)}" if returned else "an empty one"
    return f"The train function must return a number or a dict of numbers, got {got}."


def _describe_missing(
    name: str, metrics: Mapping[str, float], returned: Mapping[Any, Any], option: str
) -> str:
    """Return the error for a metric or a constraint that is no number, or not there."""
    if name in returned:
        entry = returned[name]
        return (
            f"The train function must return a number under {name!r}, got {_describe(entry)}. "
            f"Return one, or name another entry with {option}=."
        )
    if not metrics:
        return f"{_describe_no_number(returned)} Return {name!r}."
    guess = find_nearest(name, list(metrics))
    hint = f" Did you mean {guess!r}?" if guess else ""
    return (
        f"The train function returned no {name!r} but {_list_names(metrics)}.{hint}"
        f" Return it, or name another entry with {option}=."
    )


def _list_names(names: Iterable[str]) -> str:
    shown = list(map(repr, names))
    more = f" and {len(shown) - MAX_NAMED} more" if len(shown) > MAX_NAMED else ""
    return ", ".join(shown[:MAX_NAMED]) + more


def _number(value: Any) -> float | None:
    """Return a number as a float: Python's, numpy's, or an array or tensor of no dimensions."""
    if isinstance(value, bool):
        return None
    if not isinstance(value, numbers.Real):
        # Arrays and tensors: one element and no dimensions, else float() would guess. It would
        # take numpy's bools, complex numbers and texts, too.
        kind = getattr(getattr(value, "dtype", None), "kind", "f")
        if getattr(value, "shape", None) != () or kind in "bcSU":
            return None
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        return None


def _last_number(entry: Any) -> float | None:
    """Return the last number of a list of numbers; None for all else."""
    shape = getattr(entry, "shape", None)
    if shape is not None:
        try:
            return _number(entry[-1]) if len(shape) == 1 and shape[0] > 0 else None
        except Exception:  # a table, say, whose columns have names
            return None
    if not isinstance(entry, (list, tuple)) or not entry:
        return None
    found = [_number(each) for each in entry]
    return None if None in found else found[-1]


def _keep_notes(rest: Mapping[Any, Any]) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Return what JSON can hold of what stands beside the numbers, and what it cannot."""
    kept: dict[str, Any] = {}
    dropped: list[str] = []
    left = MAX_NOTES_CHARS
    for name, entry in rest.items():
        try:
            if not isinstance(name, str):
                raise TypeError(name)
            plain = _as_plain(entry, MAX_DEPTH)
            length = len(json.dumps(plain)) + len(name)
        except Exception:  # whatever a user's object does when it is looked at
            dropped.append(_describe_name(name, entry))
            continue
        if length > left:
            dropped.append(f"{name!r} (too large)")
            continue
        left -= length
        kept[name] = plain
    if not dropped:
        return kept, ()
    return kept, (
        f"The record can't hold all that the train function returned: {_join(dropped)} left out. "
        f"Beside numbers it takes what JSON has, under names, {MAX_NOTES_CHARS:,} characters.",
    )


def _join(dropped: list[str]) -> str:
    more = f" and {len(dropped) - MAX_NAMED} more" if len(dropped) > MAX_NAMED else ""
    return ", ".join(dropped[:MAX_NAMED]) + more + (" is" if len(dropped) == 1 else " are")


def _describe_name(name: Any, entry: Any) -> str:
    if isinstance(name, str):
        return f"{name!r} ({_describe(entry)})"
    return f"an entry whose name is no str ({_describe(name)})"


def _as_plain(value: Any, depth: int) -> Any:
    """Return a value as JSON has it.

    Raises
    ------
    Exception
        If JSON can't hold it, or it is too large.
    """
    if depth == 0:
        raise ValueError("nested too deeply")
    if value is None or isinstance(value, (bool, int, str)):
        return value if value is None or isinstance(value, bool) else _as_scalar(value)
    if isinstance(value, numbers.Real) and not hasattr(value, "shape"):
        number = float(value)
        return number if math.isfinite(number) else str(number)
    if isinstance(value, Mapping):
        _check_size(len(value))
        return {_as_key(name): _as_plain(each, depth - 1) for name, each in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        _check_size(len(value))
        return [_as_plain(each, depth - 1) for each in value]
    if isinstance(value, os.PathLike):
        return str(os.fspath(value))
    if hasattr(value, "isoformat"):
        return str(value.isoformat())
    history = getattr(value, "history", None)
    if isinstance(history, Mapping):
        return _as_plain(history, depth - 1)
    _check_size(math.prod(value.shape))
    array = value if hasattr(value, "tolist") else value.numpy()
    return _as_plain(array.tolist(), depth - 1)


def _as_scalar(value: int | str) -> int | str:
    """Return a number or a text of a subclass (an enum, say) as one of Python's own."""
    if isinstance(value, str):
        _check_size(len(value))
        return str.__str__(value).encode("utf-8", "replace").decode()
    return int(value)


def _as_key(name: Any) -> str:
    if isinstance(name, (str, int, float)):
        return str(name)
    raise TypeError(name)


def _check_size(n: int) -> None:
    if n > MAX_NOTES_CHARS:
        raise ValueError("too large")


def _describe_not_finite(number: float) -> str | None:
    return None if math.isfinite(number) else f"The train function returned {number}."


def _describe(value: Any) -> str:
    """Name a value's type, and its shape or length, without asking its own repr."""
    shape = getattr(value, "shape", None)
    suffix = f" of shape {tuple(shape)}" if isinstance(shape, tuple) else ""
    return f"{type(value).__module__}.{type(value).__qualname__}{suffix}"
