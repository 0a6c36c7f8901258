"""Lists and reads the artifacts of a trial that has ended."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import FunctionType
from typing import Any

import numpy as np

from sparkexp.errors import InvalidArgumentError, RunDirectoryError
from sparkexp.nas import register_layers
from sparkexp.runs import RunPaths
from sparkexp.storage.filesystems import is_remote
from sparkexp.storage.remote_files import (
    RemoteFiles,
    join_location,
    local_copy_of,
    path_below,
    storage_errors,
)

__all__ = ["REGISTRATIONS", "list_artifacts", "load_artifact", "load_model"]

_TEXTS = (".txt", ".md", ".log")
#: Called before a model is loaded: each registers a class with Keras that models may hold.
REGISTRATIONS: list[Callable[[], object]] = [register_layers]


def list_artifacts(trial_directory: str) -> list[str]:
    """Return the artifacts of a trial as paths below its artifact directory, in order.

    Parameters
    ----------
    trial_directory : str
        Directory of the trial, or its URL.
    """
    if is_remote(trial_directory):
        with storage_errors(trial_directory):
            return _open_remote_artifacts(trial_directory).tree()
    root = RunPaths.artifacts(Path(trial_directory))
    return sorted(path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file())


def load_artifact(
    trial_id: str, trial_directory: str, name: str, loader: Callable[[Path], Any] | None = None
) -> Any:
    """Return an artifact, as `BestTrial.load_artifact` says."""
    path = _find_artifact(trial_id, trial_directory, name)
    if loader is not None:
        return loader(path)
    match path.suffix.lower():
        case ".json":
            return json.loads(path.read_text(encoding="utf-8"))
        case ".npy":
            return np.load(path, allow_pickle=False)
        case ".npz":
            with np.load(path, allow_pickle=False) as arrays:
                return dict(arrays)
        case suffix if suffix in _TEXTS:
            return path.read_text(encoding="utf-8")
        case _:
            return path


def load_model(path: Path, custom_objects: Mapping[str, Any] | None = None) -> Any:
    """Return a Keras model; code that it brings along is not run.

    Parameters
    ----------
    path : Path
        The file.
    custom_objects : Mapping[str, Any], optional
        Layers and functions by name, beside those that the script or notebook defines.
    """
    import keras

    for register in REGISTRATIONS:
        register()
    defined = {
        name: value
        for name, value in list(vars(sys.modules["__main__"]).items())
        if isinstance(value, (type, FunctionType)) and value.__module__ == "__main__"
    }
    known = {**defined, **(custom_objects or {})}
    return keras.models.load_model(str(path), custom_objects=known, safe_mode=True)


def _find_artifact(trial_id: str, trial_directory: str, name: str) -> Path:
    wanted = Path(name)
    if wanted.is_absolute() or ".." in wanted.parts or not wanted.parts:
        raise InvalidArgumentError(
            f"An artifact's name is its path below experiment.artifact_dir(), got {name!r}. Write "
            "load_artifact('history.json')."
        )
    if is_remote(trial_directory):
        root = _fetch_artifact(trial_directory, wanted)
    else:
        root = RunPaths.artifacts(Path(trial_directory))
    if not (root / wanted).exists():
        present = ", ".join(list_artifacts(trial_directory)) or "none"
        way_out = (
            "Call experiment.save_model(model)"
            if wanted.suffix == ".keras"
            else "Write it into experiment.artifact_dir()"
        )
        raise RunDirectoryError(
            f"{trial_id} has no artifact {name!r}; it has: {present}. {way_out} in the train "
            "function; keep= sets for how many trials artifacts are kept."
        )
    return root / wanted


def _fetch_artifact(location: str, wanted: Path) -> Path:
    """Copy an artifact to this machine, where it stays; return the directory that has it."""
    root = RunPaths.artifacts(local_copy_of(location))
    with storage_errors(location):
        files = _open_remote_artifacts(location)
        for name in files.tree():
            if Path(name).is_relative_to(wanted):
                files.fetch(name, path_below(root, name))
    return root


def _open_remote_artifacts(location: str) -> RemoteFiles:
    return RemoteFiles(join_location(location, RunPaths.artifacts(Path()).name))
