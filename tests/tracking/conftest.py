from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable

import pytest


@pytest.fixture
def run_python(tmp_path) -> Callable[..., str]:
    """Runs code in a fresh interpreter in an empty directory; returns its output."""

    def run(code: str, *args: object) -> str:
        done = subprocess.run(
            [sys.executable, "-W", "error", "-c", code, *map(str, args)],
            capture_output=True,
            text=True,
            cwd=tmp_path,
            timeout=120,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    return run
