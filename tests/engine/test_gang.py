"""What a gang is, and which of its results counts."""

import pytest

from sparkexp.engine.gang import Gang
from sparkexp.engine.spark.gangs import choose_result, tell_way_on
from sparkexp.errors import InvalidArgumentError
from sparkexp.trial import Loss, State, Trial, TrialResult


@pytest.mark.parametrize(
    ("given", "rule"),
    [
        ({"workers": 0}, "workers"),
        ({"workers": True}, "workers"),
        ({"workers": 2.5}, "workers"),
        ({"workers": 2, "strategy": "mirrored"}, "'sync' or 'async', got 'mirrored'"),
        ({"workers": 2, "batch_size": 64}, "'gang' or 'worker', got 64. The number"),
        ({"workers": 2, "servers": 1}, "servers=1 goes with strategy='async'"),
        ({"workers": 2, "strategy": "async", "servers": 0}, "servers"),
        ({"workers": 2, "strategy": "async", "min_workers": 1}, "goes with strategy='sync'"),
        ({"workers": 2, "min_workers": 3}, "at most workers=2, got 3"),
        ({"workers": 2, "checkpoint_minutes": 0}, "number above 0, got 0"),
        ({"workers": 2, "checkpoint_minutes": "5"}, "number above 0, got '5'"),
        ({"workers": 2, "checkpoint_minutes": float("nan")}, "number above 0"),
    ],
)
def test_a_gang_that_can_not_be(given, rule):
    with pytest.raises(InvalidArgumentError, match=rule):
        Gang(**given)


def test_what_a_gang_that_is_given_up_can_do():
    lost = TrialResult(Trial(0, {}), State.FAILED, error="killed", loss=Loss.KILLED, attempt=3)
    told = tell_way_on(lost)
    assert told.reason == "killed"
    assert "started 4 times" in told.error and "retry_failed=True" in told.error


def test_a_record_holds_a_gang():
    gang = Gang(4, "async", servers=2, checkpoint_minutes=5)
    assert Gang(**gang.to_json()) == gang
    assert gang.size == 6 and gang.smallest == 6
    assert Gang(4, min_workers=2).smallest == 2


def result(rank, ended, loss=None, state=State.FAILED):
    error = f"worker {rank}" if state is State.FAILED else None
    return TrialResult(
        Trial(0, {}), state, error=error, ended=ended, loss=loss, logdir=f"d{rank}",
        value=float(rank) if state is State.SUCCEEDED else None, warnings=(f"w{rank}",),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("results", "error", "loss"),
    [
        # The one that was killed, not those that noticed before its end was known.
        ([result(0, 1, Loss.PEER), result(1, 2, Loss.KILLED)], "worker 1", Loss.KILLED),
        # The first error of its own.
        ([result(0, 3, Loss.PEER), result(1, 2), result(2, 1)], "worker 2", None),
        # One was frozen: it had to be ended.
        ([result(0, 1, Loss.PEER), result(1, 2, Loss.ENDED)], "stopped answering", Loss.ENDED),
        ([result(0, 2, Loss.PEER), result(1, 1, Loss.PEER)], "worker 1", Loss.PEER),
    ],
)
def test_the_failure_that_counts(results, error, loss):
    chosen = choose_result(results)
    assert error in chosen.error and chosen.loss is loss
    assert chosen.logdir == "d0"  # the chief's: the trial's own


def test_the_result_is_the_chiefs():
    ended = [result(rank, 1, state=State.SUCCEEDED) for rank in range(3)]
    chosen = choose_result(ended)
    assert chosen.value == 0.0 and chosen.warnings == ("w0", "w1", "w2")
