"""Trials that are ended early: the rule, the files, and whole searches on the inline engine."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from sparkexp import experiment
from sparkexp.context.curve import MAX_POINTS, CurveFile, extract_curve, read_reports
from sparkexp.driver.pruning import Pruner
from sparkexp.driver.pruning_rule import Curve, MedianRule, PruningRule, as_rule
from sparkexp.errors import InvalidArgumentError
from sparkexp.objective import Objective
from sparkexp.runs import RunDirectory
from sparkexp.tracking import Report
from sparkexp.trial import State, Trial, TrialResult

from ..tracking.tensorboard.reading import scalars, session_groups

QUIET = {"engine": "inline", "progress": False}
FLAT = [Curve([(step, level) for step in range(6)]) for level in (0.2, 0.4, 0.6)]


@pytest.mark.parametrize(
    ("curve", "direction", "ends"),
    [
        ([0.3, 0.3, 0.3], "max", True),  # the median of the means is 0.4
        ([0.3, 0.4, 0.3], "max", False),  # its best counts
        ([0.3, 0.5, 0.1], "max", False),
        ([0.5, 0.5, 0.5], "min", True),
        ([0.5, 0.3, 0.5], "min", False),
        ([0.1, 0.1], "max", False),  # too early
    ],
)
def test_the_median_rule(curve, direction, ends):
    rule = MedianRule(min_trials=3, warmup=3)
    running, objective = Curve(list(enumerate(curve))), Objective(None, direction)
    assert rule.should_prune(running, FLAT, objective) is ends
    assert not rule.should_prune(running, FLAT[:2], objective)


def test_others_count_with_what_they_had_reported_by_then():
    rule = MedianRule(min_trials=1, warmup=1)
    late = Curve([(0, 0.1), (10, 0.9)])
    assert not rule.should_prune(Curve([(5, 0.2)]), [late], Objective())
    assert rule.should_prune(Curve([(10, 0.2)]), [late], Objective())
    ahead = Curve([(7, 0.9)])  # nobody else has been there yet
    assert not rule.should_prune(Curve([(5, 0.2)]), [ahead], Objective())


def report(step: int, **metrics: float) -> Report:
    return Report(step, 1.5 + step, metrics)


def accuracy(path: Path) -> list[tuple[int, float]]:
    return extract_curve(read_reports(path), "accuracy")


def test_a_curve_file_is_small_and_whole(tmp_path):
    path = tmp_path / "curves" / "trial-00001.json"
    curve = CurveFile(path, seconds=0.05)
    curve.add(report(0, loss=1.0))
    assert read_reports(path) == [report(0, loss=1.0)]  # the first one at once
    curve.add(report(1, accuracy=0.6, loss=0.5))
    assert len(read_reports(path)) == 1
    time.sleep(0.06)
    curve.add(report(2, accuracy=0.7))
    assert accuracy(path) == [(1, 0.6), (2, 0.7)]
    for step in range(3, 3 * MAX_POINTS):
        curve.add(report(step, accuracy=0.8))
    curve.close()
    points = accuracy(path)
    assert len(points) <= MAX_POINTS and points[-1] == (3 * MAX_POINTS - 1, 0.8)
    assert [p.name for p in path.parent.iterdir()] == [path.name]


def test_without_a_metric_the_only_one_counts():
    assert extract_curve([report(0, a=1.0, b=2.0), report(1, a=1.0)], None) == [(1, 1.0)]


def test_curves_of_version_0_1_0_are_read(tmp_path):
    path = tmp_path / "c.json"
    path.write_text("[[0, 0.5], [3, 0.75]]")
    assert accuracy(path) == extract_curve(read_reports(path), None) == [(0, 0.5), (3, 0.75)]


def test_many_trials_are_looked_at_in_turn(tmp_path):
    run = RunDirectory(tmp_path, {})
    run.paths.curves.mkdir()
    pruner = Pruner(MedianRule(1, 1), Objective(), run)
    good = Trial(0, {})
    run.paths.curve(0).write_text(json.dumps([[s, 0.9] for s in range(500)]))
    pruner.trial_ended(TrialResult(good, State.SUCCEEDED, 0.9))
    running = [Trial(k, {}) for k in range(1, 2001)]
    for trial in running:
        bad = json.dumps([[s, 0.1] for s in range(500)])
        run.paths.curve(trial.number).write_text(bad)
    found = pruner.look(running, at_once=True)
    assert len(found) < len(running)  # there is no time for all of them at once
    for _ in range(4000):
        found += pruner.look(running, at_once=True)
        if len(found) == len(running):
            break
    assert len(set(t.number for t in found)) == len(found) == len(running)  # all, in turn


def train(x: float, steps: int = 10) -> float:
    """A curve that runs at the height of x."""
    for step in range(steps):
        experiment.report(step, accuracy=x + step / 1000)
    return x + 1.0


def test_hopeless_trials_are_pruned_and_their_last_value_counts(tmp_path):
    heights = [0.5, 0.6, 0.7, 0.1, 0.8, 0.2]
    result = experiment.launch(
        None, train, [{"x": x} for x in heights], logdir=tmp_path / "run",
        prune={"min_trials": 3, "warmup": 3}, **QUIET,
    )  # fmt: skip
    states = [str(r.state) for r in result.trials]
    assert states == ["SUCCEEDED"] * 3 + ["PRUNED", "SUCCEEDED", "PRUNED"]
    pruned = result.trials[3]
    assert pruned.value == pytest.approx(0.102) and pruned.error is None and pruned.seconds >= 0
    assert result.best.params == {"x": 0.8}
    assert result.failures() == {} and "2 pruned" in repr(result)
    assert list(result.to_pandas()["status"]) == states
    rows = {row["name"]: row for row in session_groups(tmp_path / "run")}
    row = rows["trial-00003 of run"]
    assert row["status"] == "SUCCESS" and row["metrics"]["objective"] == pytest.approx(0.102)
    assert scalars(tmp_path / "run")["search"]["trials/failed"][-1][1] == 0
    assert [r.state for r in experiment.load(tmp_path / "run").trials] == [
        r.state for r in result.trials
    ]


def test_searchers_are_told_and_failures_are_not_counted(tmp_path):
    result = experiment.evolutionary_search(
        None, train, {"x": [0.0, 1.0]}, popsize=6, generations=4, seed=1, prune="median",
        max_failures=0, **QUIET,
    )  # fmt: skip
    assert len(result) == 30 and result.stopped is None
    assert any(r.state is State.PRUNED for r in result.trials)
    assert result.best.value > 1.9


def test_a_resumed_search_knows_the_curves_of_the_earlier_one(tmp_path):
    listed = [{"x": x} for x in (0.5, 0.6, 0.7, 0.1)]
    options = {"prune": {"min_trials": 3}, "logdir": tmp_path / "run", **QUIET}
    experiment.launch(None, train, listed, max_trials=3, **options)
    resumed = experiment.resume(None, train, tmp_path / "run", max_trials=None, **QUIET)
    assert resumed.trials[3].state is State.PRUNED


def test_without_prune_nothing_is_written_for_it(tmp_path):
    experiment.launch(None, train, {"x": [0.5]}, logdir=tmp_path / "run", **QUIET)
    assert not (tmp_path / "run" / "curves").exists()


def test_several_metrics_have_no_median():
    with pytest.raises(InvalidArgumentError, match="prune goes with one metric"):
        experiment.launch(None, train, {"x": [1]}, metric=["a", "b"], prune="median", **QUIET)


@pytest.mark.parametrize("prune", ["mean", 3, {"warm": 1}, {"warmup": 0}])
def test_rules_that_there_are_not(prune):
    with pytest.raises(InvalidArgumentError, match="prune must be|warmup is a whole number"):
        as_rule(prune)


class FloorRule(PruningRule):
    """Ends what has reported a value below a floor."""

    def __init__(self, floor: float) -> None:
        self.floor = floor

    def should_prune(self, curve, others, objective):
        return min(curve.values) < self.floor


class BrokenRule(PruningRule):
    def should_prune(self, curve, others, objective):
        raise ZeroDivisionError("a bug of the user's")


def states(result) -> list[str]:
    return [str(r.state) for r in result.trials]


def test_a_rule_of_the_user_s_own_is_asked_for_on_resume(tmp_path):
    listed = [{"x": x} for x in (0.5, 0.1, 0.7, 0.2)]
    options = {"logdir": tmp_path / "run", **QUIET}
    result = experiment.launch(None, train, listed, prune=FloorRule(0.3), max_trials=2, **options)
    assert states(result) == ["SUCCEEDED", "PRUNED"]
    record = json.loads((tmp_path / "run" / "experiment.json").read_text())
    assert record["options"]["prune"] == {"rule": "FloorRule"}
    with pytest.raises(InvalidArgumentError, match=r"pruned by a FloorRule.*prune=FloorRule\(…\)"):
        experiment.resume(None, train, tmp_path / "run", max_trials=None, **QUIET)
    more = experiment.resume(None, train, tmp_path / "run", max_trials=3, prune=None, **QUIET)
    assert states(more) == ["SUCCEEDED", "PRUNED", "SUCCEEDED"]
    rest = experiment.resume(
        None, train, tmp_path / "run", max_trials=None, prune=FloorRule(0.3), **QUIET
    )
    assert states(rest) == ["SUCCEEDED", "PRUNED", "SUCCEEDED", "PRUNED"]


def test_a_rule_that_raises_costs_the_pruning_not_the_search(tmp_path, caplog):
    result = experiment.launch(
        None, train, {"x": [0.5, 0.6]}, prune=BrokenRule(), logdir=tmp_path / "run", **QUIET
    )
    assert states(result) == ["SUCCEEDED", "SUCCEEDED"]
    (warning,) = [r for r in caplog.records if "goes on without pruning" in r.message]
    assert "BrokenRule" in warning.message and warning.exc_info[0] is ZeroDivisionError


def test_a_class_is_no_rule():
    with pytest.raises(InvalidArgumentError, match="prune must be"):
        experiment.launch(None, train, {"x": [1]}, prune=MedianRule, **QUIET)


@pytest.mark.parametrize(
    ("train", "told"),
    [
        (lambda x: x, "none of the first 3 has reported anything. Call experiment.report"),
        (
            lambda x: experiment.report(0, val_accuracy=x) or {"accuracy": x},
            "none of the first 3 has reported 'accuracy', only 'val_accuracy'",
        ),
        (lambda x: experiment.report(0, accuracy=x) or {"accuracy": x}, ""),
    ],
)
def test_a_rule_that_has_nothing_to_look_at_is_said_once(train, told, caplog):
    metric = "accuracy" if told == "" or "only" in told else None
    experiment.launch(None, train, {"x": list(range(5))}, metric=metric, prune="median", **QUIET)
    assert len(caplog.records) == bool(told) and told in caplog.text
