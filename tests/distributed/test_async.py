"""Asynchronous gangs on real processes, which are killed and replaced."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sparkexp.distributed.server_files import ServerFiles
from tests.distributed.async_processes import LIMIT_S, Member, Nursery, wait_for

STEPS = 45  # of an epoch: 1440 examples, 32 a step of the gang, 16 of each of two workers


@pytest.fixture(scope="module")
def nursery(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nursery]:
    with Nursery(tmp_path_factory.mktemp("members")) as made:
        yield made


class Gang:
    """Starts the members of a gang."""

    def __init__(self, nursery: Nursery, shared: Path, **options: Any) -> None:
        self.nursery, self.shared, self.options = nursery, shared, options

    def start(self, rank: int, attempt: int = 0, **arguments: Any) -> Member:
        place = {"rank": rank, "attempt": attempt, "shared": str(self.shared)}
        return self.nursery.start("member", options=self.options, place=place, **arguments)

    def updates(self, server: int = 0) -> int:
        address = ServerFiles(str(self.shared), server).find()
        assert address is not None and address.is_over
        return address.updates

    def state(self) -> dict[str, Any]:
        content = ServerFiles(str(self.shared), 0).read_checkpoint()
        assert content is not None
        with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
            return dict(json.loads(arrays["state"].tobytes()))

    def wait_for_epoch(self, rank: int, epoch: int, member: Member, place: str = "epoch") -> None:
        path = self.shared / f"{place}-{rank}"
        wait_for(
            lambda: path.exists() and int(path.read_text() or 0) >= epoch,
            LIMIT_S,
            lambda: member.output,
        )


def describe(name: str, module: str = "keras.optimizers", **config: Any) -> dict[str, Any]:
    return {"module": module, "class_name": name, "config": config, "registered_name": None}


@pytest.mark.together("async")
@pytest.mark.slow
def test_two_workers_train_with_one_server(nursery, tmp_path):
    # Nothing changes any more after 400 of the server's 540 updates; a worker makes 270.
    steps = {"boundaries": [400], "values": [0.1, 0.0]}
    schedule = describe("PiecewiseConstantDecay", "keras.optimizers.schedules", **steps)
    optimizer = describe("SGD", learning_rate=schedule)
    gang = Gang(nursery, tmp_path, workers=2, servers=1)
    server = gang.start(2)
    members = [gang.start(rank, optimizer=optimizer, still_from=402) for rank in (0, 1)]
    results = [member.wait() for member in members]
    assert server.wait() is None
    assert all(isinstance(result, dict) for result in results), members[0].output
    assert [result["steps"] for result in results] == [6 * STEPS] * 2
    assert gang.updates() == 12 * STEPS
    assert max(result["iterations"] for result in results) == 12 * STEPS
    assert results[0]["history"]["val_accuracy"][-1] > 0.85
    assert all(len(result["history"]["staleness"]) == 6 for result in results)
    last = max(results, key=lambda result: result["iterations"])
    assert last["rate"] == 0 and last["stands_still"] == [True] * 6
    assert (tmp_path / "model-0.keras").exists() and not (tmp_path / "model-1.keras").exists()
    late = gang.start(1, attempt=1).wait()
    assert late is None


@pytest.mark.together("async")
def test_a_killed_worker_is_replaced(nursery, tmp_path):
    optimizer = describe("Adam", learning_rate=0.003, global_clipnorm=1.0)
    gang = Gang(nursery, tmp_path, workers=2, servers=2)
    servers = [gang.start(rank) for rank in (2, 3)]
    chief = gang.start(0, optimizer=optimizer)
    killed = gang.start(1, optimizer=optimizer, dies_at=[2, 9])
    assert killed.wait() == -9
    replacement = gang.start(1, attempt=1, optimizer=optimizer)
    results = [member.wait() for member in (chief, replacement)]
    assert [server.wait() for server in servers] == [None, None]
    # The replacement repeats the epoch that was not finished.
    assert [result["steps"] for result in results] == [6 * STEPS, 4 * STEPS]
    assert [result["epochs"] for result in results] == [list(range(6))] * 2
    assert [len(result["history"]["loss"]) for result in results] == [6, 6]
    made = 6 * STEPS + (2 * STEPS + 10) + 4 * STEPS
    assert [gang.updates(server) for server in (0, 1)] == [made, made]
    assert results[0]["history"]["val_accuracy"][-1] > 0.85


@pytest.mark.together("async")
def test_a_killed_server_goes_on_and_a_worker_that_is_gone_is_not_waited_for(nursery, tmp_path):
    gang = Gang(nursery, tmp_path, workers=2, servers=1, lost_s=10.0)
    server = gang.start(2)
    chief = gang.start(0, epochs=5, pause_s=0.01)
    other = gang.start(1, epochs=5, pause_s=0.01, dies_at=[3, 4])
    gang.wait_for_epoch(0, 1, chief, "middle")
    server.kill()
    assert server.wait() == -9
    state = gang.state()
    # An epoch of the chief that counts as done is in the weights, long before checkpoint_s.
    finished = len(state["workers"][0]["epochs"]["0"])
    assert finished >= 1
    assert state["models"]["model-0"]["step"] >= finished * STEPS
    again = gang.start(2, attempt=1)
    result = chief.wait()
    assert other.wait() == -9
    assert again.wait() is None, again.output
    lost = [worker["lost"] for worker in gang.state()["workers"]]
    assert result["steps"] == 5 * STEPS
    assert f"{lost[0]} updates of worker 0 came after the last checkpoint" in chief.output
    assert 0 < lost[0] < 2 * STEPS
    assert gang.updates() == 5 * STEPS + 3 * STEPS + 5 - sum(lost)
    assert "gone without a goodbye" in again.output
    assert result["history"]["val_accuracy"][-1] > 0.8


@pytest.mark.together("async")
def test_unusual_models_train(nursery, tmp_path):
    gang = Gang(nursery, tmp_path, workers=1, servers=2)
    for rank in (1, 2):
        gang.start(rank)
    worker = gang.start(0, trains="unusual")
    found = worker.wait()
    assert isinstance(found, dict), worker.output
    assert found["stopped after"] == 2
    assert found["unused"] > 0
    assert found["iterations"] == 2 * 5 + 5 * 7
    losses = found["losses"]
    assert losses[1] < losses[0], "the rate that a callback sets counts on the servers"
    assert losses[3] == pytest.approx(losses[4], rel=0.2)
    assert found["rates"] == pytest.approx([0.01, 0.005])
    assert found["on batches"][-1] < found["on batches"][0]
    assert found["half"] == ["bfloat16", 4]


@pytest.mark.slow
@pytest.mark.together("async")
def test_one_of_two_servers_and_the_chief_are_killed(nursery, tmp_path):
    gang = Gang(nursery, tmp_path, workers=2, servers=2, checkpoint_s=0.3)
    gang.start(2)
    server = gang.start(3)
    chief = gang.start(0, epochs=5, pause_s=0.01, dies_at=[3, 4])
    other = gang.start(1, epochs=5, pause_s=0.01)
    gang.wait_for_epoch(0, 1, chief)
    server.kill()
    assert server.wait() == -9
    again = gang.start(3, attempt=1)
    assert chief.wait() == -9
    result = gang.start(0, attempt=1, epochs=5).wait()
    assert again.wait() is None, again.output
    assert other.wait()["steps"] == 5 * STEPS
    assert result["steps"] == 2 * STEPS and len(result["history"]["loss"]) == 5
    assert gang.updates() == 5 * STEPS + 3 * STEPS + 5 + 2 * STEPS
    assert result["history"]["val_accuracy"][-1] > 0.8


@pytest.mark.slow
@pytest.mark.together("async")
def test_a_gang_that_was_killed_as_a_whole_goes_on(nursery, tmp_path):
    gang = Gang(nursery, tmp_path, workers=2, servers=1, checkpoint_s=0.3)
    members = [gang.start(rank, epochs=5, pause_s=0.01) for rank in (0, 1, 2)]
    gang.wait_for_epoch(0, 2, members[0])
    gang.wait_for_epoch(1, 2, members[1])
    wait_for(lambda: gang.state()["models"]["model-0"]["step"] > 4 * STEPS, LIMIT_S, str)
    for killed in members:
        killed.kill()
        assert killed.wait() == -9
    members = [gang.start(rank, attempt=1, epochs=5) for rank in (0, 1, 2)]
    results = [started.wait() for started in members[:2]]
    assert members[2].wait() is None
    assert all(result["steps"] <= 4 * STEPS for result in results)
    assert [result["epochs"] for result in results] == [list(range(5))] * 2
    # The chief's result was lost, though it has said goodbye: the server is started again, too.
    members = [gang.start(rank, attempt=2, epochs=5) for rank in (0, 2)]
    assert members[0].wait()["steps"] == STEPS
    assert members[1].wait() is None
