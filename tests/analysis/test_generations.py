from __future__ import annotations

import random
from dataclasses import replace

import pytest

from sparkexp.analysis.axes import Axis
from sparkexp.analysis.generations import Evolution, sort_by_value
from sparkexp.analysis.specs import Interval, ParameterSpec
from sparkexp.objective import Objective
from sparkexp.search import EvolutionSearcher, HybridSearcher, ShadeSearcher, SurrogateSearcher
from sparkexp.search.registry import shows_best
from sparkexp.space import Float, Space
from sparkexp.trial import State, Trial, TrialResult

from .results import trial

MAX, MIN = Objective(), Objective(None, "min")
X = Axis(ParameterSpec("x", Interval(0, 1)))


def test_a_generation_closes_with_its_last_trial():
    evolution = Evolution([X], MAX, 2)
    first = trial(0, 1.0, {"x": 0.0}, 0)
    assert evolution.add(first) == []
    (zero,) = evolution.add(trial(1, 3.0, {"x": 1.0}, 0))
    assert (zero.number, zero.values, zero.n_trials) == (0, [1.0, 3.0], 2)
    assert [r.trial.number for r in zero.accepted] == [0, 1]
    better, worse = (
        trial(2, 2.0, {"x": 0.5}, 1, first),
        trial(3, 0.0, {"x": 0.2}, 1, zero.trials[1]),
    )
    evolution.add(worse)
    (one,) = evolution.add(better)
    assert [r.trial.number for r in one.accepted] == [2]
    assert sorted(r.trial.number for r in one.population) == [1, 2]
    scalars = one.compute_scalars(MAX)
    assert scalars["evolution/best"] == 3.0 and scalars["evolution/worst"] == 2.0
    assert scalars["evolution/mean"] == 2.5 and scalars["evolution/accepted_fraction"] == 0.5
    assert scalars["diversity/x"] == scalars["diversity/overall"] == pytest.approx(0.25 * 12**0.5)


def test_less_is_better_where_asked():
    evolution = Evolution([X], MIN, 1)
    first = trial(0, 1.0, {"x": 0.0}, 0)
    evolution.add(first)
    (one,) = evolution.add(trial(1, 0.5, {"x": 0.1}, 1, first))
    assert one.compute_scalars(MIN)["evolution/best"] == 0.5 and len(one.accepted) == 1


def test_failed_and_reused_trials_are_counted_and_never_survive_a_value():
    evolution = Evolution([X], MAX, 2)
    zero = [trial(0, None, {"x": 0.0}, 0), trial(1, 1.0, {"x": 1.0}, 0)]
    for result in zero:
        evolution.add(result)
    evolution.add(trial(2, 0.1, {"x": 0.2}, 1, zero[0], reused_from="gen-000/trial-00001"))
    (one,) = evolution.add(trial(3, None, {"x": 0.2}, 1, zero[1]))
    assert sorted(one.values) == [0.1, 1.0]
    scalars = one.compute_scalars(MAX)
    assert scalars["evolution/failed_trials"] == 1 and scalars["evolution/reused_evaluations"] == 1


def test_where_all_fail_there_are_no_values():
    evolution = Evolution([X], MAX, 1)
    (zero,) = evolution.add(trial(0, None, {"x": 0.5}, 0))
    assert "evolution/best" not in zero.compute_scalars(MAX)
    assert zero.compute_scalars(MAX)["evolution/accepted_fraction"] == 0


def test_without_a_popsize_the_next_generation_closes_the_last_one():
    evolution = Evolution([X], MAX)
    parent = trial(0, 1.0, {"x": 0.1}, 0)
    evolution.add(parent)
    evolution.add(trial(1, 2.0, {"x": 0.2}, 0))
    (zero,) = evolution.add(trial(2, 3.0, {"x": 0.3}, 1, parent))
    assert (zero.number, len(zero.trials)) == (0, 2)
    straggler = trial(3, 4.0, {"x": 0.3}, 0)
    assert evolution.add(straggler) == []
    (one,) = evolution.finish()
    assert (one.number, len(one.trials), one.leaders[0]) == (1, 2, straggler)
    assert evolution.finish() == []


def test_trials_without_generations_close_nothing():
    evolution = Evolution([X], MAX)
    assert evolution.add(trial(0, 1.0, {"x": 0.1})) == [] and evolution.finish() == []


