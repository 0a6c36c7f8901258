"""What a configuration's trials hand on to each other, with every isolation."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import cloudpickle
import pytest

from sparkexp import experiment
from sparkexp.engine.base import TrialTask
from sparkexp.engine.worker.task import run_attempt
from sparkexp.errors import EnvironmentUnfitError
from sparkexp.trial import State, Trial, TrialResult


@pytest.fixture(params=["fork", "spawn", "none"])
def isolation(request) -> str:
    return request.param


@pytest.fixture
def run(tmp_path, isolation):
    """Runs an attempt at the trial of a rung, which goes on from another's directory."""

    def run(train, rung: int, earlier: TrialResult | None = None, attempt: int = 0) -> TrialResult:
        checkpoint = earlier.logdir if earlier else None
        trial = Trial(rung, {}, rung=rung, checkpoint=checkpoint, extra={"epochs": 3**rung})
        function = train if isolation == "none" else cloudpickle.dumps(train)
        task = TrialTask(trial, function, str(tmp_path), isolation=isolation)
        return run_attempt(task, attempt)

    return run


def count(epochs: int) -> float:
    """Trains up to a number of epochs, and returns how many it trained itself."""
    file = Path(experiment.checkpoint_dir(), "epochs.txt")
    done = int(file.read_text()) if file.exists() else 0
    file.write_text(str(epochs))
    return float(epochs - done)


def kept(result: TrialResult) -> list[str]:
    """What later trials find, and what lies about beside it."""
    return sorted(
        str(path.relative_to(result.logdir))
        for path in Path(result.logdir).rglob("*")
        if "checkpoints" in str(path) and path.is_file()
    )


def test_a_promoted_trial_goes_on_with_what_its_lower_rung_left(run):
    first = run(count, 0)
    second = run(count, 1, first)
    third = run(count, 2, second)
    assert [r.value for r in (first, second, third)] == [1, 2, 6]
    assert [r.continued for r in (first, second, third)] == [False, True, True]
    assert [kept(r) for r in (first, second, third)] == [["checkpoints/epochs.txt"]] * 3
    read = [Path(r.logdir, "checkpoints/epochs.txt").read_text() for r in (first, second, third)]
    assert read == ["1", "3", "9"]  # what is written above changes nothing below


def test_a_failed_attempt_damages_nothing_and_leaves_nothing(run):
    def fail(epochs):
        Path(experiment.checkpoint_dir(), "epochs.txt").write_text("rubbish")
        raise RuntimeError("no luck")

    first = run(count, 0)
    failed = run(fail, 1, first)
    assert failed.state is State.FAILED and kept(failed) == []
    again = run(count, 1, first, attempt=1)
    assert (again.value, again.continued) == (2, True)


def test_a_trial_that_is_run_again_after_it_ended_starts_from_the_lower_rung(run):
    first = run(count, 0)
    run(count, 1, first)
    again = run(count, 1, first)  # the driver was killed before it had noted the end
    assert again.value == 2 and kept(again) == ["checkpoints/epochs.txt"]


def test_a_killed_attempt_is_forgotten(run, isolation):
    if isolation == "none":
        pytest.skip("the trial would take this process along")

    def crash(epochs):
        Path(experiment.checkpoint_dir(), "epochs.txt").write_text("rubbish")
        os.kill(os.getpid(), signal.SIGKILL)

    first = run(count, 0)
    killed = run(crash, 1, first)
    assert killed.state is State.FAILED
    again = run(count, 1, first)
    assert again.value == 2 and kept(again) == ["checkpoints/epochs.txt"]


def test_who_has_no_lower_rung_or_does_not_ask_starts_anew(run):
    silent = run(lambda epochs: 1.0, 0)
    assert kept(silent) == []
    above = run(count, 1, silent)
    assert (above.value, above.continued) == (3, False)


def test_outside_of_a_trial_there_is_none():
    with pytest.raises(EnvironmentUnfitError, match="checkpoint_dir"):
        experiment.checkpoint_dir()
