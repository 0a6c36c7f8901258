"""Multi-fidelity searches through the front door, on the inline engine."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tensorboard.plugins.custom_scalar.layout_pb2 import Layout

from sparkexp import experiment
from sparkexp.errors import InvalidArgumentError, SearchInterrupted, TrainFunctionError
from sparkexp.results.reproduce import format_call
from sparkexp.runs import open_run
from sparkexp.search.spec import Search
from sparkexp.tracking.tensorboard.reading import read_events
from sparkexp.trial import State

from ..tracking.tensorboard.reading import domains, scalars, session_groups

QUIET = {"engine": "inline", "progress": False}
LADDER = {"fidelity": "epochs", "min": 1, "max": 9, "eta": 3}
SPACE = {"x": [0.0, 1.0]}

SEARCHES = {
    "asha, random": (experiment.random_search, {"n_trials": 12, "search": "asha"}),
    "asha, evolution": (
        experiment.evolutionary_search,
        {"popsize": 6, "generations": 1, "search": "asha"},
    ),
    "hyperband, random": (experiment.random_search, {"n_trials": 15, "search": "hyperband"}),
    "surrogate": (experiment.evolutionary_search, {"popsize": 5, "generations": 2}),
    "dehb": (
        experiment.evolutionary_search,
        {"popsize": 5, "generations": 4, "search": "dehb"},
    ),
    **{
        f"{search}, {searcher}": (
            experiment.search,
            {"searcher": searcher, "n_trials": 24, "search": search},
        )
        for searcher, search in [
            ("sobol", "asha"),
            ("shade", "hyperband"),
            ("regularized-evolution", "asha"),
            ("tournament", "hyperband"),
            ("reinforcement", "asha"),
        ]
    },
}


@pytest.fixture(params=SEARCHES)
def search(request, tmp_path):
    """Runs one of the searches with the train function of this test."""
    call, settings = SEARCHES[request.param]

    def search(train, name: str = "run", **options):
        options = {**QUIET, **LADDER, **settings, "logdir": tmp_path / name, **options}
        return call(None, train, SPACE, **options)

    return search


def run_of(result) -> list:
    """The trials that were run: an evolution may come to a configuration again."""
    return [r for r in result.trials if r.reused_from is None]


class Trainer:
    """Trains by counting: its checkpoint is the number of epochs, and the best x is 1."""

    def __init__(self) -> None:
        self.epochs = 0
        self.calls = 0

    def __call__(self, x: float, epochs: int) -> float:
        self.calls += 1
        file = Path(experiment.checkpoint_dir(), "state.json")
        known = json.loads(file.read_text()) if file.exists() else {"x": x, "epochs": 0}
        assert known["x"] == x, "another configuration's checkpoint"
        self.epochs += epochs - known["epochs"]
        file.write_text(json.dumps({"x": x, "epochs": epochs}))
        return x * epochs / 9


def test_promoted_trials_go_on_and_the_result_says_what_was_trained(search):
    train = Trainer()
    result = search(train, seed=1)
    assert all(r.succeeded for r in result.trials)
    assert all(r.continued == (r.trial.parent is not None) for r in run_of(result))
    n = sum(r.trial.parent is None for r in result.trials)
    assert f"{train.epochs} epochs of the {9 * n} that full fidelity would take" in str(result)
    assert train.calls == len(run_of(result))


def test_the_best_trial_is_one_of_the_highest_rung(search):
    def falling(x, epochs):
        return x - epochs  # the bottom has the best values

    result = search(falling, seed=1)
    top = [r for r in result.trials if r.trial.rung == 2]
    assert result.best.id == max(top, key=lambda r: r.value).trial.id
    assert str(result).splitlines()[2].split()[0].startswith("rung-2/")


def test_the_table_and_tensorboard_show_how_long_a_trial_trained(search, tmp_path):
    result = search(lambda x, epochs: x, seed=1)
    frame = result.to_pandas()
    assert list(frame["epochs"]) == [9 ** (r.trial.rung / 2) for r in result.trials]
    rows = {row["name"]: row for row in session_groups(tmp_path / "run")}
    assert len(rows) == len(run_of(result))
    assert {row["hparams"]["epochs"] for row in rows.values()} == {1.0, 3.0, 9.0}
    assert domains(tmp_path / "run")["epochs"] == ("FLOAT64", [1.0, 3.0, 9.0])
    written = scalars(tmp_path / "run")["search"]
    top = [r for r in result.trials if r.trial.rung == 2]
    assert len(written["rungs/2"]) == len(top)
    # Once there is a trial on the top, none of below is the best so far.
    assert written["trials/best_so_far"][-1][1] == pytest.approx(max(r.value for r in top))


def test_plots_and_pictures_say_which_rung_they_show(search, tmp_path):
    result = search(lambda x, epochs: x, seed=1)
    shown = {axes.get_ylabel() for axes in result.plot("slice").axes} - {"trial"}
    assert shown <= {f"objective, epochs={n}" for n in (1, 3, 9)} and len(shown) == 1
    ((config, _),) = [
        (value.tensor.string_val[0], event)
        for event in read_events(tmp_path / "run" / "search", 1 << 26)
        for value in event.summary.value
        if value.tag == "custom_scalars__config__"
    ]
    titles = [chart.title for c in Layout.FromString(config).category for chart in c.chart]
    assert titles[:3] == [f"Objective with epochs={n}" for n in (9, 3, 1)]


def test_a_search_that_was_stopped_goes_on_inside_a_rung(search):
    whole = search(Trainer(), "whole", seed=1)
    for n in (3, 13, 17):
        train = Trainer()

        def stop(x, epochs, train=train, n=n):
            if train.calls == n:
                raise KeyboardInterrupt
            return train(x, epochs)

        with pytest.raises(SearchInterrupted) as caught:
            search(stop, f"stopped-{n}", seed=1)
        first = caught.value.result
        assert sum(r.succeeded for r in run_of(first)) == n
        resumed = experiment.resume(None, train, first.logdir, max_trials=None, **QUIET)
        assert [(r.trial, r.value) for r in resumed.trials] == [
            (r.trial, r.value) for r in whole.trials
        ]
        assert train.calls == len(run_of(whole))
        assert all(r.continued == (r.trial.parent is not None) for r in run_of(resumed))


def test_without_checkpoints_every_rung_starts_anew(search):
    result = search(lambda x, epochs: x, seed=1)
    trained = sum(r.trial.extra["epochs"] for r in run_of(result))
    assert f"{trained} epochs of the" in repr(result)


def test_failed_configurations_are_not_promoted(search):
    def train(x, epochs):
        if x > 0.5:
            raise ValueError("no luck")
        return x

    result = search(train, seed=1)
    assert any(r.state is State.FAILED for r in result.trials)
    failed = {r.trial.id for r in result.trials if r.state is State.FAILED}
    assert not failed & {r.trial.parent for r in result.trials}
    assert result.best.value <= 0.5


def test_the_call_that_repeats_it(search):
    result = search(Trainer(), seed=1)
    run = open_run(result.logdir)
    text = format_call(Search.from_json(run.settings), run.settings["options"])
    called = text.replace("experiment.", "", 1).replace("spark, train", "None, train", 1)
    called = called[:-1] + ", engine='inline', progress=False)"
    names = {name: getattr(experiment, name) for name in experiment.__all__}
    again = eval(called, {**names, "train": Trainer()})
    assert [r.trial for r in again.trials] == [r.trial for r in result.trials]


def test_a_grid_and_a_list_are_halved(tmp_path):
    grid = {"x": [0.1 * k for k in range(9)]}
    by_dict = experiment.launch(None, Trainer(), grid, search="asha", **LADDER, **QUIET)
    assert [sum(r.trial.rung == k for r in by_dict.trials) for k in range(3)] == [9, 3, 1]
    assert by_dict.best.params == {"x": pytest.approx(0.8)}
    listed = [{"x": x} for x in grid["x"]]
    by_list = experiment.launch(None, Trainer(), listed, search="hyperband", **LADDER, **QUIET)
    assert {r.trial.params["x"] for r in by_list.trials} == set(grid["x"])
    again = experiment.launch(None, Trainer(), grid, search="asha", **LADDER, **QUIET)
    assert [r.trial for r in again.trials] == [r.trial for r in by_dict.trials]


@pytest.mark.parametrize(
    ("settings", "name", "n_first"),
    [
        ({"n_trials": 12, "seed": 1}, "surrogate-asha", 12),
        ({"n_trials": 12, "seed": 1, "search": "hyperband"}, "hyperband", 12),
        ({"n_trials": 12, "seed": 1, "search": "dehb"}, "dehb", 12),
        ({"n_trials": 5, "seed": 1, "search": "asha"}, "asha", 5),
        ({"searcher": "random", "n_trials": 7, "seed": 1}, "asha", 7),
        ({"searcher": "grid"}, "asha", 2),
    ],
)
def test_a_search_with_the_searcher_of_one_s_choice(settings, name, n_first):
    result = experiment.search(None, Trainer(), SPACE, **LADDER, **QUIET, **settings)
    assert open_run(result.logdir).settings["searcher"] == name
    assert sum(r.trial.parent is None for r in result.trials) == n_first
    assert all(r.succeeded for r in result.trials)
    top = [r for r in result.trials if r.trial.rung == 2]
    assert top and result.best.id in {r.trial.id for r in top}


def test_it_is_the_search_of_its_siblings():
    settings = {"seed": 1, **LADDER, **QUIET}
    by_name = experiment.search(None, Trainer(), SPACE, "random", n_trials=9, **settings)
    sibling = experiment.random_search(None, Trainer(), SPACE, n_trials=9, **settings)
    assert [r.trial for r in by_name.trials] == [r.trial for r in sibling.trials]


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (
            {"searcher": "asha", "n_trials": 9},
            "the searcher is one of 'grid', 'random', .* got 'asha'. Leave fidelity out",
        ),
        ({}, "give max_trials=50"),
        ({"n_trials": 9, "metric": ["a", "b"], "direction": ["max", "min"]}, "goes with one met"),
        ({"searcher": "random", "n_trials": 9, "search": "dehb"}, "call evolutionary_search"),
    ],
)
def test_a_search_that_has_no_fidelity(settings, words):
    with pytest.raises(InvalidArgumentError, match=words):
        experiment.search(None, Trainer(), SPACE, **LADDER, **QUIET, **settings)


def test_an_equal_configuration_is_trained_once_and_its_checkpoints_serve_all():
    train = Trainer()
    result = experiment.evolutionary_search(
        None, lambda k, epochs: train(float(k), epochs), {"k": [1, 3]}, popsize=6, generations=2,
        search="asha", seed=1, **LADDER, **QUIET,
    )  # fmt: skip
    run = [r for r in result.trials if r.reused_from is None]
    assert len(run) == train.calls <= 9 < len(result)
    assert all(r.continued for r in run if r.trial.rung)


def test_the_plan_says_rungs_and_costs(capsys):
    options = {"engine": "inline", "n_trials": 9, "seed": 1, "search": "asha"}
    experiment.random_search(None, Trainer(), SPACE, **LADDER, **options)
    plan = capsys.readouterr().err
    assert "asha search 'Trainer': 13 trials" in plan
    assert "9 with 1, 3 with 3, 1 with 9 epochs" in plan
    assert "21 of the 81 of full fidelity" in plan


@pytest.mark.parametrize(
    ("settings", "name", "note"),
    [
        ({}, "surrogate-asha", "note: search 'surrogate-asha': a model picks children"),
        ({"search": "asha"}, "asha", "proposals"),
        ({"crossover": 0.5}, "dehb", "note: search 'dehb', which has crossover and mutation"),
        ({"search": "hyperband"}, "hyperband", "proposals"),
    ],
)
def test_an_evolution_says_which_search_it_chose(settings, name, note, capsys):
    result = experiment.evolutionary_search(
        None, Trainer(), SPACE, popsize=6, generations=1, seed=1, engine="inline",
        **LADDER, **settings,
    )  # fmt: skip
    plan = capsys.readouterr().err
    assert f"{name} search 'Trainer'" in plan and note in plan
    assert open_run(result.logdir).settings["searcher"] == name


def test_crossover_and_mutation_belong_to_dehb():
    with pytest.raises(InvalidArgumentError, match="search='asha' has no crossover and mutation"):
        experiment.evolutionary_search(
            None, Trainer(), SPACE, mutation=0.5, search="asha", **LADDER, **QUIET
        )


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"search": "asha"}, "belongs to a search with fidelity="),
        ({"min": 3, "eta": 2}, "min=, eta= belongs to a search with fidelity="),
        ({"fidelity": "epochs", "search": "sha"}, "search must be 'asha', 'hyperband', 'surr"),
        ({"fidelity": "epochs", "min": 9, "max": 3}, "max is above min"),
        ({"fidelity": "x"}, "can't be searched as well"),
        ({"fidelity": "epochs", "search": "dehb"}, "call evolutionary_search"),
        ({"fidelity": "epochs", "search": "surrogate-asha"}, "call evolutionary_search"),
    ],
)
def test_options_that_do_not_fit_are_refused(options, words, tmp_path):
    with pytest.raises(InvalidArgumentError, match=words):
        experiment.random_search(None, Trainer(), SPACE, logdir=tmp_path / "r", **options, **QUIET)
    assert not (tmp_path / "r").exists()


def test_a_function_that_takes_no_such_argument_is_refused(tmp_path):
    with pytest.raises(TrainFunctionError, match="no argument 'epochs'"):
        experiment.random_search(
            None, lambda x: x, SPACE, fidelity="epochs", logdir=tmp_path / "r", **QUIET
        )
    assert not (tmp_path / "r").exists()
