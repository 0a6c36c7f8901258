"""The benchmark of the driver's own work, with few trials."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_a_stub_session_keeps_to_its_slots(tmp_path):
    done = subprocess.run(
        [sys.executable, ROOT / "benchmarks" / "scalability.py", "--trials", "20",
         "--slots", "4", "--stub-trials", "16", "--sleep", "0.01", "0.02",
         "--json", tmp_path / "figures.json"],
        env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    (stub,) = json.loads((tmp_path / "figures.json").read_text())["stub"]
    assert stub["trials"] == 16 and stub["most_running"] == 4
