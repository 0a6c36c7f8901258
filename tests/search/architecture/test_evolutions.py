"""Regularized evolution and tournaments."""

from __future__ import annotations

import numpy as np
import pytest

from sparkexp.errors import InvalidArgumentError
from sparkexp.search import RandomSearcher, RegularizedEvolutionSearcher, TournamentSearcher
from sparkexp.search.base import KnownResult
from sparkexp.search.registry import build_searcher
from sparkexp.search.repeating import RepeatingSearcher
from sparkexp.space import Int, Space
from sparkexp.trial import State, TrialResult, params_key

from .spaces import both_space, chain_space, count_conv5, drive, end, restored


def regularized(space=None, n_trials=80, **settings) -> RegularizedEvolutionSearcher:
    settings = {"population": 10, "sample": 4, "seed": 1, **settings}
    return RegularizedEvolutionSearcher(space or chain_space(), "max", n_trials, **settings)


def tournament(space=None, n_trials=80, **settings) -> TournamentSearcher:
    settings = {"population": 10, "seed": 1, **settings}
    return TournamentSearcher(space or chain_space(), "max", n_trials, **settings)


BOTH = pytest.mark.parametrize("make", [regularized, tournament])


@BOTH
@pytest.mark.parametrize("space", [chain_space(), both_space()], ids=["alone", "with others"])
def test_they_find_more_than_random_search(make, space):
    def best(searcher) -> float:
        return max(count_conv5(trial.params) for trial in drive(searcher, count_conv5, 80))

    seeds = range(5)
    ours = [best(make(space, seed=seed)) for seed in seeds]
    random = [best(RandomSearcher(space, n_trials=80, seed=seed)) for seed in seeds]
    assert np.mean(ours) > np.mean(random) + 0.5


@BOTH
def test_children_name_their_parents(make):
    asked = drive(make(), count_conv5, 80)
    by_id = {trial.id: trial for trial in asked}
    assert all(trial.parent is None for trial in asked[:10])
    assert all(by_id[trial.parent].number < trial.number for trial in asked[10:])


@BOTH
def test_nothing_is_tried_twice_while_there_is_something_new(make):
    asked = drive(make(both_space()), count_conv5, 80)
    assert len({params_key(trial.params) for trial in asked}) == 80


@BOTH
def test_a_space_that_is_used_up_does_not_end_the_search(make):
    space = Space({"x": Int(1, 3)})
    asked = drive(make(space, n_trials=30), lambda params: params["x"], 30)
    assert {trial.params["x"] for trial in asked} == {1, 2, 3}


@BOTH
def test_failed_trials_are_no_parents(make):
    def value(params):
        return None if params["architecture"].startswith("none") else count_conv5(params)

    asked = drive(make(), value, 80)
    parents = {trial.parent for trial in asked} - {None}
    failed = {trial.id for trial in asked if value(trial.params) is None}
    assert failed and not parents & failed


@BOTH
def test_known_results_are_the_first_members(make):
    space = chain_space()
    good = {"architecture": "conv5-conv5-conv5-none-none-none"}
    searcher = make(space)
    searcher.start_from((), [KnownResult(good, 3.0)] * 12)
    first = drive(searcher, count_conv5, 10)
    assert np.mean([count_conv5(trial.params) for trial in first]) > 1.5
    assert all(trial.parent is None for trial in first[:1])


@BOTH
def test_what_is_in_flight_and_what_is_known_is_restored(make):
    searcher = make(both_space())
    drive(searcher, count_conv5, 30)
    in_flight = [searcher.ask() for _ in range(4)]
    again = restored(lambda: make(both_space()), searcher)
    assert [again.ask() for _ in range(4)] == in_flight
    for one in (searcher, again):
        for trial in in_flight[::-1]:
            one.tell(end(trial, count_conv5(trial.params)))
    assert drive(searcher, count_conv5, 20) == drive(again, count_conv5, 20)


def test_the_oldest_is_dropped_whatever_it_is_worth():
    searcher = regularized(sample=1)
    values = iter([9.0] + [1.0] * 79)
    drive(searcher, lambda params: next(values), 10)
    assert 0 in searcher._members.holders
    drive(searcher, lambda params: next(values), 1)
    assert searcher._members.holders == list(range(1, 11))


def test_the_best_of_the_sample_is_the_parent():
    searcher = regularized(population=5, sample=200)  # everybody is in the sample
    values = iter([3.0, 1.0, 9.0, 2.0, 0.0])
    drive(searcher, lambda params: next(values), 5)
    assert searcher.ask().parent == "trials/trial-00002"


