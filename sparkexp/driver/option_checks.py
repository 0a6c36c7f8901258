"""Checks of options: each takes a name and a value, and returns the value or raises."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any, get_args

from sparkexp.checks import as_float, as_int, name_deferred
from sparkexp.driver.initial_table import is_table, list_rows
from sparkexp.driver.pruning_rule import as_rule
from sparkexp.engine import Engine, Gang
from sparkexp.errors import InvalidArgumentError
from sparkexp.tracking import Tracker

__all__ = [
    "accept_any",
    "allow_none",
    "check_bool",
    "check_callable",
    "check_constrained",
    "check_constraint",
    "check_engine",
    "check_files",
    "check_gpus",
    "check_initial",
    "check_keep",
    "check_max_failures",
    "check_metric",
    "check_number",
    "check_one_metric",
    "check_processes",
    "check_prune",
    "check_seconds",
    "check_text",
    "check_trackers",
    "check_workers",
    "require_choice",
    "require_int",
]

Check = Callable[[str, Any], Any]


def allow_none(check: Check) -> Check:
    """Return a check that also accepts None."""
    return lambda name, value: None if value is None else check(name, value)


def require_int(at_least: int) -> Check:
    """Return a check that a value is a whole number of at least `at_least`."""
    return lambda name, value: as_int(name, value, at_least=at_least)


def require_choice(literal: Any) -> Check:
    """Return a check that a value is one of those of a `Literal`."""
    known = get_args(literal)
    return lambda name, value: _check_choice(name, value, known)


def accept_any(name: str, value: object) -> object:
    """Accept any value: it is checked where it is used."""
    return value


def check_seconds(name: str, value: object) -> float:
    """Check that a value is a number above 0."""
    return as_float(name, value, low=0, above=True)


def check_number(name: str, value: object) -> float:
    """Check that a value is a number."""
    return as_float(name, value)


def check_bool(name: str, value: object) -> object:
    """Check that a value is True or False."""
    return _check_choice(name, value, (True, False))


def check_callable(name: str, value: object) -> object:
    """Check that a value is a function."""
    if not callable(value):
        raise InvalidArgumentError(
            f"{name} must be a function of one argument, got {value!r}. Write {name}=lambda "
            "result: …"
        )
    if kind := name_deferred(value):
        raise InvalidArgumentError(
            f"{name} must be a function that runs when it is called, got the {kind} {value!r}. "
            f"Write {name}=lambda result: …, or a plain def."
        )
    return value


def check_text(name: str, value: object) -> str:
    """Check that a value is a text that isn't empty."""
    if not isinstance(value, str) or not value.strip():
        raise InvalidArgumentError(f"{name} must be a text that isn't empty, got {value!r}.")
    return value


def check_metric(name: str, value: Any) -> str | Sequence[str]:
    """Check that a value is one metric, or a list of several different ones."""
    if isinstance(value, (list, tuple)) and len(value) > 1 and _differ(value):
        for each in value:
            check_text(name, each)
        return value
    if isinstance(value, (list, tuple)):
        raise InvalidArgumentError(
            f"{name} must be a text, or a list of at least two different ones, got {value!r}."
        )
    return check_text(name, value)


def check_constraint(name: str, value: Any) -> tuple[str, ...]:
    """Check that a value is the name of an entry, or a list of different ones."""
    names = (value,) if isinstance(value, str) else value
    if not isinstance(names, (list, tuple)) or not names or not _differ(names):
        raise InvalidArgumentError(
            f"{name} must be the name of an entry that the train function returns, or a list of "
            f"different ones, got {value!r}. Write constraint='excess'; what is known before a "
            "trial is where=."
        )
    return tuple(check_text(name, each) for each in names)


def check_max_failures(name: str, value: object) -> int | str:
    """Check that a value is ``'auto'`` or a whole number of at least 0."""
    return "auto" if value == "auto" else as_int(name, value, at_least=0)


def check_gpus(name: str, value: object) -> float:
    """Check that a value is an amount of GPUs that Spark can give a task."""
    amount = as_float(name, value, low=0, above=True)
    if amount > 0.5 and amount != int(amount):
        raise InvalidArgumentError(
            f"{name} must be a whole number, or a fraction of at most 0.5 by which trials share a "
            f"GPU, got {amount!r}. Write 1 for a GPU each, 0.5 for two trials on one."
        )
    return amount


