"""Which evolution a call gets."""

import json

import pytest

from sparkexp.errors import InvalidArgumentError
from sparkexp.experiment import evolutionary_search, load, resume
from sparkexp.results.reproduce import format_call
from sparkexp.search import (
    EvolutionSearcher,
    HybridSearcher,
    ShadeSearcher,
    SurrogateSearcher,
)
from sparkexp.search.evolution.evolution_call import EvolutionCall
from sparkexp.search.spec import Search
from sparkexp.space import Space

SPACE = {"x": [0.0, 1.0], "n": [1, 5], "kind": ["a", "b", "c"]}


def train(x, n, kind):
    return -((x - 0.3) ** 2) - 0.1 * abs(n - 2) - 0.2 * (kind != "b")


def called(**words):
    return EvolutionCall(Space.from_search_dict(SPACE), "max", **words).build()


def search(**options):
    return evolutionary_search(None, train, SPACE, engine="inline", seed=1, **options)


@pytest.mark.parametrize(
    "words",
    [
        {"crossover": 0.9},
        {"mutation": 0.3},
        {"variant": "classic"},
        {"popsize": 10, "generations": 3, "crossover": 0.7, "mutation": 0.5},
        {"variant": "classic", "mode": "generational"},
    ],
)
def test_classic_is_what_gives_its_settings_or_asks_for_it(words):
    searcher, why = called(**words)
    assert type(searcher) is EvolutionSearcher and why == ""


def test_classic_is_the_searcher_that_it_was():
    searcher, _ = called(popsize=10, generations=3, crossover=0.7, mutation=0.5, seed=4)
    space = Space.from_search_dict(SPACE)
    before = EvolutionSearcher(space, "max", 10, 3, 0.7, 0.5, 4)
    assert [searcher.ask() for _ in range(10)] == [before.ask() for _ in range(10)]
    defaults, _ = called(variant="classic", seed=4)
    assert defaults.settings() == EvolutionSearcher(space, "max", seed=4).settings()


@pytest.mark.parametrize(
    ("words", "n_trials", "popsize"),
    [
        ({}, 110, 10),
        ({"max_trials": 40}, 40, 10),
        ({"popsize": 6, "generations": 4}, 30, 6),
        ({"popsize": 6, "generations": 4, "max_trials": 12}, 30, 6),
        ({"popsize": 6, "max_trials": 100}, 100, 6),
        ({"generations": 3}, 40, 10),
        ({"generations": 4, "max_trials": 100}, 100, 20),
        ({"generations": 40, "max_trials": 50}, 50, 4),
        ({"popsize": 6}, 66, 6),
        ({"variant": "shade", "max_trials": 8}, 8, 4),
        ({"variant": "shade", "max_trials": 40}, 40, 5),
        ({"variant": "shade", "max_trials": 100}, 100, 6),
        ({"variant": "shade", "max_trials": 300}, 300, 8),
        ({"variant": "shade", "max_trials": 40, "mode": "generational"}, 40, 8),
    ],
)
def test_the_budget(words, n_trials, popsize):
    searcher, _ = called(**words)
    assert (searcher.n_trials, searcher.popsize) == (n_trials, popsize)


@pytest.mark.parametrize(
    ("words", "popsize", "generations"),
    [
        ({"max_trials": 40}, 10, 3),
        ({"max_trials": 45}, 10, 4),
        ({"max_trials": 5}, 10, 0),
        ({"max_trials": 40, "generations": 1}, 20, 1),
        ({"max_trials": 40, "popsize": 5, "generations": 9}, 5, 9),
        ({"popsize": 5}, 5, 10),
    ],
)
def test_the_budget_of_the_classic_variant(words, popsize, generations):
    searcher, _ = called(variant="classic", **words)
    assert (searcher.popsize, searcher.generations) == (popsize, generations)


