from __future__ import annotations

from pathlib import Path

from sparkexp.runs import RunPaths
from sparkexp.trial import Trial

PATHS = RunPaths(Path("/runs/a b"))


def test_every_file_has_its_place():
    assert PATHS.experiment == Path("/runs/a b/experiment.json")
    assert PATHS.searcher == Path("/runs/a b/searcher.json")
    assert PATHS.record(7) == Path("/runs/a b/records/trial-00007.json")
    assert PATHS.record(7).parent == PATHS.records
    assert PATHS.search(evolution=False) == Path("/runs/a b/search")
    assert PATHS.search(evolution=True) == Path("/runs/a b/evolution")


def test_every_attempt_of_a_trial_has_a_directory():
    trial = Trial(7, {}, generation=2)
    directories = [PATHS.trial(trial.id, attempt) for attempt in range(3)]
    assert directories[0] == Path("/runs/a b/gen-002/trial-00007")
    assert directories[2] == Path("/runs/a b/gen-002/trial-00007/attempt-2")
    assert len({PATHS.output(directory) for directory in directories}) == 3
    assert PATHS.output(directories[1]) == directories[1] / "output.log"


def test_no_trial_takes_the_place_of_run_state():
    trials = [Trial(0, {}), Trial(0, {}, generation=0), Trial(10**6, {}, generation=10**4)]
    ours = {PATHS.experiment, PATHS.searcher, PATHS.records, PATHS.record(0)}
    ours |= {PATHS.search(True), PATHS.search(False)}
    for trial in trials:
        directory = PATHS.trial(trial.id)
        assert not ours & {directory, *directory.parents}
