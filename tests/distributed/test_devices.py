"""A model on two devices of one worker."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def split(tmp_path_factory):
    """What a process printed that trained a model on two logical CPUs."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.distributed.split_model"],
        env={
            **os.environ,
            "CUDA_VISIBLE_DEVICES": "",
            "OMP_NUM_THREADS": "1",
            "PYTHONPATH": str(ROOT),
        },
        cwd=tmp_path_factory.mktemp("split"),
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def places(found: dict[str, str], *parts: str) -> set[str]:
    return {place for name, place in found.items() if any(part in name for part in parts)}


def test_there_are_two_devices(split):
    assert split["devices"] == ["CPU:0", "CPU:1"]


def test_variables_lie_where_they_should(split):
    found = split["variables"]
    assert places(found, "embedding", "lstm", "sequential/dense", "batch_norm") == {"CPU:1"}
    assert places(found, "multi_head_attention/", "dense_1/") == {"CPU:0"}


def test_slots_lie_beside_their_variables(split):
    found = split["slots"]
    assert places(found, "embedding_", "lstm_lstm", "sequential_dense") == {"CPU:1"}
    assert places(found, "adam/dense_1_") == {"CPU:0"}


def test_gradients_are_computed_where_the_layer_is(split):
    found = split["operations"]
    backwards = {name: place for name, place in found.items() if "gradient_tape" in name}
    assert places(backwards, "sequential") == {"/device:CPU:1"}
    last = {name: place for name, place in backwards.items() if "sequential" not in name}
    assert places(last, "dense_1") == {"/device:CPU:0"}


def test_it_trains_as_on_one_device(split):
    assert split["losses"] == pytest.approx(split["expected"], abs=1e-6)


def test_it_is_saved_and_loaded(split):
    assert split["loaded"] < 1e-6


def test_errors_say_the_way_out(split):
    late, unknown, built, no_layer = split["errors"]
    assert "split_cpus must come before TensorFlow's first use" in late
    assert "one of this process's devices, CPU:0, CPU:1, got 'GPU:7'" in unknown
    assert "got one that is placed or built" in built
    assert "got <built-in function len>" in no_layer