@pytest.mark.parametrize(
    ("words", "cls", "mode"),
    [
        ({"max_trials": 40}, SurrogateSearcher, "asynchronous"),
        ({"max_trials": 300}, HybridSearcher, "asynchronous"),
        ({"max_trials": 300, "one_by_one": True}, HybridSearcher, "asynchronous"),
        ({"max_trials": 300, "mode": "generational"}, HybridSearcher, "generational"),
        ({"variant": "surrogate", "max_trials": 300}, SurrogateSearcher, "asynchronous"),
        ({"variant": "hybrid", "max_trials": 40}, HybridSearcher, "asynchronous"),
        ({"variant": "shade"}, ShadeSearcher, "asynchronous"),
        ({"variant": "shade", "one_by_one": True}, ShadeSearcher, "asynchronous"),
    ],
)
def test_the_variant_and_its_mode(words, cls, mode):
    searcher, why = called(**words)
    assert type(searcher) is cls and searcher.mode == mode
    assert ("variant" in why) == ("variant" not in words)
    assert ("no slot waits" in why) == ("mode" not in words and "one_by_one" not in words)


def test_the_plan_says_which_variant_and_why(capsys):
    search(max_trials=12)
    out = capsys.readouterr()
    text = out.out + out.err
    assert "surrogate search 'train': 12 trials" in text
    assert "note: variant 'surrogate' for 12 configurations: a model picks the children" in text
    search(variant="shade", popsize=4, generations=2)
    out = capsys.readouterr()
    assert "variant" not in out.out + out.err


@pytest.mark.parametrize("variant", ["shade", "surrogate", "hybrid"])
@pytest.mark.parametrize("mode", ["asynchronous", "generational"])
def test_a_search_ends_and_is_repeatable_where_trials_run_one_by_one(variant, mode):
    options = {"variant": variant, "mode": mode, "max_trials": 14, "popsize": 4}
    first, again = (search(progress=False, **options) for _ in range(2))
    assert len(first) == 14 and first.stopped is None
    assert [t.trial for t in first.trials] == [t.trial for t in again.trials]
    assert {t.trial.generation for t in first.trials} == {0, 1, 2, 3}
    ids = {t.trial.id for t in first.trials}
    parents = [t.trial.parent for t in first.trials]
    assert any(parents) and set(filter(None, parents)) <= ids


@pytest.mark.parametrize("variant", ["shade", "surrogate", "hybrid"])
def test_resume_goes_on_where_it_was(variant, tmp_path):
    options = {"variant": variant, "max_trials": 14, "popsize": 4, "progress": False}
    whole = search(logdir=tmp_path / "whole", **options)
    part = search(logdir=tmp_path / "part", target=-1e9, **options)
    assert len(part) < 14
    rest = resume(None, train, tmp_path / "part", engine="inline", progress=False, target=None)
    assert [t.trial for t in rest.trials] == [t.trial for t in whole.trials]
    assert len(load(tmp_path / "part")) == 14


@pytest.mark.parametrize(
    "words",
    [
        {"max_trials": 40},
        {"max_trials": 300},
        {"variant": "shade", "popsize": 5, "generations": 6},
        {"variant": "surrogate", "mode": "generational"},
        {"crossover": 0.3},
    ],
)
def test_the_call_is_repeated_by_its_text(words):
    searcher, _ = called(seed=5, **words)
    space = Space.from_search_dict(SPACE)
    text = format_call(Search(searcher, space=space), {})
    keywords = text[text.index("direction=") : -1]
    again = eval(f"dict({keywords})")
    assert again.pop("direction") == "max"
    repeated, _ = called(**again)
    assert json.dumps(repeated.settings()) == json.dumps(searcher.settings())
    assert type(repeated) is type(searcher)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"variant": "cma"}, "variant is 'classic', 'shade', .*got 'cma'"),
        ({"variant": "shade", "mutation": 0.5}, "'shade' adapts crossover and mutation itself"),
        ({"mode": "batch"}, "mode is 'asynchronous' or 'generational', got 'batch'"),
        ({"crossover": 0.7, "mode": "asynchronous"}, "classic variant has generations"),
        ({"popsize": 3}, "popsize is a whole number of at least 4, got 3"),
        ({"generations": -1}, "generations is a whole number of at least 0, got -1"),
        ({"generations": 2.5}, "generations .*got 2.5"),
        ({"mutation": 3}, "mutation is a number"),
        ({"variant": "shade", "fidelity": "epochs"}, "With fidelity= the search is 'surr"),
    ],
)
def test_errors_before_anything_runs(words, message):
    with pytest.raises(InvalidArgumentError, match=message):
        evolutionary_search(None, train, SPACE, engine="inline", **words)
