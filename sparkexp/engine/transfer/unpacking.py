"""Unpacks the user's modules on an executor, and puts them on the search path."""

from __future__ import annotations

import functools
import os
import shutil
import sys
import tempfile
import zipfile
from pathlib import Path

from sparkexp.engine.transfer.executor_modules import MODULES, find_own
from sparkexp.engine.transfer.package_files import module_names
from sparkexp.engine.transfer.private_folder import private_folder

__all__ = ["forget_earlier_modules", "unpack_modules"]


def unpack_modules(names: tuple[str, ...]) -> tuple[str, ...]:
    """Return what a trial's process puts first on its search path.

    Modules that were found and sent are unpacked. They stand last on this process's path, for
    trackers, instead of those of earlier searches; and first on the trial's, unless this executor
    has one of them itself.

    Parameters
    ----------
    names : tuple of str
        Files that Spark has sent.
    """
    from pyspark import SparkFiles

    sys.path[:] = [entry for entry in sys.path if not os.path.basename(entry).startswith(MODULES)]
    first = []
    for name in names:
        location = SparkFiles.get(name)
        if name.startswith(MODULES):
            location = _unpack(Path(location))
            sys.path.append(location)
            if _has_own(location, os.path.abspath(SparkFiles.getRootDirectory())):
                continue
        first.append(location)
    forget_earlier_modules()
    return tuple(first)


def forget_earlier_modules() -> None:
    """Forget modules that were imported, for trackers, from what an earlier search has sent."""
    for folder in sys.path:
        if not os.path.basename(folder).startswith(MODULES):
            continue
        for entry in os.listdir(folder):
            top = entry.partition(".")[0]
            found = getattr(sys.modules.get(top), "__file__", None)
            if found and f"/{MODULES}" in found and not found.startswith(f"{folder}/"):
                for name in [name for name in sys.modules if name.partition(".")[0] == top]:
                    del sys.modules[name]


def _unpack(archive: Path) -> str:
    """Return the folder with an archive's files, which the first trial unpacks.

    It lies beside the archive, where Spark removes both with the session, or else, where this
    process can't write, in a folder of its own.
    """
    folder = archive.with_suffix("")
    if folder.is_dir():
        return str(folder)
    try:
        aside = tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent)
    except OSError:
        folder = private_folder() / folder.name
        if folder.is_dir():
            return str(folder)
        aside = tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent)
    try:
        with zipfile.ZipFile(archive) as opened:
            opened.extractall(aside)
            for member in opened.infolist():
                if member.external_attr >> 16 & 0o100:  # which Python doesn't restore
                    os.chmod(os.path.join(aside, member.filename), 0o700)
        os.rename(aside, folder)
    except OSError:
        # Another worker of this executor was faster: then it is there.
        shutil.rmtree(aside, ignore_errors=True)
        if not folder.is_dir():
            raise
    return str(folder)


@functools.lru_cache
def _has_own(folder: str, sent: str) -> bool:
    """Return whether this Python has one of the modules in a folder itself."""
    return any(find_own(name, sent) for name in module_names(Path(folder)))
