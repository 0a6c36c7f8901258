"""Trackers of a user's own, through the public front door."""

from __future__ import annotations

import logging
import os
import threading
import time
from pathlib import Path

import pytest

from sparkexp import experiment
from sparkexp.errors import InvalidArgumentError
from sparkexp.testing import TrackerContract
from sparkexp.tracking import AttemptTrackers, Report, Tracker, TrialTracker
from sparkexp.tracking.tensorboard import TensorBoard

from .tensorboard.reading import session_groups

HOW = {"engine": "inline", "progress": False}


class Notes(TrialTracker):
    """Writes what it hears of beside the trial's output."""

    def start(self, attempt):
        self.path = f"{attempt.directory}/notes.txt"
        self.note(f"start {attempt.trial.number} {attempt.given['name']}")
        return {"NOTES_OF": attempt.trial.id}

    def enter(self):
        self.note("enter")

    def report(self, report):
        self.note(f"report {report.step} {sorted(report.metrics)}")

    def leave(self):
        self.note("leave")

    def end(self, result):
        self.note(f"end {result.state}")

    def note(self, line):
        with open(self.path, "a") as file:
            file.write(line + "\n")


class Diary(Tracker):
    """A list of all that happened."""

    def __init__(self):
        self.calls = []
        self.reported = {}

    def trial_tracker(self, search):
        self.calls.append(("trial_tracker", search.name, search.objectives[0].heading))
        return Notes()

    def started(self, search, run, resumed):
        self.calls.append(("started", run.location, resumed))

    def trial_known(self, result):
        self.calls.append(("known", result.trial.id))

    def trial_submitted(self, trial):
        self.calls.append(("submitted", trial.id))
        return {"name": f"row {trial.number}"}

    def trial_ended(self, result, reports, artifacts):
        self.calls.append(("ended", result.trial.id, str(result.state)))
        self.reported[result.trial.id] = [(r.step, dict(r.metrics)) for r in reports()]

    def generation_ended(self, generation, best):
        self.calls.append(("generation", generation, best and best.value))

    def finished(self, results, outcome):
        self.calls.append(("finished", len(results), outcome))

    def close(self, patience_s):
        self.calls.append(("close", patience_s > 0))
        return 0


class TestDiary(TrackerContract):
    def make_tracker(self):
        return Diary()


class TestTensorBoard(TrackerContract):
    def make_tracker(self):
        return TensorBoard()


def train(x):
    for step in range(2):
        experiment.report(step, accuracy=x + step, loss=-x)
    print("at", os.environ["NOTES_OF"])
    return {"accuracy": x}


def search(spark, logdir, trackers, **words):
    return experiment.evolutionary_search(
        spark, train, {"x": [0.0, 1.0]}, popsize=4, generations=1, crossover=0.7, mutation=0.5,
        seed=1, metric="accuracy", logdir=logdir, trackers=trackers, **words,
    )  # fmt: skip


def check(diary: Diary, result: experiment.Result, place: str) -> None:
    """The calls of a search of two generations of four, in an order that may be."""
    kinds = [call[0] for call in diary.calls]
    assert diary.calls[:2] == [
        ("trial_tracker", "train", "accuracy (max)"), ("started", place, False)
    ]  # fmt: skip
    ids = [r.trial.id for r in result.trials]
    assert sorted(c[1] for c in diary.calls if c[0] == "submitted") == ids
    assert sorted(c[1] for c in diary.calls if c[0] == "ended") == ids
    for name in ids:
        assert diary.calls.index(("submitted", name)) < diary.calls.index(
            ("ended", name, "SUCCEEDED")
        )
    assert [c for c in diary.calls if c[0] == "generation"] == [
        ("generation", 0, max(r.value for r in result.trials[:4])),
        ("generation", 1, result.best.value),
    ]
    assert diary.calls[-2:] == [("finished", 8, "complete"), ("close", True)]
    assert kinds.index("generation") > kinds.index("ended")
    for r in result.trials:
        x = r.trial.params["x"]
        points = [(step, {"accuracy": x + step, "loss": -x}) for step in range(2)]
        assert diary.reported[r.trial.id] == points
        with open(f"{r.logdir}/notes.txt") as file:
            assert file.read().splitlines() == [
                f"start {r.trial.number} row {r.trial.number}",
                "enter",
                "report 0 ['accuracy', 'loss']",
                "report 1 ['accuracy', 'loss']",
                "leave",
                "end SUCCEEDED",
            ]
    assert len(session_groups(place)) == 8, "TensorBoard has followed it, too"


def test_every_call_comes_in_order(tmp_path, capsys):
    diary = Diary()
    result = search(None, tmp_path / "run", ["tensorboard", diary], **HOW)
    # The diary is the second tracker: what TensorBoard tells its own part is not its business.
    check(diary, result, str(tmp_path / "run"))
    assert "at gen-000/trial-00000" in capsys.readouterr().out
    assert "NOTES_OF" not in os.environ


@pytest.mark.spark
@pytest.mark.parametrize("isolation", ["fork", pytest.param("spawn", marks=pytest.mark.slow)])
def test_every_call_comes_in_order_on_spark(spark, tmp_path, isolation):
    diary = Diary()
    result = search(
        spark, tmp_path / "run", [diary, "tensorboard"], isolation=isolation, progress=False
    )
    check(diary, result, str(tmp_path / "run"))
    for r in result.trials:
        assert f"at {r.trial.id}" in Path(r.logdir, "output.log").read_text()


