"""Finds out which executor a trial runs on."""

from __future__ import annotations

import os
import re
from pathlib import Path

__all__ = ["find_executor_id"]

# Above a worker are pyspark's daemon and the executor; a wrapper or two may stand between.
MAX_ANCESTORS = 6


def find_executor_id() -> str:
    """Return the id of the executor above this process, as Spark's pages show it.

    The id is in the command line of the executor's Java process on standalone, YARN and Kubernetes
    masters. It is empty if there is no executor (a local session) or no ``/proc``.
    """
    pid = os.getppid()
    try:
        for _ in range(MAX_ANCESTORS):
            words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
            if b"--executor-id" in words[:-1]:
                return words[words.index(b"--executor-id") + 1].decode()
            found = re.search(r"^PPid:\s+(\d+)", Path(f"/proc/{pid}/status").read_text(), re.M)
            pid = int(found[1]) if found else 0
            if pid <= 1:
                break
    except OSError:
        pass
    return ""
