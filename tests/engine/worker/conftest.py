"""Runs train functions in processes of their own, as a worker does."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import cloudpickle
import pytest

from sparkexp.analysis.description import SearchDescription
from sparkexp.engine.base import TrialTask
from sparkexp.engine.worker.outcome import Outcome
from sparkexp.engine.worker.process import Guardian
from sparkexp.tracking import AttemptTrackers
from sparkexp.tracking.tensorboard import TrialSession
from sparkexp.trial import Trial


@pytest.fixture
def directory(tmp_path) -> Path:
    directory = tmp_path / "a run" / "trial-00000"
    directory.mkdir(parents=True)
    return directory


@pytest.fixture
def run(directory) -> Iterator[Callable[..., Outcome]]:
    """Runs a train function in a process of its own, with the options of a TrialTask."""

    guardian = Guardian()

    def run(train, isolation="fork", *, output=None, params=None, **options) -> Outcome:
        task = TrialTask(
            Trial(0, params or {}),
            train if isinstance(train, bytes) else cloudpickle.dumps(train),
            str(directory.parent),
            isolation=isolation,
            **{"needs_value": False, **options},
        )
        session = TrialSession(SearchDescription("a run"))
        vars(session)["_directory"] = str(directory)  # without a row in the table
        task = replace(task, attempt=cloudpickle.dumps(AttemptTrackers([session])))
        return guardian.run(task, str(directory), output or directory / "output.log")

    yield run
    guardian.close()
