"""Where a run's log directory is."""

from __future__ import annotations

import os
import time
import uuid
from pathlib import Path

from sparkexp.driver.train_function import file_name
from sparkexp.errors import InvalidArgumentError, StorageError
from sparkexp.storage.filesystems import is_remote, local_path, open_filesystem

__all__ = ["DEFAULT_ROOT", "choose_logdir", "resolve_logdir"]

DEFAULT_ROOT = "sparkexp-runs"


def resolve_logdir(given: object) -> str:
    """Return what a user gave as log directory, as an absolute path or a URL.

    Raises
    ------
    InvalidArgumentError
        If it is neither.
    """
    text = os.fspath(given) if isinstance(given, os.PathLike) else given
    if not isinstance(text, str) or not text.strip() or "\0" in text:
        raise InvalidArgumentError(f"logdir must be a path or a URL, got {given!r}.")
    try:
        if is_remote(text):
            open_filesystem(text)
            return text.rstrip("/")
        return str(local_path(text))
    except StorageError as error:
        raise InvalidArgumentError(f"logdir: {error}") from error


def choose_logdir(name: str) -> Path:
    """Return a new log directory for a run; no other process chooses the same one."""
    # The random part is needed: other threads and drivers may start in the same second.
    when = f"{time.strftime('%Y%m%d-%H%M%S')}-{uuid.uuid4().hex[:8]}"
    return Path(DEFAULT_ROOT, f"{file_name(name)}-{when}").absolute()