@pytest.mark.parametrize("direction", ["max", "min"])
def test_the_population_is_the_one_that_the_searcher_keeps(direction):
    """Against the searcher's own memory, with failures and equal values among the trials."""
    space = Space({"a": Float(0, 1), "b": Float(0, 1)})
    searcher = EvolutionSearcher(space, direction, popsize=8, generations=12, seed=5)
    evolution = Evolution([X], Objective(None, direction), 8)
    while (asked := searcher.ask()) is not None:
        a, b = asked.params["a"], asked.params["b"]
        value = None if b > 0.9 else round(a + b, 1)
        state = State.FAILED if value is None else State.SUCCEEDED
        result = TrialResult(asked, state, value)
        searcher.tell(result)
        for closed in evolution.add(result):
            memory = searcher.state()["memory"]
            assert {r.trial.number for r in closed.population} == set(memory["holders"])
            losses = sorted(map(Objective(None, direction).loss, closed.values))
            assert losses == sorted(loss for loss in memory["losses"] if loss is not None)
    assert len(evolution.closed) == 13


@pytest.mark.parametrize("kind", [ShadeSearcher, SurrogateSearcher])
@pytest.mark.parametrize("mode", ["generational", "asynchronous"])
def test_the_population_of_an_adaptive_evolution_is_the_one_that_it_keeps(kind, mode):
    """SHADE's first generation has double size; results come in any order."""
    space = Space({"a": Float(0, 1), "b": Float(0, 1)})
    searcher = kind(space, "max", popsize=6, n_trials=60, mode=mode, seed=5)
    evolution = Evolution([X], MAX, 6, searcher.order_matters)
    order = random.Random(1)
    running: list[Trial] = []
    while True:
        while len(running) < 5 and (asked := searcher.ask()) is not None:
            running.append(asked)
        if not running:
            break
        asked = running.pop(order.randrange(len(running)))
        a, b = asked.params["a"], asked.params["b"]
        value = None if b > 0.9 else round(a + b, 1)
        state = State.FAILED if value is None else State.SUCCEEDED
        result = TrialResult(asked, state, value)
        searcher.tell(result)
        for closed in evolution.add(result):
            memory = searcher.state()["memory"]
            if mode == "generational" and closed.number + 1 < kind.initial_generations:
                continue  # the searcher waits for the other half
            assert [r.trial.number for r in closed.population] == memory["holders"]
    assert [g.number for g in evolution.closed] == list(range(10))
    assert all(len(g.trials) == len(g.population) == 6 for g in evolution.closed)


@pytest.mark.parametrize("kind", [SurrogateSearcher, HybridSearcher])
def test_an_elite_is_the_best_trials_so_far(kind):
    space = Space({"a": Float(0, 1), "b": Float(0, 1)})
    searcher = kind(space, "max", popsize=6, n_trials=60, seed=5)
    assert shows_best(searcher.name) and not shows_best("shade")
    evolution = Evolution([X], MAX, 6, searcher.order_matters, best_trials=searcher.shows_best)
    ended: list[TrialResult] = []
    while (asked := searcher.ask()) is not None:
        value = None if asked.params["b"] > 0.9 else asked.params["a"] + asked.params["b"]
        state = State.FAILED if value is None else State.SUCCEEDED
        ended.append(TrialResult(asked, state, value))
        searcher.tell(ended[-1])
        for closed in evolution.add(ended[-1]):
            best = sort_by_value(ended, MAX)[:6]
            assert {r.trial.id for r in best} <= {r.trial.id for r in closed.population}
            entered = {r.trial.id for r in closed.trials} & {r.trial.id for r in best}
            assert entered <= {r.trial.id for r in closed.accepted}
    means = [g.compute_scalars(MAX)["evolution/mean"] for g in evolution.closed]
    assert means == sorted(means) and means[-1] > means[0]


def test_ranking():
    results = [trial(0, 1.0), trial(1, None), trial(2, 3.0), trial(3, 3.0)]
    assert [r.trial.number for r in sort_by_value(results, MAX)] == [2, 3, 0]
    assert [r.trial.number for r in sort_by_value(results, MIN)] == [0, 2, 3]
    assert sort_by_value([results[1]], MAX) == []


def test_the_best_trials_need_not_be_members():
    """Where children gather in one place, members elsewhere stay, and good children leave."""
    evolution = Evolution([X], MAX, popsize=2, asynchronous=True)
    poor, good = trial(0, 0.1, {"x": 0.1}, 0), trial(1, 0.8, {"x": 0.8}, 0)
    (zero,) = [*evolution.add(poor), *evolution.add(good)]
    assert zero.leaders == (good, poor)
    better, close = trial(2, 0.9, {"x": 0.81}, 1, good), trial(3, 0.7, {"x": 0.82}, 1, good)
    (one,) = [*evolution.add(better), *evolution.add(close)]
    assert one.population == (poor, better)
    assert one.leaders == (better, good, close, poor)
    again = replace(trial(4, 0.9, {"x": 0.81}, 2, better), reused_from=better.trial.id)
    evolution.add(again)
    assert evolution.finish()[0].leaders == one.leaders
