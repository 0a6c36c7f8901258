"""The benchmarks of distributed training: their arithmetic, and a run with few steps."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
BENCHMARKS = ROOT / "benchmarks"
MODULES = ("distributed", "first_step", "gang_process", "large_batch", "projection")


@pytest.fixture(scope="module")
def scripts() -> Iterator[SimpleNamespace]:
    """The scripts by name; gone afterwards, lest other tests ship them along."""
    before = set(sys.modules)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(BENCHMARKS))
        yield SimpleNamespace(**{name: importlib.import_module(name) for name in MODULES})
    for name in set(sys.modules) - before:
        file = getattr(sys.modules[name], "__file__", None) or ""
        if Path(file).is_relative_to(BENCHMARKS):
            del sys.modules[name]


def _round(scripts: SimpleNamespace, alone: float, together: float, busy: float = 1.0) -> Any:
    turn = scripts.gang_process.Measured(alone, alone, 0.0, 100, 0.0, alone)
    slow = replace(turn, wall_s=together, processor_s=together, reduce_s=0.25 * together)
    other = replace(turn, processor_s=busy * alone)
    return {
        "alone": [turn],
        "control": [turn],
        "independent": [turn, other],
        "synchronous": [slow, slow],
    }


def test_a_round_in_which_others_used_the_cores_is_thrown_away(scripts):
    rounds = [
        _round(scripts, 1.0, 1.25),
        _round(scripts, 1.5, 2.0),
        _round(scripts, 0.5, 0.5, busy=0.8),
    ]
    row = scripts.distributed.summarise(rounds, 0.1, 1000)
    assert (row["rounds"], row["thrown_away"]) == (2, 1)
    assert row["independent"]["min_ms"] == 10 and row["synchronous"]["median_ms"] == 16.25
    assert row["efficiency"] == 0.8
    assert row["efficiency_median"] == pytest.approx((0.8 + 0.75) / 2)
    assert row["synchronous"]["reduce_share"] == 0.25
    assert row["control_difference"] == 0
    text = scripts.distributed.report({"mlp-64": row})
    assert "80% (78%)" in text
    assert "mlp-64: 1 of 3 rounds were thrown away" in text


def test_without_a_quiet_round_there_is_no_figure(scripts):
    row = scripts.distributed.summarise([_round(scripts, 1.0, 1.0, busy=0.5)], 0.1, 1000)
    assert row["rounds"] == 0
    assert "| mlp-64 | – | –" in scripts.distributed.report({"mlp-64": row})


def test_latency_and_bandwidth_are_found_from_times(scripts):
    network = scripts.projection.Network("", 8.0, 100.0)
    seconds = {
        size: scripts.projection.ring_ms(size, network, 4) / 1000 for size in (4, 10**5, 10**7)
    }
    latency, bandwidth = scripts.distributed.fit_line(seconds, 4)
    assert latency == pytest.approx(100e-6)
    assert bandwidth == pytest.approx(1e9)


def test_a_ring_of_two_sends_the_vector_once(scripts):
    network = scripts.projection.Network("", 8.0, 0.0)  # 1 GB/s
    assert scripts.projection.ring_ms(1e6, network, 1) == 0
    assert scripts.projection.ring_ms(1e6, network, 2) == pytest.approx(1.0)
    assert scripts.projection.ring_ms(1e6, network, 256) == pytest.approx(2 * 255 / 256)
    slow = scripts.projection.Network("", 8.0, 1000.0)
    assert scripts.projection.ring_ms(0, slow, 5) == pytest.approx(8.0)


def test_efficiency_is_the_part_of_a_step_that_trains(scripts):
    network = scripts.projection.Network("", 8.0, 0.0)
    step = scripts.projection.Step("", step_ms=6.0, gradient_bytes=1e6, overhead_ms=1.0)
    assert scripts.projection.efficiency(step, network, 2) == pytest.approx(6 / 8)


def test_a_projection_to_what_was_measured_says_what_was_measured(scripts):
    content = {
        "figures": {
            "cnn": {
                "rounds": 3,
                "gradient_bytes": 1e6,
                "independent": {"min_ms": 20.0},
                "synchronous": {"min_ms": 25.0},
            },
            "void": {"rounds": 0},
        },
        "loopback": {"workers": 2, "latency_s": 5e-4, "bytes_per_second": 1e9},
    }
    (step,) = scripts.projection.steps_from(content)
    assert step.overhead_ms == pytest.approx(3.0)  # 1 ms of latency, 1 ms of bytes
    loopback = scripts.projection._loopback(content["loopback"])
    assert scripts.projection.efficiency(step, loopback, 2) == pytest.approx(20 / 25)
    text = scripts.projection.report([step], [loopback])
    assert "A model, not a measurement" in text and "about 90% from 8 to 256 GPUs" in text


def test_the_large_batches_are_compared_seed_by_seed(scripts):
    setting = scripts.large_batch.SETTINGS["digits"]
    text = scripts.large_batch.report(
        "digits", setting, {"small": [0.9, 0.8], "recipe": [0.91, 0.83]}, 1
    )
    assert "85.00 ± 5.00 | –" in text
    assert "87.00 ± 4.00 | +2.00 ± 1.00" in text


def _run(script: str, *argv: str) -> str:
    done = subprocess.run(
        [sys.executable, BENCHMARKS / script, *argv],
        env={**os.environ, "PYTHONPATH": str(ROOT), "CUDA_VISIBLE_DEVICES": ""},
        capture_output=True, text=True, timeout=400,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


@pytest.mark.slow
@pytest.mark.skipif(
    not hasattr(os, "sched_setaffinity") or len(os.sched_getaffinity(0)) < 2,
    reason="each worker has a core of its own",
)
def test_two_workers_are_measured_and_projected(tmp_path):
    printed = _run(
        "distributed.py", "--workloads", "cnn-64", "--steps", "3", "--rounds", "2",
        "--sums", "2", "--tolerance", "1000", "--json", str(tmp_path / "figures.json"),
    )  # fmt: skip
    assert "| cnn-64 |" in printed and "Sums alone, 2 workers" in printed
    content = json.loads((tmp_path / "figures.json").read_text())
    row = content["figures"]["cnn-64"]
    assert row["rounds"] == 2
    assert row["gradient_bytes"] == 4 * (160 + 4640 + 8010)
    assert 0 < row["synchronous"]["reduce_share"] < 1
    assert row["independent"]["reduce_share"] == 0
    (turn, _) = content["rounds"]["cnn-64"][0]["synchronous"]
    assert turn["steps"] == 3 and 0 < turn["processor_s"]
    printed = _run("projection.py", str(tmp_path / "figures.json"), "--network", "10", "50")
    assert "| cnn-64:" in printed and "| 10 Gbit/s, 50 µs |" in printed


@pytest.mark.slow
def test_a_large_batch_learns_digits(tmp_path):
    pytest.importorskip("sklearn")
    file = tmp_path / "figures.json"
    _run(
        "large_batch.py", "--data", "digits", "--seeds", "1", "--epochs", "4",
        "--arms", "recipe", "unscaled", "--json", str(file),
    )  # fmt: skip
    accuracies = json.loads(file.read_text())["accuracies"]
    assert accuracies["recipe"][0] > accuracies["unscaled"][0] > 0.1


@pytest.mark.slow
@pytest.mark.spark
def test_a_gang_learns_with_large_batches(tmp_path):
    file = tmp_path / "figures.json"
    _run(
        "large_batch.py", "--data", "digits", "--seeds", "1", "--epochs", "4",
        "--arms", "recipe", "--workers", "2", "--json", str(file),
    )  # fmt: skip
    assert json.loads(file.read_text())["accuracies"]["recipe"][0] > 0.8


@pytest.mark.slow
@pytest.mark.spark
def test_the_time_to_the_first_step_is_measured(tmp_path):
    printed = _run("distributed.py", "--first-step", "--sessions", "1", "--calls", "2")
    assert "| launch, one trial |" in printed and "| distribute, workers=2 |" in printed
