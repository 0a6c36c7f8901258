"""What a server knows of its workers, without any server."""

from __future__ import annotations

import json

import pytest

from sparkexp.distributed.worker_register import Refused, Sender, WorkerRegister


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def make(workers: int = 2) -> tuple[WorkerRegister, Clock]:
    clock = Clock()
    return WorkerRegister(workers, lost_s=60, idle_s=600, clock=clock), clock


def test_a_push_whose_answer_was_lost_is_accepted_once():
    register, _ = make()
    sender = Sender(0, 0, "a")
    register.arrive(sender)
    assert [register.accept(sender, n) for n in (1, 2, 2, 1, 3)] == [
        True,
        True,
        False,
        False,
        True,
    ]


def test_updates_after_the_last_checkpoint_are_counted_as_lost():
    register, clock = make()
    sender = Sender(1, 0, "a")
    register.arrive(sender)
    assert register.accept(sender, 1)
    restored = WorkerRegister(2, 60, 600, clock)
    restored.load(json.loads(json.dumps(register.to_json())))
    restored.arrive(sender)
    assert not restored.accept(sender, 1)
    assert restored.accept(sender, 5)
    assert restored.lost == 3


def test_a_replaced_process_is_refused():
    register, _ = make()
    old, new = Sender(1, 0, "a"), Sender(1, 1, "b")
    register.arrive(old)
    assert register.accept(old, 7)
    register.arrive(new)
    with pytest.raises(Refused, match=r"attempt 1.*attempt 0 ends"):
        register.hear(old)
    with pytest.raises(Refused):
        register.arrive(old)
    assert register.accept(new, 1), "a new process numbers its pushes anew"


def test_training_ends_with_goodbyes_and_not_before_the_chiefs():
    register, clock = make()
    chief, other = Sender(0, 0, "a"), Sender(1, 0, "b")
    register.arrive(chief)
    register.arrive(other)
    register.leave(other)
    clock.now = 100
    assert not register.is_over, "worker 0 has the result, and may be started again"
    replacement = Sender(0, 1, "c")
    register.arrive(replacement)
    register.leave(replacement)
    assert register.is_over


def test_a_silent_worker_is_gone_after_a_minute():
    register, clock = make(3)
    chief, silent = Sender(0, 0, "a"), Sender(1, 0, "b")
    clock.now = 30
    register.arrive(silent)
    register.arrive(chief)
    register.leave(chief)
    clock.now = 89
    register.hear(chief)
    assert not register.is_over
    clock.now = 91  # worker 2 never came: silent since the start
    assert register.is_over
    assert register.describe().count("gone without a goodbye") == 2


def test_without_workers_the_server_is_abandoned():
    register, clock = make()
    clock.now = 599
    assert not register.is_abandoned
    clock.now = 601
    assert register.is_abandoned


def test_a_chief_whose_result_was_lost_is_awaited():
    register, _ = make(1)
    sender = Sender(0, 0, "a")
    register.arrive(sender)
    register.finish_epoch(sender, "0", [{"loss": 1.0}])
    register.leave(sender)
    restored, _ = make(1)
    restored.load(register.to_json())
    restored.expect_chief()
    assert not restored.is_over
    assert restored.read_epochs(0, "0") == [{"loss": 1.0}]
