"""Bounds on what the files cost, in processor time; slow, since coverage would be measured too."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import pytest

from sparkexp.analysis.description import SearchDescription
from sparkexp.analysis.specs import Interval, ParameterSpec
from sparkexp.tracking.tensorboard import SearchLog, write_session_end, write_session_start
from sparkexp.trial import State, Trial, TrialResult

pytestmark = pytest.mark.slow

SPECS = tuple(ParameterSpec(f"p{k}", Interval(0, 1)) for k in range(5))
POPSIZE = 50
# A no-op trial takes a search on Spark at least so long, with two slots.
TRIAL_S = 0.04


def seconds(call: Callable[[], object]) -> float:
    started = time.process_time()
    call()
    return time.process_time() - started


def ended(number: int) -> TrialResult:
    params = {f"p{k}": (number * (k + 1) * 0.618034) % 1 for k in range(5)}
    parent = f"gen-000/trial-{number % POPSIZE:05d}" if number >= POPSIZE else None
    trial = Trial(number, params, number // POPSIZE, parent)
    return TrialResult(trial, State.SUCCEEDED, params["p0"], {"a": 1.0}, started=1.0, ended=2.0)


def test_an_executor_spends_less_than_5_ms_on_a_trial(tmp_path):
    def write(number: int) -> None:
        result = ended(number)
        directory = tmp_path / str(number)
        write_session_start(directory, result.trial, 1.0, specs=SPECS)
        write_session_end(directory, result)

    write(0)  # imports
    assert statistics.median(seconds(lambda k=k: write(k)) for k in range(1, 60)) < 0.005
    assert all(len(list((tmp_path / str(k)).iterdir())) == 2 for k in range(60))


def test_the_driver_spends_less_than_2_percent_of_its_time(tmp_path):
    log = SearchLog(
        tmp_path / "evolution",
        SearchDescription("cost", parameters=SPECS, generations=9, popsize=POPSIZE),
    )
    log.add(ended(0))  # imports
    costs = [seconds(lambda k=k: log.add(ended(k))) for k in range(1, 10 * POPSIZE)]
    # 2 % of a trial's time goes to its point in the curves and its share of a generation.
    assert statistics.median(costs) < 0.01 * TRIAL_S
    assert statistics.median(sorted(costs)[-9:]) < 0.01 * TRIAL_S * POPSIZE
    at_end = seconds(lambda: log.close(True))
    assert at_end < 0.02 * 5000 * TRIAL_S
    assert len(list((tmp_path / "evolution").iterdir())) == 1
