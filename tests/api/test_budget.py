"""One word for the budget: `max_trials`, and `n_trials` as an older one."""

from __future__ import annotations

import inspect
import re

import pytest
from optuna.samplers import RandomSampler

from sparkexp import experiment
from sparkexp.api.typed_options import RunOptions
from sparkexp.cli import main
from sparkexp.errors import InvalidArgumentError

HOW = {"engine": "inline", "progress": False}
SPACE = {"x": [0.0, 1.0]}
GRID = {"x": [1, 2, 3, 4, 5, 6]}
LADDER = {"fidelity": "epochs", "min": 1, "max": 9, "eta": 3}
SEARCHERS = ("random", "sobol", "evolution", "shade", "surrogate", RandomSampler(seed=1))


def train(x, epochs=1):
    return x


def call_search(searcher):
    return lambda **options: experiment.search(None, train, SPACE, searcher, **options)


CALLS = {
    "random_search": lambda **options: experiment.random_search(None, train, SPACE, **options),
    "evolutionary_search": lambda **options: experiment.evolutionary_search(
        None, train, SPACE, **options
    ),
    "launch": lambda **options: experiment.launch(None, train, {"x": list(range(20))}, **options),
    **{f"search {searcher}": call_search(searcher) for searcher in SEARCHERS},
}
BY_POSITION = {
    "random_search": lambda n: experiment.random_search(None, train, SPACE, "max", n, **HOW),
    "search": lambda n: experiment.search(None, train, SPACE, "random", "max", n, **HOW),
}


@pytest.mark.parametrize("word", ["max_trials", "n_trials"])
@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_both_words_are_the_number_of_trials(call, word):
    result = call(**{word: 13}, **HOW)
    assert len(result) == 13


@pytest.mark.parametrize("call", BY_POSITION.values(), ids=BY_POSITION)
def test_it_may_be_given_by_position(call):
    assert len(call(12)) == 12


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_two_words_that_differ(call):
    assert len(call(n_trials=5, max_trials=5, **HOW)) == 5
    with pytest.raises(InvalidArgumentError, match="n_trials=5 and max_trials=6. Give max_trials"):
        call(n_trials=5, max_trials=6, **HOW)
    with pytest.raises(InvalidArgumentError, match="n_trials is a whole number"):
        call(n_trials=0, **HOW)


def test_the_default_stands_in_the_plan(capsys):
    how = {"engine": "inline"}
    assert len(experiment.random_search(None, train, SPACE, **how)) == 10
    assert "10 configurations by default: max_trials= sets the budget" in capsys.readouterr().err
    assert len(experiment.evolutionary_search(None, train, SPACE, seed=1, **how)) == 110
    assert "110 configurations by default" in capsys.readouterr().err
    experiment.random_search(None, train, SPACE, max_trials=3, **how)
    experiment.evolutionary_search(None, train, SPACE, popsize=4, generations=0, **how)
    experiment.launch(None, train, GRID, **how)
    said = capsys.readouterr().err
    assert "by default" not in said and "n_trials" not in said
    experiment.launch(None, train, GRID, max_trials=9, **how)
    assert "max_trials=9 is not reached" in capsys.readouterr().err


@pytest.mark.parametrize(
    "call",
    [
        CALLS["random_search"],
        CALLS["evolutionary_search"],
        CALLS["search random"],
        CALLS["search evolution"],
        lambda **options: CALLS["random_search"](search="hyperband", **options),
        lambda **options: CALLS["evolutionary_search"](search="dehb", **options),
    ],
)
@pytest.mark.parametrize("budget", [2, 13, 40])
def test_with_a_fidelity_it_counts_all_rungs(call, budget):
    result = call(max_trials=budget, seed=1, **LADDER, **HOW)
    n_run = sum(r.reused_from is None for r in result.trials)
    assert n_run <= budget
    if budget > 4:  # as many as fit in, and they are promoted to the end
        assert len(result) >= budget - 3 and result.stopped is None
        assert max(r.trial.extra["epochs"] for r in result.trials) == 9


def test_configurations_of_older_calls():
    """With a fidelity and with repeats, `n_trials` is what it was: configurations."""
    assert len(experiment.random_search(None, train, SPACE, n_trials=9, **LADDER, **HOW)) == 13
    result = experiment.random_search(None, train, SPACE, n_trials=6, repeats=2, confirm=2, **HOW)
    assert len(result) == 16
    result = experiment.random_search(
        None, train, SPACE, max_trials=16, repeats=2, confirm=2, **HOW
    )
    assert len(result) == 16 and len(result.configurations()) == 6
    assert len(experiment.random_search(None, train, SPACE, repeats=2, **HOW)) == 20


def test_resume_and_dry_run_take_both_words(tmp_path):
    for word in ("max_trials", "n_trials"):
        place = tmp_path / word
        experiment.launch(None, train, GRID, logdir=place, **{word: 2}, **HOW)
        assert len(experiment.resume(None, train, place, **{word: 4}, **HOW)) == 4
        tried = experiment.dry_run(
            experiment.random_search, None, train, SPACE, **{word: 3}, **HOW
        )
        assert len(tried) == 1 and tried.failures() == {}
    with pytest.raises(InvalidArgumentError, match="Give max_trials only"):
        experiment.resume(None, train, place, n_trials=3, max_trials=5, **HOW)


@pytest.mark.parametrize("name", ["launch", "random_search", "search", "resume", "dry_run"])
def test_the_older_word_is_not_shown(name):
    call = getattr(experiment, name)
    assert "n_trials" not in inspect.signature(call).parameters
    assert not re.search(r"\bn_trials", inspect.getdoc(call))
    assert "n_trials" not in RunOptions.__annotations__
    with pytest.raises(InvalidArgumentError) as caught:
        call(None, train, GRID, nonsense=1)
    assert not re.search(r"\bn_trials", str(caught.value))


@pytest.mark.parametrize("flag", ["--max-trials", "--n-trials", "--trials"])
@pytest.mark.parametrize("search", ["random", "grid", "sobol", "evolution"])
def test_flags(flag, search, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    file = tmp_path / f"budget_of_{search}_{flag.replace('-', '_')}.py"
    file.write_text("def train(x): return x\n")
    space = "[1, 2, 3, 4, 5, 6]" if search == "grid" else "[0.0, 1.0]"
    (tmp_path / "space.json").write_text(f'{{"x": {space}}}')
    words = ["run", str(file) + ":train", "--space", "space.json", "--search", search]
    words += ["--engine", "inline", "--no-progress", "--logdir", "one"]
    assert main([*words, flag, "5"]) == 0
    assert len(experiment.load("one")) == 5
    if flag != "--max-trials":
        capsys.readouterr()
        assert main([*words, flag, "5", "--max-trials", "4"]) == 1
        assert "Give max_trials only" in capsys.readouterr().err
        assert main([*words, "--trials", "5", "--n-trials", "4"]) == 1
        assert "Give --max-trials only" in capsys.readouterr().err


def test_help_of_the_command(capsys):
    for command in ("run", "resume"):
        with pytest.raises(SystemExit):
            main([command, "--help"])
        out = capsys.readouterr().out
        assert "--max-trials" in out and "n-trials" not in out and " --trials" not in out
