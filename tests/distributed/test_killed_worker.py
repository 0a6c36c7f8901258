"""A gang of two whose worker is killed in mid-epoch ends as one that was left alone."""

from __future__ import annotations

import numpy as np
import pytest

from tests.distributed.processes import Running, run

WORKER = "tests.distributed.killed_worker"


@pytest.fixture(scope="module")
def gangs(tmp_path_factory):
    """What the gang returned that was left alone, and the one that was killed and restarted."""
    root = tmp_path_factory.mktemp("gangs")
    (root / "whole").mkdir()
    (root / "shared").mkdir()
    whole = run(WORKER, 2, root / "1", str(root / "whole"), "no")
    killed = Running(WORKER, 2, root / "2", [str(root / "shared"), "kill"]).wait()
    assert killed[1].status == -9
    assert "PeerLostError" in str(killed[0].value)
    return whole, run(WORKER, 2, root / "3", str(root / "shared"), "no")


@pytest.mark.slow
def test_a_killed_gang_ends_with_the_same_weights(gangs):
    whole, again = gangs
    for rank in range(2):
        # Killed after step 5 of the second epoch; the last checkpoint came after step 4.
        assert whole[rank]["steps"] == [0] * 8 + [1] * 8 + [2] * 8
        assert again[rank]["steps"] == [1] * 4 + [2] * 8
        for one, other in zip(again[rank]["weights"], whole[rank]["weights"], strict=True):
            assert np.abs(one - other).max() <= 1e-6
        assert [a.tolist() for a in again[rank]["seeds"]] == [
            a.tolist() for a in whole[rank]["seeds"]
        ]
        for name, values in whole[rank]["history"].items():
            assert again[rank]["history"][name] == pytest.approx(values, abs=1e-6), name
    masks = [whole[rank]["seeds"] for rank in range(2)]
    assert str(masks[0]) != str(masks[1])


@pytest.mark.slow
def test_the_chief_says_how_fast_the_gang_is(gangs):
    chief, other = gangs[0]
    reported = chief["reported"]
    assert 0 < reported["gang/all_reduce_share"] < 1
    assert {"gang/worker_0/examples_per_second", "gang/worker_1/examples_per_second"} < set(
        reported
    )
    assert reported["loss"] == chief["history"]["loss"][-1]
    assert other["reported"] == {}
    assert other["status"] is None
    assert (chief["status"].epoch, chief["status"].step) == (3, 8)
