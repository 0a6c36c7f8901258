"""constraint=: entries of what a trial returns that have to be at most 0."""

from __future__ import annotations

import pytest

from sparkexp import experiment
from sparkexp.errors import AllTrialsFailedError, InvalidArgumentError
from sparkexp.results.report import render_report
from sparkexp.runs import open_run

SPACE = {"x": [-3.0, 3.0], "y": [-3.0, 3.0]}
HOW = {"engine": "inline", "progress": False, "seed": 1}
LOSS = {"metric": "loss", "direction": "min", "constraint": "too_big"}


def train(x, y):
    return {"loss": (x - 2) ** 2 + (y - 1) ** 2, "too_big": x + y - 1, "other": 3.0}


@pytest.mark.parametrize("searcher", ["random", "sobol", "shade", "evolution"])
def test_the_best_trial_satisfies_it(searcher):
    result = experiment.search(
        None, train, SPACE, searcher, max_trials=40, trackers=[], **LOSS, **HOW
    )
    allowed = [r for r in result.trials if r.metrics["too_big"] <= 0]
    assert result.best.value == min(r.value for r in allowed) > 2
    assert result.best.violation == 0
    assert all(r.violation == max(0, r.metrics["too_big"]) for r in result.trials)
    table = result.to_pandas()
    assert (table["violation"] == [r.violation for r in result.trials]).all()
    read = result.to_read()
    assert read["id"][0] == result.best.id
    assert (read["violation"].to_numpy()[: len(allowed)] == 0).all()


def test_if_none_satisfies_it_the_least_violating_one_is_named(tmp_path):
    result = experiment.launch(
        None, train, {"x": [2.0, 3.0], "y": [1.0, 2.0]}, logdir=tmp_path, engine="inline",
        progress=False, **LOSS,
    )  # fmt: skip
    assert result.best.params == {"x": 2.0, "y": 1.0}
    assert result.best.violation == 2.0
    said = "no trial satisfies the constraints, this one violates them least, by 2"
    assert said in repr(result)
    assert repr(experiment.load(tmp_path)) == repr(result)
    pytest.importorskip("matplotlib")
    assert said in render_report(open_run(str(tmp_path)))


def test_several_constraints_and_objectives():
    def both(x, y):
        return {"a": x, "b": y, "outside": x * x + y * y - 1, "left": -x - 0.5}

    result = experiment.evolutionary_search(
        None, both, SPACE, ["min", "min"], metric=["a", "b"], constraint=["outside", "left"],
        popsize=12, generations=10, trackers=[], **HOW,
    )  # fmt: skip
    assert len(result.front) > 2
    for best in result.front:
        assert best.metrics["outside"] <= 0 and best.metrics["left"] <= 0
    assert result.to_pandas()["front"].sum() == len(result.front)


def test_target_and_patience_count_what_satisfies_it():
    configurations = [
        {"x": 2.0, "y": 1.0}, {"x": 0.0, "y": 0.0}, {"x": 1.0, "y": 0.0}, {"x": 1.0, "y": -0.5}
    ]  # fmt: skip
    values = {"engine": "inline", "progress": False, "trackers": [], **LOSS}
    result = experiment.launch(None, train, configurations, target=2.0, **values)
    assert len(result) == 3 and result.stopped is not None
    result = experiment.launch(None, train, configurations * 2, patience=2, **values)
    assert len(result) == 5


def test_it_is_recorded_and_goes_on(tmp_path):
    def stop(result):
        return len(result) == 9

    how = {"max_trials": 24, "searcher": "shade", **LOSS, **HOW}
    begun = experiment.search(None, train, SPACE, stop_when=stop, logdir=tmp_path / "a", **how)
    assert len(begun) == 9
    ended = experiment.resume(None, train, tmp_path / "a", engine="inline", progress=False)
    whole = experiment.search(None, train, SPACE, trackers=[], **how)
    assert [r.trial.params for r in ended.trials] == [r.trial.params for r in whole.trials]
    assert [r.violation for r in ended.trials] == [r.violation for r in whole.trials]
    assert experiment.load(tmp_path / "a").search.constraints == ("too_big",)
    more = experiment.search(
        None, train, SPACE, warm_start=whole, trackers=[], **{**how, "max_trials": 8}
    )
    # It begins among the allowed points of the earlier search.
    assert min(r.violation for r in more.trials) == 0


def test_repeated_runs_are_judged_by_their_mean():
    result = experiment.search(
        None,
        train,
        SPACE,
        "shade",
        max_trials=60,
        repeats=2,
        confirm=2,
        trackers=[],
        **LOSS,
        **HOW,
    )
    assert result.best.violation == 0 and result.best.n_runs == 4


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"constraint": 3}, "constraint must be the name of an entry"),
        ({"constraint": []}, "constraint must be the name of an entry"),
        ({"metric": None}, "name its entry to optimise"),
        ({"prune": "median"}, "does not go with prune="),
    ],
)
def test_what_is_wrong_is_said(given, message):
    with pytest.raises(InvalidArgumentError, match=message):
        experiment.search(None, train, SPACE, max_trials=5, **{**LOSS, **HOW, **given})


def test_an_entry_that_is_missing_is_said():
    with pytest.raises(AllTrialsFailedError, match="no 'too_bug' .*too_big.*with constraint="):
        experiment.search(
            None, train, SPACE, max_trials=5, **{**LOSS, **HOW, "constraint": "too_bug"}
        )


def test_searchers_that_learn_nothing_of_it_are_refused():
    message = "constraint= goes with grid, random and Sobol search and with evolutionary_search"
    with pytest.raises(InvalidArgumentError, match=message):
        experiment.evolutionary_search(
            None, lambda x, y, epochs: {}, SPACE, fidelity="epochs", min=1, max=9, **LOSS, **HOW
        )
    optuna = pytest.importorskip("optuna")
    with pytest.raises(InvalidArgumentError, match=message):
        experiment.search(
            None, train, SPACE, optuna.samplers.TPESampler(), max_trials=5,
            **{**LOSS, **HOW, "seed": None},
        )  # fmt: skip


def test_tensorboard_has_a_column(tmp_path):
    result = experiment.search(
        None, train, SPACE, "random", max_trials=3, logdir=tmp_path, **LOSS, **HOW
    )
    from sparkexp.tracking.tensorboard.reading import read_events

    tags = {
        value.tag
        for trial in result.trials
        for event in read_events(trial.logdir)
        for value in event.summary.value
    }
    assert "constraints/violation" in tags