def check_engine(name: str, value: object) -> object:
    """Check that a value is an engine or the name of one."""
    if isinstance(value, Engine) or value in ("spark", "inline"):
        return value
    if isinstance(value, type) and issubclass(value, Engine):
        raise InvalidArgumentError(
            f"{name} must be an instance, got the class {value.__name__}. Write "
            f"{name}={value.__name__}()."
        )
    raise InvalidArgumentError(
        f"{name} must be 'spark' or 'inline', got {value!r}. An instance of a class below "
        "sparkexp.engine.Engine will do, too."
    )


def check_prune(name: str, value: object) -> object:
    """Check that a value is a pruning rule, or the name or the settings of one."""
    as_rule(value)
    return value


def check_trackers(name: str, value: object) -> Sequence[str | Tracker]:
    """Check that a value is a list of trackers and names of trackers."""
    if isinstance(value, (list, tuple)) and all(
        isinstance(each, Tracker) or each == "tensorboard" for each in value
    ):
        return value
    raise InvalidArgumentError(
        f"{name} must be a list of 'tensorboard' and instances of sparkexp.tracking.Tracker, got "
        f"{value!r}. Write {name}=['tensorboard', MyTracker()]."
    )


def check_initial(name: str, value: Any) -> Sequence[Mapping[str, Any]]:
    """Check that a value is a list of dicts or a table; the space says what its cells mean."""
    if is_table(value):
        return tuple(list_rows(value))
    is_list = isinstance(value, Sequence) and not isinstance(value, str)
    if not is_list or not all(isinstance(each, Mapping) for each in value):
        raise InvalidArgumentError(
            f"{name} must be a list of configurations, or a DataFrame with one a row, got "
            f"{value!r}. Write {name}=[{{'learning_rate': 0.01}}]."
        )
    return tuple(value)


def check_keep(name: str, value: object) -> str | int:
    """Check that a value says how many trials keep their artifacts."""
    if not isinstance(value, str):
        return as_int(name, value, at_least=1)
    if value not in ("all", "best"):
        raise InvalidArgumentError(
            f"{name} must be 'all', 'best' or a whole number of at least 1, got {value!r}. Write "
            "keep='best' for the artifacts of the best trial only."
        )
    return value


def check_workers(name: str, value: object) -> int | Gang:
    """Check that a value is a number of workers, a gang, or what a run's record says of one."""
    if isinstance(value, Gang):
        return value
    if isinstance(value, Mapping):
        try:
            return Gang(**value)
        except TypeError:
            raise InvalidArgumentError(
                f"{name} must be a number of workers or an experiment.Gang, got {value!r}. Write "
                f"{name}=experiment.Gang(4, batch_size='worker')."
            ) from None
    return as_int(name, value, at_least=1)


def check_files(name: str, value: object) -> Sequence[str]:
    """Check that a value is a list of existing files of code."""
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


def check_one_metric(target: object, prune: object, patience: object) -> None:
    """Refuse the options that don't go with several metrics."""
    if patience is not None:
        raise InvalidArgumentError(
            "patience goes with one metric: with several, a trial may be better in one and worse "
            "in another. Leave it out, or use stop_when=."
        )
    if target is not None:
        raise InvalidArgumentError(
            "target goes with one metric: with several, no single value is good enough. Leave "
            "it out."
        )
    if prune is not None:
        raise InvalidArgumentError(
            "prune goes with one metric: with several, no single curve decides. Leave it out."
        )


def check_processes(engine: object, isolation: object) -> None:
    """Refuse the options that leave a trial without processes for its workers."""
    for name, value in (("engine", engine), ("isolation", isolation)):
        if value not in ("spark", "fork", "spawn"):
            raise InvalidArgumentError(
                "Workers that train together run on Spark's executors, each in a new process, "
                f"which {name}={value!r} doesn't give them. Leave it out."
            )


def _differ(values: Sequence[object]) -> bool:
    return all(value not in values[:k] for k, value in enumerate(values))


def _check_choice(name: str, value: object, known: tuple[object, ...]) -> object:
    if value not in known:
        listed = " or ".join(map(repr, known))
        raise InvalidArgumentError(f"{name} must be {listed}, got {value!r}.")
    return value


def check_constrained(metric: object, prune: object) -> None:
    """Check that `metric` is given, and `prune` is not, where there are constraints."""
    if metric is None:
        raise InvalidArgumentError(
            "constraint= is about a dict that the train function returns: name its entry to "
            "optimise, too, such as metric='accuracy'."
        )
    if prune is not None:
        raise InvalidArgumentError(
            "constraint= does not go with prune=: a trial that is ended early has returned no "
            "constraint. Leave one of them out."
        )
