"""TensorFlow's own writers, in a process of its own each: importing TensorFlow takes seconds."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]

CODE = """
import sys
if sys.argv[1] == "before":
    import tensorflow
from sparkexp import experiment
from sparkexp.tracking.tensorboard.live import write_at_once
from tests.tracking.tensorboard.reading import scalars

def train():
    import tensorflow as tf
    writer = tf.summary.create_file_writer(experiment.logdir() + "/train")
    seen = []
    with writer.as_default():
        for step in range(3):
            tf.summary.scalar("epoch_loss", 1.0, step=step)
            run = scalars(experiment.logdir()).get("train", {})
            seen.append(len(run.get("epoch_loss", [])))
    print("seen", seen)
    print("asked for", tf.summary.create_file_writer.__defaults__[0])
    return 1.0

print(experiment.launch(None, train, logdir="run", engine="inline", progress=False).best.value)
import tensorflow as tf
print("afterwards", tf.summary.create_file_writer.__defaults__[0])
print("finders", [f for f in sys.meta_path if "sparkexp" in type(f).__module__])
"""


@pytest.mark.parametrize("imported", [pytest.param("before", marks=pytest.mark.slow), "within"])
def test_records_are_seen_at_once(tmp_path, imported):
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(CODE), imported],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "2"},
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "seen [1, 2, 3]", "asked for 0", "1.0", "afterwards None", "finders []",
    ]  # fmt: skip
