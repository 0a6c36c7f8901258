"""Runs at a URL: the driver's copy, its lock, and what another driver finds.

The URL is that of this machine's disk, which is used like any other storage's.
"""

from __future__ import annotations

import json
import os
import shutil
import time
from pathlib import Path

import pytest

from sparkexp.errors import RunDirectoryError, StorageError
from sparkexp.runs import create_run, driver_lock, open_run
from sparkexp.storage.remote_files import RemoteFiles, local_copy_of
from sparkexp.trial import State, Trial, TrialResult

SETTINGS = {"name": "example"}


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("SPARKEXP_CACHE", str(tmp_path / "cache"))
    for name, seconds in (("HEARTBEAT_S", 0.0), ("STALE_S", 0.3), ("LOOK_S", 0.05)):
        monkeypatch.setattr(driver_lock, name, seconds)
    monkeypatch.setattr(driver_lock, "SETTLE_S", 0.0)
    return tmp_path / "cache"


def other_machine(monkeypatch, tmp_path):
    monkeypatch.setenv("SPARKEXP_CACHE", str(tmp_path / "cache of another machine"))
    monkeypatch.setattr(driver_lock, "this_host", lambda: "another machine")


def result(number: int) -> TrialResult:
    return TrialResult(Trial(number, {"x": number}), State.SUCCEEDED, value=float(number))


def killed(place: str, *numbers: int) -> None:
    """Leave a run as a driver does that is killed after its last pass."""
    run = create_run(place, SETTINGS)
    with pytest.raises(ZeroDivisionError), run.lock():
        run._finish = lambda: None  # type: ignore[attr-defined]
        for number in numbers:
            run.record(result(number))
        run._thread.finish(10)  # type: ignore[attr-defined]
        raise ZeroDivisionError


def test_a_run_is_all_there_when_its_driver_has_ended(place, there, cache):
    run = create_run(place, SETTINGS)
    with run.lock():
        run.record(result(0))
        run.save_searcher({"n_asked": 1})
        (run.trial_directory("trials/trial-00000") / "events").write_text("lost")
        assert run.location == place
        assert (
            run.trial_location("trials/trial-00000", 1) == f"{place}/trials/trial-00000/attempt-1"
        )
    found = {str(path.relative_to(there)) for path in there.rglob("*") if path.is_file()}
    state = {"experiment.json", "searcher.json", "records/trial-00000.json"}
    assert found == {*state, "trials/trial-00000/events"}
    assert [path for path in cache.rglob("*") if path.is_file()] == [
        local_copy_of(place).parent / "driver.lock"
    ]
    opened = open_run(place)
    assert (opened.settings, opened.location) == (SETTINGS, place)
    assert opened.results() == [result(0)]
    assert opened.searcher_state() == {"n_asked": 1}


def test_a_place_holds_one_run(place):
    create_run(place, SETTINGS)
    with pytest.raises(RunDirectoryError, match="holds one run, and logdir='local://.*already"):
        create_run(place, SETTINGS)


def test_no_run_there(place):
    with pytest.raises(RunDirectoryError, match="'local://.*holds no run of sparkexp"):
        open_run(place)


def test_a_place_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match=r"must be writable, and 'local:///.*/file/run' is not"):
        create_run(f"local://{tmp_path}/file/run", SETTINGS)


def test_what_a_killed_driver_has_not_sent_is_found_on_its_machine(place, there):
    killed(place, 0)
    # As if the kill had come before the second record was sent.
    run = open_run(place)
    run.record(result(1))
    assert not (there / "records/trial-00001.json").exists()
    assert open_run(place).results() == [result(0), result(1)]
    again = open_run(place)
    with again.lock():
        assert again.results() == [result(0), result(1)]
    assert (there / "records/trial-00001.json").exists()
    assert not (there / "driver.lock").exists()


def test_another_machine_goes_on_with_what_was_sent(place, tmp_path, monkeypatch):
    killed(place, 0)
    with monkeypatch.context() as elsewhere:
        other_machine(elsewhere, tmp_path)
        run = open_run(place)
        with run.lock():
            assert run.results() == [result(0)]
            run.record(result(1))
    # And the copy of the first machine counts no more, though it isn't thrown away.
    assert open_run(place).results() == [result(0), result(1)]
    with open_run(place).lock():
        pass
    (aside,) = local_copy_of(place).parent.glob("run.*")
    assert (aside / "records/trial-00000.json").exists()


def test_a_driver_at_work_keeps_others_out(place, tmp_path, monkeypatch):
    run = create_run(place, SETTINGS)
    with run.lock():
        with pytest.raises(RunDirectoryError, match="another process works on 'local"):
            with open_run(place).lock():
                pass
        other_machine(monkeypatch, tmp_path)
        monkeypatch.setattr(driver_lock, "STALE_S", 30.0)
        with pytest.raises(RunDirectoryError, match=rf"process {os.getpid()} on .* works on"):
            with open_run(place).lock():
                pass


def test_a_driver_that_was_taken_for_dead_sends_nothing_more(place, there):
    run = create_run(place, SETTINGS)
    with pytest.raises(RunDirectoryError, match="another one has taken over"), run.lock():
        (there / "driver.lock").write_text(json.dumps({"id": "other", "host": "h", "pid": 1}))
        run.record(result(0))
        run._thread._wake.set()
        deadline = time.monotonic() + 30
        while run._lock.lost is None and time.monotonic() < deadline:
            time.sleep(0.01)
        run.check()
    assert not (there / "records/trial-00000.json").exists()
    assert json.loads((there / "driver.lock").read_text())["id"] == "other"


def test_a_storage_that_stays_away_leaves_the_copy(place, there, monkeypatch):
    from sparkexp.runs import remote as remote_run

    monkeypatch.setattr(remote_run, "END_TIMEOUT_S", 0.3)
    run = create_run(place, SETTINGS)
    with pytest.raises(StorageError, match="could not be written for") as caught, run.lock():
        shutil.rmtree(there)
        there.write_text("in its place")
        run.record(result(0))
    scratch = local_copy_of(place)
    assert repr(str(scratch)) in str(caught.value)
    assert open_run(scratch).results() == [result(0)]
    there.unlink()
    RemoteFiles(place).write("driver.lock", json.dumps({"id": run._lock.id}).encode())
    with open_run(place).lock():
        pass
    assert (there / "records/trial-00000.json").exists()
    assert not Path(scratch).exists()


def test_what_is_removed_from_the_url_meanwhile_is_sent_again(place, there, caplog):
    run = create_run(place, SETTINGS)
    with run.lock():
        run.record(result(0))
        run._thread.finish(10)  # type: ignore[attr-defined]
        shutil.rmtree(there)
        run._run_pass()  # type: ignore[attr-defined]
        run._upload.send()  # type: ignore[attr-defined]
        run.record(result(1))
        assert open_run(place).settings == SETTINGS
        run._upload.send()  # type: ignore[attr-defined]
    assert open_run(place).results() == [result(0), result(1)]
    assert "was removed: all of it is sent again" in caplog.text
