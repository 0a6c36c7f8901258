"""Reads a search space from a file."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any

from sparkexp.cli.structured_file import read_structured
from sparkexp.errors import SpaceError
from sparkexp.space import Choice, Float, Int

__all__ = ["read_space"]

_KINDS: dict[str, tuple[type[Any], tuple[str, ...], tuple[str, ...]]] = {
    "float": (Float, ("low", "high"), ("log", "step")),
    "int": (Int, ("low", "high"), ("log", "step")),
    "choice": (Choice, ("options",), ("ordered",)),
}
_FLAGS = ("log", "ordered")
_EXAMPLE = "{type: float, low: 0.0001, high: 0.1, log: true}"


def read_space(path: str) -> Any:
    """Return the search space, or the list of configurations, that a file holds.

    Parameters
    ----------
    path : str
        A .json or .yaml file. Lists and single values mean the same as in Python. A mapping is a
        `Float`, `Int` or `Choice`: ``type`` names the class, the other entries its arguments.

    Raises
    ------
    SpaceError
        If an entry is not valid; the message names it.
    InvalidArgumentError
        If the file can't be read.
    EnvironmentUnfitError
        If the file is YAML and PyYAML is not installed.

    Examples
    --------
    >>> from pathlib import Path
    >>> _ = Path('space.json').write_text(
    ...     '{"lr": {"type": "float", "low": 0.001, "high": 0.1, "log": true}, "units": [8, 16]}')
    >>> read_space('space.json')
    {'lr': Float(low=0.001, high=0.1, log=True, step=None), 'units': [8, 16]}
    """
    found = read_structured("A search space", path)
    if isinstance(found, list):
        return found
    if not isinstance(found, Mapping) or not found:
        raise SpaceError(
            f"{path}: a search space must be a mapping from names to values, got {found!r}: "
            "write for example learning_rate: [0.001, 0.01]."
        )
    return {name: _parameter(f"{path}: {name}", value) for name, value in found.items()}


def _parameter(where: str, given: Any) -> Any:
    if not isinstance(given, Mapping):
        return given
    kind = given.get("type")
    if kind not in _KINDS:
        raise SpaceError(
            f"{where}: a parameter with settings has the type float, int or choice, got "
            f"{kind!r}: write {_EXAMPLE}."
        )
    make, needed, optional = _KINDS[kind]
    settings = {name: value for name, value in given.items() if name != "type"}
    _check_settings(f"{where}: {kind}", settings, needed, optional)
    if isinstance(settings.get("options"), Mapping):
        settings["options"] = {
            option: {n: _parameter(f"{where}: {option}: {n}", v) for n, v in sub.items()}
            if isinstance(sub, Mapping)
            else {} if sub is None else sub  # in YAML, nothing after the colon
            for option, sub in settings["options"].items()
        }  # fmt: skip
    try:
        positional = [settings.pop(name) for name in needed]
        return make(*positional, **settings)
    except SpaceError as error:
        raise SpaceError(f"{where}: {error}") from None


def _check_settings(
    where: str, settings: Mapping[str, Any], needed: tuple[str, ...], optional: tuple[str, ...]
) -> None:
    known = (*needed, *optional)
    for name, value in settings.items():
        if name not in known:
            close = difflib.get_close_matches(str(name), known, n=1)
            hint = f" Did you mean {close[0]!r}?" if close else ""
            raise SpaceError(f"{where} has the settings {', '.join(known)}, got {name!r}.{hint}")
        if name in _FLAGS and not isinstance(value, bool):
            raise SpaceError(f"{where}: {name} is true or false, got {value!r}.")
    missing = [name for name in needed if name not in settings]
    if missing:
        raise SpaceError(
            f"{where} needs {' and '.join(needed)}, got {dict(settings)}: {missing[0]} is missing."
        )
