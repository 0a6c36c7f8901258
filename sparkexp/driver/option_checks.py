"""The rules that options have to satisfy: each takes a name and a value, and returns the value."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any, get_args

from sparkexp.checks import as_float, as_int
from sparkexp.driver.pruning_rule import as_rule
from sparkexp.engine import Engine
from sparkexp.errors import InvalidArgumentError
from sparkexp.tracking import Tracker

__all__ = [
    "anything",
    "checked_engine",
    "checked_files",
    "checked_gpus",
    "checked_keep",
    "checked_metric",
    "checked_prune",
    "checked_trackers",
    "choice",
    "number",
    "optional",
    "seconds",
    "switch",
    "text",
    "whole",
]

Check = Callable[[str, Any], Any]


def optional(check: Check) -> Check:
    """Return the check that lets None pass as well."""
    return lambda name, value: None if value is None else check(name, value)


def whole(at_least: int) -> Check:
    """Return the check of a whole number."""
    return lambda name, value: as_int(name, value, at_least=at_least)


def choice(literal: Any) -> Check:
    """Return the check of a `Literal`: one of its values."""
    known = get_args(literal)
    return lambda name, value: _one_of(name, value, known)


def anything(name: str, value: object) -> object:
    """Let everything pass: it is checked where it is used."""
    return value


def seconds(name: str, value: object) -> float:
    """Check a number above 0."""
    return as_float(name, value, low=0, above=True)


def number(name: str, value: object) -> float:
    """Check a number."""
    return as_float(name, value)


def switch(name: str, value: object) -> object:
    """Check True or False."""
    return _one_of(name, value, (True, False))


def text(name: str, value: object) -> str:
    """Check a text that isn't empty."""
    if not isinstance(value, str) or not value.strip():
        raise InvalidArgumentError(f"{name} must be a text that isn't empty, got {value!r}.")
    return value


def checked_metric(name: str, value: Any) -> str | Sequence[str]:
    """Check one metric, or several that differ."""
    if isinstance(value, (list, tuple)) and len(value) > 1 and _differ(value):
        for each in value:
            text(name, each)
        return value
    if isinstance(value, (list, tuple)):
        raise InvalidArgumentError(
            f"{name} must be a text, or a list of at least two different ones, got {value!r}."
        )
    return text(name, value)


def checked_gpus(name: str, value: object) -> float:
    """Check an amount of GPUs that Spark can give a task."""
    amount = as_float(name, value, low=0, above=True)
    if amount > 0.5 and amount != int(amount):
        raise InvalidArgumentError(
            f"{name} must be a whole number, or a fraction of at most 0.5 by which trials share a "
            f"GPU, got {amount!r}. Write 1 for a GPU each, 0.5 for two trials on one."
        )
    return amount


def checked_engine(name: str, value: object) -> object:
    """Check the name of an engine, or an engine."""
    if isinstance(value, Engine) or value in ("spark", "inline"):
        return value
    if isinstance(value, type) and issubclass(value, Engine):
        raise InvalidArgumentError(
            f"{name} must be handed over as an instance, got the class {value.__name__}. Write "
            f"{name}={value.__name__}()."
        )
    raise InvalidArgumentError(
        f"{name} must be 'spark' or 'inline', got {value!r}. An instance of a class below "
        "sparkexp.engine.Engine will do, too."
    )


def checked_prune(name: str, value: object) -> object:
    """Check a pruning rule, its name or its settings."""
    as_rule(value)
    return value


def checked_trackers(name: str, value: object) -> Sequence[str | Tracker]:
    """Check names and instances of trackers."""
    if isinstance(value, (list, tuple)) and all(
        isinstance(each, Tracker) or each == "tensorboard" for each in value
    ):
        return value
    raise InvalidArgumentError(
        f"{name} must be a list of 'tensorboard' and instances of sparkexp.tracking.Tracker, got "
        f"{value!r}. Write {name}=['tensorboard', MyTracker()]."
    )


def checked_keep(name: str, value: object) -> str | int:
    """Check of how many trials the artifacts stay."""
    if not isinstance(value, str):
        return as_int(name, value, at_least=1)
    if value not in ("all", "best"):
        raise InvalidArgumentError(
            f"{name} must be 'all', 'best' or a whole number of at least 1, got {value!r}. Write "
            "keep='best' for the artifacts of the best trial only."
        )
    return value


def checked_files(name: str, value: object) -> Sequence[str]:
    """Check files of code."""
    if isinstance(value, str) or not isinstance(value, Sequence):
        raise InvalidArgumentError(
            f"{name} must be a list of files, got {value!r}. Write {name}=['helpers.py']."
        )
    for path in value:
        known = isinstance(path, (str, os.PathLike)) and os.path.isfile(path)
        if not known or not str(path).endswith((".py", ".zip", ".egg")):
            raise InvalidArgumentError(
                f"{name} must name existing .py, .zip or .egg files, got {path!r}."
            )
    return value


def _differ(values: Sequence[object]) -> bool:
    return all(value not in values[:k] for k, value in enumerate(values))


def _one_of(name: str, value: object, known: tuple[object, ...]) -> object:
    if value not in known:
        listed = " or ".join(map(repr, known))
        raise InvalidArgumentError(f"{name} must be {listed}, got {value!r}.")
    return value
