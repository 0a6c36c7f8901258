"""Creates or opens a run at a path or a URL."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from sparkexp.runs.directory import RunDirectory
from sparkexp.runs.remote import RemoteRun
from sparkexp.storage.filesystems import is_remote

__all__ = ["create_run", "open_run"]


def create_run(
    root: str | os.PathLike[str], settings: Mapping[str, Any], run_id: str | None = None
) -> RunDirectory:
    """Make the directory of a new run and write its settings.

    Parameters
    ----------
    root : str or path
        Where.
    settings : mapping
        The run's settings.
    run_id : str, optional
        Its id, if it has been told to others already.

    Raises
    ------
    RunDirectoryError
        If there is a run already, or the directory can't be written.
    StorageError
        If the URL can't be written.

    Examples
    --------
    >>> import tempfile
    >>> run = create_run(tempfile.mkdtemp() + '/run', {'name': 'example'})
    >>> open_run(run.paths.root).settings['name']
    'example'
    """
    return _run_class(root).create(root, settings, run_id)


def open_run(root: str | os.PathLike[str]) -> RunDirectory:
    """Read the settings of an existing run.

    Raises
    ------
    RunDirectoryError
        If there is no run, it is damaged, or another version of sparkexp wrote it.
    StorageError
        If the URL can't be read.
    """
    return _run_class(root).open(root)


def _run_class(root: str | os.PathLike[str]) -> type[RunDirectory]:
    return RemoteRun if is_remote(root) else RunDirectory
