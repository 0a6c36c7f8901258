"""The benchmark of what TensorBoard's files cost, with few trials."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_it_prints_the_cost_per_trial_and_of_a_whole_search(tmp_path):
    done = subprocess.run(
        [sys.executable, ROOT / "benchmarks" / "tracking.py",
         "--trials", "100", "--repeat", "5", "--json", tmp_path / "figures.json"],
        env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    for row in ("executor: a trial's files | ", "driver: 100 trials | ", "in processor time "):
        assert row in done.stdout
    figures = json.loads((tmp_path / "figures.json").read_text())
    assert figures["driver"]["files"] == 4 and figures["executor"]["files"] == 3
    assert 20 < figures["memory_mb"] < 150