def test_a_resumed_search_says_what_is_known(tmp_path):
    search(None, tmp_path / "run", [Diary()], max_trials=3, **HOW)
    diary = Diary()
    experiment.resume(None, train, tmp_path / "run", max_trials=None, trackers=[diary], **HOW)
    assert diary.calls[1] == ("started", str(tmp_path / "run"), True)
    assert [c[1] for c in diary.calls if c[0] == "known"] == [
        f"gen-000/trial-0000{k}" for k in range(3)
    ]
    assert len([c for c in diary.calls if c[0] == "ended"]) == 5


class Clumsy(Diary):
    """Raises in the method that it is told."""

    def __init__(self, method):
        super().__init__()
        self.method = method
        setattr(self, method, self.fail)

    def fail(self, *arguments):
        raise RuntimeError(f"no {self.method}")


METHODS = ["trial_tracker", "started", "trial_submitted", "trial_ended", "generation_ended"]


@pytest.mark.parametrize("method", [*METHODS, "finished", "close"])
def test_one_that_raises_costs_a_warning(method, tmp_path, caplog, monkeypatch):
    monkeypatch.setenv("NOTES_OF", "unset")
    other = Diary()
    with caplog.at_level(logging.WARNING, "sparkexp"):
        result = search(None, tmp_path / "run", [other, Clumsy(method)], **HOW)
    assert {str(r.state) for r in result.trials} == {"SUCCEEDED"}
    said = [r.getMessage() for r in caplog.records if "Clumsy" in r.getMessage()]
    assert said == [
        f"The tracker Clumsy failed in {method} and gets no more calls; the search goes on."
    ]
    assert other.calls[-2:] == [("finished", 8, "complete"), ("close", True)]


def test_one_that_hangs_holds_nothing_up(tmp_path, caplog, monkeypatch):
    monkeypatch.setattr("sparkexp.driver.trackers.ANSWER_TIMEOUT_S", 0.1)
    monkeypatch.setattr("sparkexp.driver.trackers.CLOSE_TIMEOUT_S", 0.5)
    released = threading.Event()

    class Hanging(Diary):
        def trial_tracker(self, search):
            return None

        def trial_submitted(self, trial):
            released.wait(60)
            return {}

    monkeypatch.setenv("NOTES_OF", "unset")
    began = time.monotonic()
    with caplog.at_level(logging.WARNING, "sparkexp"):
        result = search(None, tmp_path / "run", [Hanging()], **HOW)
    released.set()
    assert time.monotonic() - began < 30 and len(result) == 8
    assert any("has not answered for 0.1 s" in r.getMessage() for r in caplog.records)
    assert any("is still at work after" in r.getMessage() for r in caplog.records)


@pytest.mark.parametrize("method", ["start", "enter", "report", "leave", "end"])
def test_a_part_on_the_executor_that_raises_costs_a_warning(method, tmp_path, monkeypatch):
    monkeypatch.setenv("NOTES_OF", "unset")

    class Broken(Notes):
        name = "Broken"

    def fail(self, *arguments):
        raise OSError("the disk is full")

    setattr(Broken, method, fail)
    fail.__name__ = method

    class Mine(Diary):
        def trial_tracker(self, search):
            return Broken()

    result = search(None, tmp_path / "run", [Mine()], **HOW)
    for r in result.trials:
        assert (str(r.state), r.value) == ("SUCCEEDED", r.trial.params["x"])
        (warning,) = r.warnings
        assert warning == (
            f"Broken no longer follows this trial: its {method}() failed: "
            "OSError: the disk is full"
        )


class Slow(TrialTracker):
    """Takes as long for a report as a busy machine does, and for ever at the end."""

    name = "Slow"
    leave_s = 0.2

    def __init__(self):
        self.steps = []

    def report(self, report):
        time.sleep(2.5 * (not self.steps))
        self.steps.append(report.step)

    def leave(self):
        time.sleep(60)


def test_a_slow_part_on_the_executor_goes_on_and_one_that_hangs_does_not():
    trackers = AttemptTrackers([Slow()])
    (slow,) = trackers._trackers
    for step in range(3):
        trackers.report(Report(step, 1.0, {"loss": 0.5}))
    assert slow.steps == [0, 1, 2] and trackers.take_warnings() == ()
    trackers.leave()
    (warning,) = trackers.take_warnings()
    assert "Slow no longer follows this trial: its leave() failed: TimeoutError" in warning


def test_nobody_follows(tmp_path, monkeypatch):
    monkeypatch.setenv("NOTES_OF", "unset")
    result = search(None, tmp_path / "run", [], **HOW)
    assert len(result) == 8 and not list(tmp_path.rglob("events.*"))


@pytest.mark.parametrize("given", ["tensorboard", [Diary], ["mlflow"], None])
def test_what_is_no_tracker(given, tmp_path):
    with pytest.raises(InvalidArgumentError, match="trackers must be a list"):
        search(None, tmp_path / "run", given, **HOW)
