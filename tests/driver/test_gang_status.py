"""What the chief of a gang wants the user to know is told at once, and once."""

from pathlib import Path

import pytest

from sparkexp.distributed.collectives import Collectives
from sparkexp.distributed.telemetry import Status, Telemetry
from sparkexp.driver import gang_status
from sparkexp.runs import create_run
from sparkexp.trial import Trial


def test_a_warning_of_the_chief_is_told_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gang_status, "LOOK_S", 0.0)
    run = create_run(str(tmp_path / "run"), {}, "0")
    trial = Trial(0, {})
    directory = run.paths.trial(trial.id)
    directory.mkdir(parents=True)
    warnings = ("No checkpoint could be written",)
    telemetry = Telemetry(Collectives(), directory=str(directory))
    telemetry.show(lambda: Status(1, 4, 2, 10, warnings=warnings), at_once=True)
    describe = gang_status.make_describe(run)
    assert describe([trial]) == describe([trial]) == "epoch 1 of 4, step 2 of 10"
    assert [record.message for record in caplog.records] == [f"{trial.id}: {warnings[0]}"]
