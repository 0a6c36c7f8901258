"""The contract of `Tracker`, as tests."""

from __future__ import annotations

import logging
import time
from abc import abstractmethod
from pathlib import Path
from typing import Any

import pytest

from sparkexp import experiment
from sparkexp.tracking import Tracker

__all__ = ["TrackerContract"]

SPACE = {"x": [0.0, 1.0], "kind": ["flat", "deep", "wide"]}


def _train(x: float, kind: str) -> dict[str, float]:
    """Report, print, and fail for one kind, as a user's function would."""
    for step in range(3):
        experiment.report(step, accuracy=x * step, loss=1 - x)
    print("trained", kind)
    if kind == "deep" and x > 0.5:
        raise RuntimeError("this region fails")
    return {"accuracy": x, "size": 3.0}


class TrackerContract:
    """Tests for every tracker: derive a test class, and implement `make_tracker`."""

    @abstractmethod
    def make_tracker(self) -> Tracker:
        """Return a new tracker."""

    def follow(self, logdir: Path, **changes: Any) -> experiment.Result:
        """Run a search that the tracker follows, in this process."""
        options: dict[str, Any] = {
            "metric": "accuracy",
            "popsize": 4,
            "generations": 2,
            "seed": 3,
            **changes,
        }
        return experiment.evolutionary_search(
            None, _train, SPACE, crossover=0.7, mutation=0.5, logdir=logdir, engine="inline",
            progress=False, trackers=[self.make_tracker()], **options,
        )  # fmt: skip

    def test_it_follows_a_search_without_a_warning(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        with caplog.at_level(logging.WARNING, "sparkexp"):
            result = self.follow(tmp_path / "run")
        assert len(result) == 12
        assert [record.getMessage() for record in caplog.records] == []
        assert not any(trial.warnings for trial in result.trials)

    def test_it_follows_a_resumed_search(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        with caplog.at_level(logging.WARNING, "sparkexp"):
            self.follow(tmp_path / "run", max_trials=5)
            result = experiment.resume(
                None, _train, tmp_path / "run", max_trials=None, engine="inline", progress=False,
                trackers=[self.make_tracker()],
            )  # fmt: skip
        assert len(result) == 12
        assert [record.getMessage() for record in caplog.records] == []

    def test_it_does_not_change_the_search(self, tmp_path: Path) -> None:
        followed = self.follow(tmp_path / "followed")
        alone = experiment.evolutionary_search(
            None, _train, SPACE, crossover=0.7, mutation=0.5, metric="accuracy", popsize=4,
            generations=2, seed=3, engine="inline", progress=False, trackers=[],
            logdir=tmp_path / "alone",
        )  # fmt: skip
        values = [(r.trial.id, r.value) for r in alone.trials]
        assert [(r.trial.id, r.value) for r in followed.trials] == values

    def test_its_part_on_executors_can_be_pickled(self) -> None:
        import cloudpickle

        from sparkexp.analysis.description import SearchDescription

        part = self.make_tracker().trial_tracker(SearchDescription("a search"))
        assert part is None or cloudpickle.loads(cloudpickle.dumps(part)) is not None

    def test_it_closes_in_time_though_nothing_started(self) -> None:
        started = time.monotonic()
        assert self.make_tracker().close(1.0) == 0
        assert time.monotonic() - started < 5
