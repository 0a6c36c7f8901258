"""Searches that can't get better end after their first trials, and lose nothing."""

from __future__ import annotations

import json
import multiprocessing
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pytest

from sparkexp import experiment
from sparkexp.analysis.specs import Interval, ParameterSpec
from sparkexp.cli import main
from sparkexp.driver.early_failures import EarlyFailures
from sparkexp.errors import AllTrialsFailedError, InvalidArgumentError
from sparkexp.objective import Objective
from sparkexp.runs import open_run
from sparkexp.trial import Fault, State, Trial, TrialResult

QUIET = {"engine": "inline", "progress": False}
SPACE = {"x": [0.0, 1.0]}
calls: list[float] = []


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    calls.clear()


def scores(x):
    calls.append(x)
    return {"accuracy": x, "loss": -x}


def in_a_history(x):
    calls.append(x)
    return {"accuracy": [0.0, x], "loss": [0.0, -x]}


SEARCHES: dict[str, Callable[..., experiment.Result]] = {
    "launch": lambda train, **o: experiment.launch(None, train, {"x": [0.1, 0.2, 0.3, 0.4]}, **o),
    "random": lambda train, **o: experiment.random_search(None, train, SPACE, n_trials=8, **o),
    "evolution": lambda train, **o: experiment.evolutionary_search(
        None, train, SPACE, max_trials=8, seed=1, **o
    ),
    "repeats": lambda train, **o: experiment.random_search(
        None, train, SPACE, n_trials=4, repeats=2, **o
    ),
    "asha": lambda train, **o: experiment.random_search(
        None, lambda x, epochs: train(x), SPACE, fidelity="epochs", max=4, n_trials=8, **o
    ),
}


@pytest.mark.parametrize("train", [scores, in_a_history])
@pytest.mark.parametrize("name", SEARCHES)
def test_a_misspelt_metric_is_corrected_without_training_again(name, train):
    with pytest.raises(AllTrialsFailedError, match="Did you mean 'accuracy'") as caught:
        SEARCHES[name](train, metric="acuracy", logdir="run", **QUIET)
    assert len(calls) == 3 == len(caught.value.result.failures())
    assert "metric='accuracy')" in str(caught.value)
    ran = list(calls)

    with pytest.raises(InvalidArgumentError, match="Did you mean 'accuracy'"):
        experiment.resume(None, train, "run", metric="acc", **QUIET)
    again = (lambda x, epochs: train(x)) if name == "asha" else train
    result = experiment.resume(None, again, "run", metric="accuracy", **QUIET)
    assert all(trial.succeeded for trial in result.trials) and calls[:3] == ran
    n_run = sum(trial.reused_from is None for trial in result.trials)
    assert len(calls) == n_run == len(result.trials) >= 4, "nothing was trained twice"
    assert result.trials[0].value == ran[0] and result.trials[0].error is None

    loaded = experiment.load("run")
    assert loaded.metric == "accuracy" and loaded.trials == result.trials
    with pytest.raises(InvalidArgumentError, match="keeps its metric"):
        experiment.resume(None, again, "run", metric="loss", **QUIET)


def test_one_of_several_metrics_is_corrected_and_a_warm_start_takes_another():
    how = {"direction": ["max", "min"], **QUIET}
    with pytest.raises(AllTrialsFailedError, match=r"metric=\['accuracy', 'loss'\]"):
        SEARCHES["launch"](scores, metric=["accuracy", "los"], logdir="run", **how)
    with pytest.raises(InvalidArgumentError, match="as many names as before, 2"):
        experiment.resume(None, scores, "run", metric="loss", **QUIET)
    result = experiment.resume(None, scores, "run", metric=["accuracy", "loss"], **QUIET)
    assert [trial.values for trial in result.trials][:2] == [(0.1, -0.1), (0.2, -0.2)]
    assert len(calls) == 4

    with pytest.raises(AllTrialsFailedError):
        SEARCHES["random"](scores, metric="acc0", logdir="other", **QUIET)
    warm = SEARCHES["evolution"](scores, metric="accuracy", warm_start="other", **QUIET)
    assert json.loads(Path(warm.logdir, "experiment.json").read_text())["known"]


def test_records_of_earlier_versions_are_corrected_too():
    with pytest.raises(AllTrialsFailedError):
        SEARCHES["random"](scores, metric="acuracy", logdir="run", **QUIET)
    for path in open_run("run").paths.records.glob("*.json"):
        record = json.loads(path.read_text())
        del record["fault"], record["notes"]
        path.write_text(json.dumps(record))
    assert experiment.resume(None, scores, "run", metric="accuracy", **QUIET).best
    assert len(calls) == 8


def lacks_a_module(x):
    calls.append(x)
    import no_such_module_at_all  # noqa: F401


FAULTS: dict[str, Callable[[float], object]] = {
    "the train function returned nothing": lambda x: calls.append(x),
    "got builtins.str": lambda x: calls.append(x) or "0.9",
    "No module named 'no_such_module_at_all'": lacks_a_module,
}


@pytest.mark.parametrize("said", FAULTS)
def test_after_a_fault_was_mended_the_failed_trials_run_again(said):
    with pytest.raises(AllTrialsFailedError, match=f"(?i){said}") as caught:
        SEARCHES["random"](FAULTS[said], logdir="run", **QUIET)
    assert len(calls) == 3 and str(caught.value).count("Traceback") <= 1
    assert "retry_failed=True" in str(caught.value)
    result = experiment.resume(None, lambda x: x, "run", retry_failed=True, **QUIET)
    assert len(result.trials) == 8 and result.failures() == {}
    assert experiment.load("run").trials == result.trials


