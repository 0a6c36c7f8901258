"""What the workers of a gang must do alike, and what is each one's own."""

from __future__ import annotations

import signal
from typing import Any

import numpy as np
import pytest

from tests.distributed.processes import Ended, Running


@pytest.fixture(scope="module")
def ended(tmp_path_factory: pytest.TempPathFactory) -> list[Ended]:
    gang = Running("tests.distributed.calls_worker", 2, tmp_path_factory.mktemp("calls"))
    found = gang.wait(150)
    for process in found:
        assert process.value is not None, process.output[-6000:]
    return found


def test_a_worker_lists_its_own_devices(ended: list[Ended]) -> None:
    for rank, process in enumerate(ended):
        split: dict[str, Any] = process.value["split"]
        assert split["devices"] == ("CPU:0", "CPU:1")
        there = [f"/job:worker/replica:0/task:{rank}/device:CPU:{n}" for n in (0, 0, 1, 1)]
        assert split["variables"] == there
    first, second = (process.value["split"]["weights"] for process in ended)
    for one, other in zip(first, second, strict=True):
        assert np.array_equal(one, other)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("arrays", "steps in an epoch: worker 0 has 4, worker 1 has 2; examples: worker 0 has 64"),
        ("epochs", "different epochs: worker 0 has 1, worker 1 has 2"),
        ("steps", "steps in an epoch: worker 0 has 2, worker 1 has 3"),
        ("batches", "examples in a batch: worker 0 has 16, worker 1 has 17"),
        ("data sets", "steps in an epoch: worker 0 has 2, worker 1 has 3"),
        ("validation", "examples of the validation: worker 0 has 64, worker 1 has 32"),
        ("evaluate", "in evaluate, got different steps: worker 0 has 2, worker 1 has 1"),
        ("shapes", "in gang().sum must have one shape, got numbers: worker 0 has 1, worker 1"),
        ("other call", "worker 0 makes evaluate, worker 1 makes gang().sum"),
        ("in an epoch", "worker 0 makes evaluate, worker 1 makes fit"),
        ("endless", "x must have an end, or a number of steps"),
        ("endless validation", "validation_data must have an end"),
        ("endless evaluate", "in evaluate steps"),
        ("endless PyDataset", "got a Endless without end"),
        ("small batch", "must be at least its 2 workers, got 1"),
        ("backend", "backend must be 'tensorflow', got 'torch'"),
    ],
)
def test_what_would_wait_for_ever_is_an_error_of_all(
    ended: list[Ended], name: str, said: str
) -> None:
    for process in ended:
        assert said in process.value["errors"][name]


def test_sigterm_ends_a_worker(ended: list[Ended]) -> None:
    assert ended[0].status == 0
    assert ended[1].status == -signal.SIGTERM
