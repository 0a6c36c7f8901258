"""What a searcher says of itself, which plans, records and pictures go by."""

from __future__ import annotations

import pytest

from sparkexp.search import AshaSearcher, EvolutionSearcher, RandomSearcher, Searcher
from sparkexp.search.multi_fidelity.dehb import DehbSearcher
from sparkexp.search.repeating import RepeatingSearcher
from sparkexp.space import Float, Space

from .driving import SETUPS, score, trials

LINE = Space({"x": Float(0, 1)})


@pytest.fixture(params=SETUPS)
def searcher(request) -> Searcher:
    make, space = SETUPS[request.param]
    return make(space())


def test_generations_are_those_of_its_trials(searcher):
    found = [trial.generation for trial in trials(searcher, score)]
    if searcher.generations is None:
        assert set(found) == {None}
    else:
        assert set(found) == set(range(searcher.generations + 1))
        assert found.count(0) == searcher.popsize


def test_rungs_are_those_of_its_trials(searcher):
    found = [(t.rung, *t.extra.items()) for t in trials(searcher, score) if t.rung is not None]
    assert {(k, f"{name}={level}") for k, (name, level) in found} <= set(enumerate(searcher.rungs))
    assert (len(searcher.rungs) > 1) == bool(found)


def test_it_runs_every_configuration_once_unless_it_repeats(searcher):
    assert (searcher.repeats, searcher.confirm, searcher.inner) == (1, 0, searcher)
    several = RepeatingSearcher(searcher, ["max"], 3, 2)
    assert (several.repeats, several.confirm, several.inner) == (3, 2, searcher)
    assert several.generations == searcher.generations and several.popsize == searcher.popsize
    assert several.rungs == searcher.rungs and several.shows_best == searcher.shows_best
    assert several.plan_rows() == searcher.plan_rows()


def test_a_limit_matters_to_who_confirms():
    def n_trials(confirm: int) -> int | None:
        one = RepeatingSearcher(RandomSearcher(LINE, n_trials=40, seed=1), ["max"], 2, confirm)
        one.limit(20)
        return one.n_trials

    assert n_trials(0) == 80
    assert n_trials(3) == 20


def test_what_a_plan_says():
    assert EvolutionSearcher(LINE, popsize=4, generations=1).plan_rows() == []
    assert AshaSearcher(LINE, n_configurations=9, max=9).plan_rows() == [
        ("trials", "9 with 1, 3 with 3, 1 with 9 epochs, at most"),
        ("epochs to train", "21 of the 81 of full fidelity, if promoted trials go on from their "
         "checkpoints"),
    ]  # fmt: skip
    assert DehbSearcher(LINE, n_configurations=9, min=2, max=18).rungs == (
        "epochs=2",
        "epochs=6",
        "epochs=18",
    )
