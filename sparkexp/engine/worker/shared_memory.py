"""Removes what a killed trial left in shared memory, which lives on without its processes."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterable
from pathlib import Path

__all__ = ["find_held", "list_names", "remove_unused"]

FOLDER = Path("/dev/shm")
# Names with the id of the process that made them: joblib's folders of arrays, loky's semaphores,
# PyTorch's tensors.
OWNED = re.compile(r"(?:joblib_memmapping_folder_|sem\.loky-|torch_)(\d+)[-_]")


def list_names() -> frozenset[str]:
    """Return what lies in shared memory now."""
    try:
        return frozenset(os.listdir(FOLDER))
    except OSError:
        return frozenset()


def find_held(before: frozenset[str], pids: Iterable[int]) -> set[str]:
    """Return what processes have made in shared memory.

    That is what they have open or mapped, or what is named after them, unless it was there before
    or belongs to another user.

    Parameters
    ----------
    before : frozenset of str
        The names that were there before the processes.
    pids : iterable of int
        The processes.
    """
    pids = set(pids)
    new = {name for name in list_names() - before if _is_own(name)}
    named = {n for n in new if (owner := OWNED.match(n)) and int(owner[1]) in pids}
    return named | (_find_used(pids) & new if new - named else set())


def remove_unused(names: set[str]) -> None:
    """Remove these from shared memory, but for what a process still uses."""
    names = names & list_names()
    if not names:
        return
    used = _find_used(int(pid) for pid in os.listdir("/proc") if pid.isdecimal())
    for name in names - {path.split("/")[0] for path in used}:
        path = FOLDER / name
        try:
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink()
        except OSError:
            pass  # its resource tracker was faster


def _is_own(name: str) -> bool:
    try:
        return (FOLDER / name).lstat().st_uid == os.geteuid()
    except OSError:
        return False


def _find_used(pids: Iterable[int]) -> set[str]:
    """Return the paths, below shared memory, that processes have open or mapped."""
    below = f"{FOLDER}/"
    paths: list[str] = []
    for pid in pids:
        process = Path("/proc", str(pid))
        try:
            for link in (process / "fd").iterdir():
                try:
                    paths.append(os.readlink(link))
                except OSError:
                    pass  # closed while we looked
            lines = (process / "maps").read_text("utf-8", "replace").splitlines()
        except OSError:
            continue  # it ended, or is another user's
        paths += [line.split(None, 5)[5] for line in lines if f" {below}" in line]
    return {path.removeprefix(below) for path in paths if path.startswith(below)}