def test_with_several_objectives_the_dominated_are_no_parents():
    searcher = RegularizedEvolutionSearcher(
        chain_space(), ["max", "min"], 80, population=5, sample=60, seed=1
    )
    # Accuracy and size: trial 1 is dominated by 0, and 3 is in a crowd with 2 and 4.
    outcomes = [(0.1, 1.0), (0.05, 2.0), (0.8, 7.0), (0.81, 7.1), (0.9, 9.0)]
    for values in outcomes:
        trial = searcher.ask()
        searcher.tell(TrialResult(trial, State.SUCCEEDED, values[0], values=values))
    asked = [searcher.ask() for _ in range(10)]
    assert {trial.parent for trial in asked} <= {"trials/trial-00000", "trials/trial-00004"}


def test_the_name_builds_it_for_several_objectives():
    searcher = build_searcher("regularized-evolution", chain_space(), ["max", "min"], 40, 1)
    assert searcher.directions == ("max", "min")
    with pytest.raises(InvalidArgumentError, match="'tournament' optimises one metric"):
        build_searcher("tournament", chain_space(), ["max", "min"], 40, 1)


@pytest.mark.parametrize(("n_trials", "population", "sample"),
                         [(20, 10, 2), (200, 20, 5), (500, 50, 12), (None, 50, 12)])  # fmt: skip
def test_the_population_suits_the_budget(n_trials, population, sample):
    searcher = RegularizedEvolutionSearcher(chain_space(), n_trials=n_trials)
    assert (searcher.population, searcher.sample) == (population, sample)


@pytest.mark.parametrize("wrong", [{"population": 1}, {"sample": 0}, {"n_trials": 0}])
def test_settings_out_of_range(wrong):
    with pytest.raises(InvalidArgumentError, match=next(iter(wrong))):
        RegularizedEvolutionSearcher(chain_space(), **wrong)


@BOTH
def test_a_note_if_there_are_too_many_slots(make):
    searcher = make(population=20)
    assert searcher.slots_note(10) is None
    assert "Give population=22" in searcher.slots_note(11)
    assert RepeatingSearcher(searcher, ["max"], 2).slots_note(20) is None
    assert RandomSearcher(chain_space()).slots_note(1000) is None


@BOTH
def test_the_age_of_the_population_is_shown(make):
    searcher = make()
    assert searcher.progress() == {"population size": 0}
    drive(searcher, count_conv5, 10)
    assert searcher.progress() == {"population size": 10, "population age": 4.5}
    assert RepeatingSearcher(searcher, ["max"]).progress() == searcher.progress()


def test_the_worse_of_two_is_removed():
    searcher = tournament(population=2)
    values = iter([5.0, 1.0, 3.0])
    drive(searcher, lambda params: next(values), 3)
    assert searcher._members.holders == [0, 2]
    assert searcher.ask().parent == "trials/trial-00000"
    assert searcher._members.holders == [0]  # 2 was worth less, and is removed at once


def test_the_removed_one_comes_back_if_the_child_fails():
    searcher = tournament(population=2)
    values = iter([5.0, 1.0, None])
    drive(searcher, lambda params: next(values), 3)
    assert sorted(searcher._members.holders) == [0, 1]


def test_trials_in_flight_do_not_shrink_the_population():
    searcher = tournament()
    drive(searcher, count_conv5, 10)
    flying = [searcher.ask() for _ in range(4)]
    assert len(searcher._members) == 6 and all(trial.parent for trial in flying)
    for trial in flying:
        searcher.tell(end(trial, 1.0))
    assert len(searcher._members) == 10


class TestInheritance:
    def test_a_child_has_the_checkpoints_of_its_parent(self):
        asked = drive(tournament(), count_conv5, 40)
        assert all(trial.checkpoint is None for trial in asked[:10])
        assert all(trial.checkpoint == f"/logs/{trial.parent}" for trial in asked[10:])

    def test_unless_it_is_not_to_inherit(self):
        asked = drive(tournament(inherit=False), count_conv5, 40)
        assert all(trial.checkpoint is None and trial.parent for trial in asked[10:])

    def test_a_restored_search_knows_them(self):
        searcher = tournament()
        drive(searcher, count_conv5, 30)
        flying = [searcher.ask() for _ in range(3)]
        again = restored(tournament, searcher)
        assert [again.ask().checkpoint for _ in range(3)] == [t.checkpoint for t in flying]
        following = again.ask(), searcher.ask()
        assert following[0].checkpoint == following[1].checkpoint is not None

    def test_only_the_directories_of_the_living_are_kept(self):
        searcher = tournament()
        drive(searcher, count_conv5, 80)
        assert set(searcher._directories) == set(searcher._members.holders)
