"""A searcher of the user's own, through the front door."""

from __future__ import annotations

import json

import pytest

from sparkexp import experiment
from sparkexp.cli import main
from sparkexp.errors import InvalidArgumentError
from sparkexp.search import EvolutionSearcher, RandomSearcher
from sparkexp.search.repeating import RepeatingSearcher
from sparkexp.space import Space

from ..search.climbing import ClimbingSearcher

HOW = {"engine": "inline", "progress": False}
DICT = {"x": [0.0, 1.0], "units": [1, 9]}
SPACE = Space.from_search_dict(DICT)


def train(x, units):
    return -((x - 0.7) ** 2) - abs(units - 6)


def new(**settings) -> ClimbingSearcher:
    return ClimbingSearcher(SPACE, **{"seed": 3, **settings})


def trials(result):
    return [r.trial for r in result.trials]


def test_a_search_with_it(tmp_path, capsys):
    result = experiment.search(None, train, DICT, new(), logdir=tmp_path / "run", **HOW)
    assert len(result) == 30 and result.searcher == "climbing"
    assert result.best.value > -0.1
    record = json.loads((tmp_path / "run" / "experiment.json").read_text())
    assert record["searcher"] == "climbing" and record["own_searcher"] == "ClimbingSearcher"
    assert record["settings"] == {"direction": "max", "n_trials": 30, "seed": 3}

    loaded = experiment.load(tmp_path / "run")
    assert trials(loaded) == trials(result) and loaded.searcher == "climbing"
    loaded.plot()
    assert main(["show", str(tmp_path / "run")]) == 0
    assert main(["show", "--json", str(tmp_path / "run")]) == 0
    assert '"searcher": "climbing"' in capsys.readouterr().out
    assert main(["report", str(tmp_path / "run"), "-o", str(tmp_path / "page.html")]) == 0
    page = (tmp_path / "page.html").read_text()
    assert "ClimbingSearcher(space, direction=&#x27;max&#x27;, n_trials=30, seed=3)" in page


def test_the_plan_names_it(tmp_path, capsys):
    experiment.search(None, train, DICT, new(n_trials=2), engine="inline", logdir=tmp_path / "r")
    said = capsys.readouterr()
    assert "climbing search 'train': 2 trials" in said.out + said.err


def test_it_goes_on_after_an_interruption(tmp_path):
    whole = experiment.search(None, train, DICT, new(), logdir=tmp_path / "whole", **HOW)
    place = tmp_path / "run"
    first = experiment.search(None, train, DICT, new(), max_trials=14, logdir=place, **HOW)
    assert 0 < len(first) < 30
    with pytest.raises(InvalidArgumentError) as caught:
        experiment.resume(None, train, place, max_trials=None, **HOW)
    assert "ClimbingSearcher of your own" in str(caught.value)
    assert "ClimbingSearcher(space, direction='max', n_trials=30, seed=3)" in str(caught.value)
    resumed = experiment.resume(None, train, place, searcher=new(), max_trials=None, **HOW)
    assert trials(resumed) == trials(whole)
    assert main(["resume", str(place), "--train", f"{__file__}:train", "--engine", "inline"]) != 0


@pytest.mark.parametrize(
    ("searcher", "said"),
    [
        (new(seed=4), "with the settings .*'seed': 3.*, got .*'seed': 4"),
        (RandomSearcher(SPACE, 30, 3), "by a ClimbingSearcher of your own"),
        ("climbing", "by a ClimbingSearcher of your own"),
        (ClimbingSearcher(Space.from_search_dict({"x": [0, 1.0]}), seed=3), "the same space"),
    ],
)
def test_it_goes_on_with_no_other(tmp_path, searcher, said):
    place = tmp_path / "run"
    experiment.search(None, train, DICT, new(), max_trials=2, logdir=place, **HOW)
    with pytest.raises(InvalidArgumentError, match=said):
        experiment.resume(None, train, place, searcher=searcher, **HOW)


def test_what_searches_begin_with_and_repeat_goes_with_it(tmp_path):
    begin = {"initial": [{"x": 0.7, "units": 6}], "repeats": 2}
    place = tmp_path / "run"
    whole = experiment.search(None, train, DICT, new(n_trials=12), **begin, **HOW)
    assert whole.trials[0].trial.params == begin["initial"][0] and len(whole) == 24
    experiment.search(
        None, train, DICT, new(n_trials=12), max_trials=7, logdir=place, **begin, **HOW
    )
    resumed = experiment.resume(
        None, train, place, searcher=new(n_trials=12), max_trials=None, **HOW
    )
    assert trials(resumed) == trials(whole)


def test_where_is_that_of_the_call(tmp_path):
    def where(params):
        return params["units"] > 5

    space = Space.from_search_dict(DICT, where)
    with pytest.raises(InvalidArgumentError, match="the same where"):
        experiment.search(None, train, DICT, ClimbingSearcher(space, seed=1), **HOW)
    result = experiment.search(
        None, train, DICT, ClimbingSearcher(space, seed=1), where=where, max_trials=4,
        logdir=tmp_path / "run", **HOW,
    )  # fmt: skip
    assert all(trial.params["units"] > 5 for trial in trials(result))
    more = experiment.resume(
        None, train, tmp_path / "run", where=where, searcher=ClimbingSearcher(space, seed=1),
        max_trials=8, **HOW,
    )  # fmt: skip
    assert len(more) == 8


class NamelessSearcher(RandomSearcher):
    name = ""


class InheritingSearcher(RandomSearcher):
    pass


class EndlessSearcher(RandomSearcher):
    name = "endless"

    def settings(self):
        return {"n_trials": {1, 2}}


def used() -> ClimbingSearcher:
    searcher = new()
    searcher.ask()
    return searcher


def apply_warm_start() -> ClimbingSearcher:
    searcher = new()
    searcher.start_from([{"x": 0.5, "units": 1}])
    return searcher


@pytest.mark.parametrize(
    ("searcher", "options", "said"),
    [
        (used(), {}, "was used before .1 trials asked"),
        (apply_warm_start(), {}, "was used before"),
        (new(), {"seed": 3}, "leave seed out"),
        (new(direction="min"), {}, r"the same direction, got \['min'\] and \['max'\]"),
        (ClimbingSearcher(Space.from_search_dict({"y": [0, 1.0]})), {}, "search the same space"),
        (NamelessSearcher(SPACE, 3), {}, "a name of its own.*got ''"),
        (InheritingSearcher(SPACE, 3), {}, "the name of RandomSearcher"),
        (EndlessSearcher(SPACE, 3), {}, "what JSON can hold"),
        (RandomSearcher(SPACE), {}, "has none: give max_trials"),
        (RepeatingSearcher(new(), ["max"]), {}, "with repeats= and confirm="),
        (ClimbingSearcher, {"n_trials": 3}, "handed over as an instance"),
    ],
)
def test_what_does_not_go(tmp_path, searcher, options, said):
    with pytest.raises(InvalidArgumentError, match=said):
        experiment.search(None, train, DICT, searcher, logdir=tmp_path / "run", **options, **HOW)
    assert not (tmp_path / "run").exists()


def test_an_instance_of_sparkexps_is_recorded_as_by_name(tmp_path):
    searcher = EvolutionSearcher(SPACE, "max", popsize=4, generations=2, seed=1)
    result = experiment.search(
        None, train, DICT, searcher, max_trials=5, logdir=tmp_path / "run", **HOW
    )
    assert result.searcher == "evolution"
    resumed = experiment.resume(None, train, tmp_path / "run", max_trials=None, **HOW)
    assert len(resumed) == 12
