"""The JSON files of a run's state, and what is said where one is damaged."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sparkexp.errors import RunDirectoryError
from sparkexp.runs.paths import RunPaths
from sparkexp.storage.regular_files import read_regular, write_whole

__all__ = [
    "FORMAT_VERSION",
    "name_sibling",
    "damage_error",
    "no_run_error",
    "find_root",
    "read_json",
    "read_sealed",
    "read_settings",
    "write_json",
    "write_sealed",
    "write_settings",
]

FORMAT_VERSION = 1
_ID = re.compile(rb'"id": "([0-9a-f]+)"')
# The run's id is one of the first entries of its settings, which may be long.
_HEAD_BYTES = 200
_ID_LETTERS = 8
_SEAL = "digest"
# The kinds of the settings that a run may have.
_SETTINGS = {
    **dict.fromkeys(("name", "sparkexp_version", "created", "direction", "searcher"), str),
    **dict.fromkeys(("train", "own_searcher"), str | None),
    **dict.fromkeys(("space", "repeating"), dict | None),
    **dict.fromkeys(("settings", "options", "listed_objects"), dict),
    **dict.fromkeys(("directions", "initial", "known"), list),
    **dict.fromkeys(("needs_values", "reuse", "where"), bool),
}


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write a file of a run's state."""
    # In ASCII, since UTF-8 can't encode some texts (names of files that could not be decoded).
    write_whole(path, json.dumps(content, allow_nan=False).encode("ascii"))


def write_sealed(path: Path, content: Mapping[str, Any]) -> None:
    """Write a file with a digest, for a content that nobody could check otherwise."""
    text = json.dumps(content, allow_nan=False)
    seal = json.dumps({_SEAL: _digest(text)})
    write_whole(path, f"{text[:-1]}, {seal[1:]}".encode("ascii"))


def read_sealed(path: Path) -> dict[str, Any]:
    """Return the content that `write_sealed` wrote; of an early version, without a digest.

    Raises
    ------
    RunDirectoryError
        If it can't be read, isn't one, or was changed.
    """
    content = read_json(path)
    seal = content.pop(_SEAL, None)
    if seal is not None and seal != _digest(json.dumps(content)):
        raise damage_error(path, "it was changed after it had been written")
    return content


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("ascii")).hexdigest()[:16]


def read_json(path: Path) -> dict[str, Any]:
    """Return what a file of a run's state holds.

    Raises
    ------
    RunDirectoryError
        If it can't be read, or isn't one.
    """
    try:
        content = json.loads(read_regular(path).decode("utf-8"))
    except (OSError, ValueError) as error:
        raise damage_error(path, error) from error
    except RecursionError:
        raise damage_error(path, "it is nested too deeply") from None
    if not isinstance(content, dict):
        raise damage_error(path, f"it holds a {type(content).__name__} instead of an object")
    return content


def damage_error(path: Path, reason: object) -> RunDirectoryError:
    """Return the error for a file of a run that holds something else than it should."""
    return RunDirectoryError(
        f"{path} is damaged: {reason}. Restore it from a copy. You may also delete a trial's "
        "record, which experiment.resume then runs again, or the searcher's state, which it "
        "rebuilds from the records."
    )


def no_run_error(root: str | os.PathLike[str]) -> RunDirectoryError:
    """Return the error for opening a directory without a run."""
    return RunDirectoryError(
        f"{str(root)!r} holds no run of sparkexp: it has no {RunPaths(Path()).experiment.name}. "
        "Name the log directory that the search printed."
    )


def write_settings(path: Path, settings: Mapping[str, Any], run_id: str = "") -> None:
    """Write a run's settings."""
    identity = {"id": run_id} if run_id else {}
    write_json(path, {"format": FORMAT_VERSION, **identity, **settings})


def read_settings(paths: RunPaths, root: str | os.PathLike[str]) -> tuple[dict[str, Any], str]:
    """Return a run's settings and its id, which is empty for a run of an early version."""
    if not os.path.lexists(paths.experiment):
        raise no_run_error(root)
    settings = read_json(paths.experiment)
    run_id = str(settings.pop("id", ""))
    if settings.pop("format", None) != FORMAT_VERSION:
        raise RunDirectoryError(
            f"This version of sparkexp reads runs of format {FORMAT_VERSION}, and "
            f"{paths.experiment} has another one. Read it with the version that wrote it: "
            f"{settings.get('sparkexp_version', 'unknown')}."
        )
    for name, kinds in _SETTINGS.items():
        if name in settings and not isinstance(settings[name], kinds):
            raise damage_error(paths.experiment, f"{name!r} is {str(settings[name])[:40]!r}")
    return settings, run_id


def find_root(root: Path, run_id: str | None) -> Path:
    """Return where a run is to be written: its log directory, or beside that of another run.

    Somebody may have removed the directory while the search ran, and started another one there.

    Parameters
    ----------
    root : Path
        The run's log directory.
    run_id : str, optional
        The run's id; empty for one of an early version, None where it isn't known.

    Examples
    --------
    >>> import tempfile
    >>> root = Path(tempfile.mkdtemp(), 'run')
    >>> root.mkdir()
    >>> write_settings(root / 'experiment.json', {}, 'abc')
    >>> [find_root(root, run_id).name for run_id in ('abc', 'def', None)]
    ['run', 'run-def', 'run']
    """
    if run_id is None:
        return root
    try:
        found = _ID.search(read_regular(RunPaths(root).experiment, _HEAD_BYTES))
    except OSError:
        return root
    if found is None or found[1].decode() == run_id:
        return root
    return name_sibling(root, run_id)


def name_sibling(root: Path, run_id: str) -> Path:
    """Return the place of a run whose own has another one."""
    return root.with_name(f"{root.name}-{run_id[:_ID_LETTERS] or 'earlier'}")
