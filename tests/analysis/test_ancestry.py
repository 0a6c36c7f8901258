"""Where trials come from, and what each changed."""

from __future__ import annotations

from sparkexp.analysis.ancestry import (
    describe_change,
    find_ancestors,
    find_records,
    trace_ancestry,
)
from sparkexp.objective import Objective
from sparkexp.space.recorded_architecture import RecordedArchitectures
from sparkexp.trial import State, Trial, TrialResult
from tests.nas.spaces import Stack

SPACES = {"architecture": Stack()}


def ended(number, text, value, parent=None, rate=0.5):
    parent = None if parent is None else Trial(parent, {}).id
    trial = Trial(number, {"architecture": text, "rate": rate}, parent=parent)
    return TrialResult(trial, State.SUCCEEDED, value, {"value": value}, (value,))


FIRST = ended(0, "conv3-none-none", 1.0)
WORSE = ended(1, "conv5-none-none", 0.5, parent=0)
CHILD = ended(2, "conv3-conv5-none", 2.0, parent=0)
BEST = ended(3, "conv3-conv5-conv3", 3.0, parent=2, rate=0.25)
ALL = [FIRST, WORSE, CHILD, BEST]
BY_ID = {result.trial.id: result for result in ALL}


def test_ancestors():
    assert find_ancestors(BEST, BY_ID) == [CHILD, FIRST]
    assert find_ancestors(ended(9, "none-none-none", 0.0, parent=7), BY_ID) == []


def test_what_each_changed():
    steps = trace_ancestry(BEST, BY_ID, SPACES)
    assert [step.change for step in steps] == [
        "layer2: none → conv3, rate: 0.5 → 0.25",
        "layer1: none → conv5",
        "architecture=conv3-none-none, rate=0.5",
    ]


def test_records():
    assert [step.result for step in find_records(ALL, Objective(), SPACES)] == [
        FIRST,
        CHILD,
        BEST,
    ]
    assert len(find_records(ALL, Objective(direction="min"), SPACES)) == 2


def test_where_much_differs_all_is_told():
    one = ended(0, "-".join(["conv3"] * 7), 1.0).trial
    other = ended(1, "-".join(["conv5"] * 7), 1.0).trial
    assert describe_change(other, one, {"architecture": Stack(7)}).startswith(
        "architecture=conv5-"
    )


def test_equal_ones_and_unknown_spaces():
    assert describe_change(FIRST.trial, FIRST.trial, SPACES) == "nothing"
    unknown = {"architecture": RecordedArchitectures({**Stack().to_json(), "space": "Gone"})}
    assert describe_change(WORSE.trial, FIRST.trial, unknown) == (
        "architecture: conv3-none-none → conv5-none-none"
    )