def test_failed_trials_run_again_beside_those_that_succeeded(capsys):
    broken = [True]

    def train(x):
        calls.append(x)
        if x < 0.5 and broken:
            raise OSError("no such file")
        return x

    first = SEARCHES["evolution"](train, logdir="run", **QUIET)
    failed = [trial.trial.params["x"] for trial in first.trials if not trial.succeeded]
    assert 0 < len(failed) < 8
    broken.clear()
    calls.clear()
    assert len(experiment.resume(None, train, "run", **QUIET).failures()) == len(failed)
    assert calls == []
    result = experiment.resume(None, train, "run", retry_failed=True, **QUIET)
    assert sorted(calls) == sorted(failed) and result.failures() == {}
    assert experiment.load("run").trials == result.trials
    with pytest.raises(SystemExit):
        main(["resume", "--help"])
    assert "--retry-failed" in capsys.readouterr().out


def test_trials_that_an_earlier_version_recorded_as_cancelled_are_run(tmp_path):
    result = SEARCHES["evolution"](lambda x: x, logdir="run", **QUIET)
    run = open_run("run")  # the searcher knows of all
    run.record(TrialResult(result.trials[2].trial, State.CANCELLED))
    resumed = experiment.resume(None, scores, "run", metric=None, **QUIET)
    assert len(calls) == 1 and len(resumed.trials) == 8


def test_the_default_of_max_failures(capsys):
    def train(x, units=1):
        calls.append(x)
        raise ValueError(f"bad {x}")

    result = experiment.random_search(
        None, train, {**SPACE, "units": [1, 9]}, n_trials=60, engine="inline"
    )
    assert len(calls) == 20 and "max_failures='auto'" in str(result.stopped)
    assert "max failures" in capsys.readouterr().err
    assert len(experiment.resume(None, train, result.logdir, max_failures=None, **QUIET)) == 60


def test_a_failing_region_ends_no_search():
    def train(x, y):
        if x == 0:
            raise ValueError("too small")
        return {} if y % 2 else {"accuracy": y}

    grid = {"x": [0, 1], "y": list(range(30))}
    result = experiment.launch(None, train, grid, metric="accuracy", **QUIET)
    assert len(result.trials) == 60 and result.stopped is None


def test_two_trials_that_fail_are_a_result():
    result = experiment.launch(None, scores, {"x": [1, 2]}, metric="acuracy", **QUIET)
    assert "Did you mean 'accuracy'?" in result.trials[0].reason


def failed(number: int, fault: Fault | None = Fault.MODULE, error: str = "no a") -> TrialResult:
    return TrialResult(Trial(number, {"x": number}), State.FAILED, error=error, fault=fault)


def test_a_broken_host_among_good_ones_ends_no_search():
    early = EarlyFailures("run")
    for number in (1, 2, 3, 4, 5):
        early.trial_ended(failed(number))
        assert early.stop_reason([0, number + 1], slots=2) is None
    early.trial_ended(TrialResult(Trial(0, {}), State.SUCCEEDED, 1.0))
    assert early.stop_reason([], slots=2) is None


def test_as_many_as_there_are_slots_must_fail_alike():
    early = EarlyFailures("run", [Objective("accuracy")])
    for number in range(7):
        early.trial_ended(failed(number, Fault.RETURNED, f"object at 0x{number}f"))
        assert early.stop_reason([7], slots=8) is None
    early.trial_ended(failed(7, Fault.RETURNED, "object at 0xaf"))
    with pytest.raises(AllTrialsFailedError):
        early.stop_reason([], slots=8)
    early.trial_ended(failed(8, error="another"))
    assert early.stop_reason([], slots=8) is None


def test_one_environment_speaks_for_all():
    early = EarlyFailures("run", one_environment=True)
    early.trial_ended(failed(3, Fault.ENVIRONMENT))
    with pytest.raises(AllTrialsFailedError, match="The first trial failed"):
        early.stop_reason([0], slots=8)


def test_failures_of_one_value_of_a_parameter_prove_nothing():
    parameters = [ParameterSpec("x", Interval(0, 9)), ParameterSpec("y", (1,))]
    early = EarlyFailures("run", parameters=parameters)
    for number in range(30):
        early.trial_ended(TrialResult(Trial(number, {"x": 1, "y": 1}), State.FAILED))
    assert early.stop_reason([], slots=1) is None
    early.trial_ended(TrialResult(Trial(30, {"x": 2, "y": 1}), State.FAILED))
    assert early.stop_reason([], slots=1)


def boom(x):
    raise ValueError("bad thing")


def with_a_pool(x):
    with multiprocessing.Pool(1) as pool:
        return pool.map(boom, [x])


def with_futures(x):
    with ProcessPoolExecutor(1) as pool:
        return pool.submit(boom, x).result()


def with_joblib(x):
    import joblib

    return joblib.Parallel(2)(joblib.delayed(boom)(k) for k in (x, x))


def nested(x):
    try:
        with_futures(x)
    except ValueError:
        raise ValueError("bad thing") from None


def handled(x):
    try:
        {}["key"]
    except KeyError:
        with_a_pool(x)


@pytest.mark.parametrize("train", [with_a_pool, with_futures, with_joblib, nested, handled])
def test_the_reason_of_an_error_from_another_process(train):
    if train is with_joblib:
        pytest.importorskip("joblib")
    result = experiment.launch(None, train, {"x": [1]}, **QUIET)
    assert result.trials[0].reason == "ValueError: bad thing"


def test_launch_says_that_nothing_was_returned():
    said = "no value: the train function returned nothing"
    result = experiment.launch(None, lambda x: None, {"x": [1, 2]}, **QUIET)
    assert str(result).splitlines()[-1] == said and repr(result).endswith(f"{said}>")
    assert said in result._repr_html_()
    assert "no value" not in str(experiment.launch(None, lambda x: x, {"x": [1]}, **QUIET))
