"""What others do to a search: cancel its jobs, or give executors a Python that can't run it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sparkexp import experiment
from sparkexp.driver.loop import CANCELLED
from sparkexp.engine.spark.connect import is_connect
from sparkexp.errors import AllTrialsFailedError
from tests.spark.other_python import bare_python, python_of_another_minor_version


def cancel_all(spark: Any) -> None:
    """Cancel all jobs of a session, as somebody else may."""
    if is_connect(spark):
        spark.interruptAll()
    else:
        spark.sparkContext.cancelAllJobs()


def cancelling(spark: Any, folder: Path, times: int) -> Callable[[], None]:
    """Return what cancels all jobs so many times, as soon as trials have started anew."""

    def cancel() -> None:
        seen = 2
        for _ in range(times):
            deadline = time.monotonic() + 60
            while len(list(folder.iterdir())) < seen and time.monotonic() < deadline:
                time.sleep(0.05)
            time.sleep(0.3)
            seen = len(list(folder.iterdir())) + 2
            cancel_all(spark)

    return cancel


@pytest.mark.parametrize("times", [pytest.param(1, marks=pytest.mark.slow), 2])
def test_jobs_cancelled_from_outside(any_spark: Any, tmp_path: Path, times: int) -> None:
    started = tmp_path / "started"
    started.mkdir()

    def train(x: float) -> float:
        Path(started, f"{x}-{time.time()}").touch()
        time.sleep(1.5)
        return -((x - 0.5) ** 2)

    other = threading.Thread(target=cancelling(any_spark, started, times), daemon=True)
    other.start()
    result = experiment.random_search(
        any_spark, train, {"x": [0.0, 1.0]}, n_trials=4, seed=1, logdir=tmp_path / "run",
        progress=False,
    )  # fmt: skip
    other.join()
    cancelled = [r for r in result.trials if str(r.state) == "CANCELLED"]
    if times == 1:
        assert (cancelled, result.stopped) == ([], None)
        assert any(r.attempt > 0 for r in result.trials)
        assert all(r.succeeded and Path(r.logdir).is_dir() for r in result.trials)
        return
    assert cancelled and result.stopped == CANCELLED
    resumed = experiment.resume(any_spark, lambda x: x, tmp_path / "run", progress=False)
    assert len(resumed) == 4 and all(r.succeeded for r in resumed.trials)
    assert [r.trial for r in resumed.trials][: len(result)] == [r.trial for r in result.trials]


@pytest.mark.parametrize("missing", ["pyarrow", "another version"])
def test_a_python_that_can_run_no_trial_ends_the_search(
    spark: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, missing: str
) -> None:
    if missing == "another version":
        program, said = python_of_another_minor_version(tmp_path / "python")
    else:
        program, said = bare_python(tmp_path / "python", missing), missing
    monkeypatch.setattr(spark.sparkContext, "pythonExec", str(program))
    with pytest.raises(AllTrialsFailedError, match="can't run any trial") as caught:
        experiment.launch(
            spark, lambda x: x, {"x": list(range(20))}, logdir=tmp_path / "run", progress=False
        )
    assert said in str(caught.value) and "PYSPARK_PYTHON" in str(caught.value)
    assert len(caught.value.result.failures()) < 5
    monkeypatch.undo()
    mended = experiment.resume(
        spark, lambda x: x, tmp_path / "run", retry_failed=True, progress=False
    )
    assert len(mended) == 20 and mended.failures() == {}
