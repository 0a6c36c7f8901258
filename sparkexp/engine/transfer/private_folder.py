"""A folder for temporary files in which nobody else can put anything."""

from __future__ import annotations

import os
import stat
import tempfile
from pathlib import Path

__all__ = ["private_folder"]


def private_folder() -> Path:
    """Return a permanent folder for temporary files, which only this user can write to."""
    folder = Path(tempfile.gettempdir(), f"sparkexp-{os.getuid()}")
    try:
        folder.mkdir(mode=0o700)
    except FileExistsError:
        pass
    found = folder.lstat()
    ours = stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid()
    if not ours or stat.S_IMODE(found.st_mode) & 0o022:
        # Somebody else can write to the folder: code from it must not run.
        return Path(tempfile.mkdtemp(prefix="sparkexp-"))
    return folder
