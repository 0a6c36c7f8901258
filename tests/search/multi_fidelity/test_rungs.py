"""Multi-fidelity searchers: what comes to which rung, and from where."""

from __future__ import annotations

import json
from collections import Counter

import pytest

from sparkexp.errors import InvalidArgumentError
from sparkexp.search import (
    AshaSearcher,
    DehbSearcher,
    HyperbandSearcher,
    RungSearcher,
    SurrogateAshaSearcher,
)
from sparkexp.search.base import KnownResult
from sparkexp.search.multi_fidelity.fidelity import Fidelity
from sparkexp.search.multi_fidelity.hyperband import bracket_sizes
from sparkexp.space import Float, Int, Space
from sparkexp.trial import State, Trial, TrialResult

from ..driving import SETUPS, drive, result, score, trials

LINE = Space({"x": Float(0.0, 1.0), "k": Int(1, 9)})
KINDS = ("asha", "hyperband", "dehb", "surrogate-asha")
RUNG_SETUPS = [name for name in SETUPS if name.startswith(KINDS)]


def x(params) -> float:
    """Less is better at both ends of the ladder: a search with it has to go to 0."""
    return float(params["x"])


@pytest.mark.parametrize(
    ("settings", "levels"),
    [
        ((1, 27, 3), (1, 3, 9, 27)),
        ((1, 30, 3), (1, 3, 9, 30)),  # 27 would be next to the top
        ((1, 60, 3), (1, 3, 9, 27, 60)),
        ((2, 3, 3), (2, 3)),
        ((1, 10, 2), (1, 2, 4, 10)),
        ((1, 5, 1.5), (1, 2, 3, 5)),  # whole epochs, each once
        ((5, 100, 4), (5, 20, 100)),
    ],
)
def test_the_levels_of_a_ladder(settings, levels):
    assert Fidelity("epochs", *settings).levels == levels


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"name": "two words"}, "fidelity names the argument"),
        ({"name": None}, "fidelity names the argument"),
        ({"min": 0}, "min is a whole number of at least 1"),
        ({"min": 3, "max": 3}, "max is above min"),
        ({"max": 2.5}, "max is a whole number"),
        ({"eta": 1}, "eta is a number above 1.5"),
    ],
)
def test_ladders_that_lead_nowhere_are_refused(settings, words):
    with pytest.raises(InvalidArgumentError, match=words):
        Fidelity(**{"name": "epochs", **settings})


@pytest.mark.parametrize("name", RUNG_SETUPS)
def test_a_promoted_trial_is_its_parent_one_rung_higher(name):
    factory, space = SETUPS[name]
    searcher = factory(space())
    results = drive(searcher, score, in_flight=4, shuffle_seed=1)
    by_id = {r.trial.id: r for r in results}
    promoted = [r.trial for r in results if r.trial.parent]
    assert promoted
    for trial in promoted:
        parent = by_id[trial.parent]
        assert parent.value is not None
        assert (parent.trial.rung, parent.trial.params) == (trial.rung - 1, trial.params)
    assert all(
        r.trial.extra == {"epochs": searcher.fidelity.levels[r.trial.rung]} for r in results
    )
    # Nobody is promoted twice, and nobody passes a rung over.
    assert len({t.parent for t in promoted}) == len(promoted)
    counts = Counter(r.trial.rung for r in results)
    assert sum(counts.values()) == searcher.n_trials
    planned = searcher.plan()
    if not isinstance(searcher, DehbSearcher):
        assert [counts[k] for k in range(len(planned))] == list(planned.values())


@pytest.mark.parametrize("name", RUNG_SETUPS)
def test_the_planned_epochs_are_those_that_are_trained(name):
    factory, space = SETUPS[name]
    searcher = factory(space())
    asked = trials(searcher, lambda params: float(len(str(params))))
    levels = searcher.fidelity.levels
    trained = sum(levels[t.rung] - (levels[t.rung - 1] if t.parent else 0) for t in asked)
    assert searcher.planned_cost() == trained


def test_asha_promotes_the_best_and_waits_for_nobody():
    searcher = AshaSearcher(LINE, "min", 27, "epochs", 1, 27, seed=1)
    told = []
    for k in range(3):
        trial = searcher.ask()
        assert (trial.rung, trial.parent) == (0, None)
        told.append((x(trial.params), trial))
        if k < 2:
            searcher.tell(result(trial, x(trial.params)))
    running = searcher.ask()  # the third one still runs: a new configuration, no waiting
    assert running.rung == 0
    searcher.tell(result(told[2][1], told[2][0]))
    best = min(told, key=lambda pair: pair[0])[1]
    promoted = searcher.ask()
    assert (promoted.rung, promoted.params, promoted.parent) == (1, best.params, best.id)
    assert searcher.ask().rung == 0  # one promotion for three results


def test_asha_brings_the_best_of_all_to_the_top():
    for seed in range(5):
        searcher = AshaSearcher(LINE, "min", 41, "epochs", 1, 27, seed=seed)
        results = drive(searcher, x, in_flight=3, shuffle_seed=seed)
        best = min(results, key=lambda r: r.value)
        top = [r for r in results if r.trial.rung == 3]
        assert best.trial.params in [r.trial.params for r in top]


def test_a_failed_trial_is_not_promoted_and_counts_as_worst():
    searcher = AshaSearcher(LINE, "min", 9, "epochs", 1, 9, seed=1)
    first = [searcher.ask() for _ in range(3)]
    for trial in first:
        searcher.tell(result(trial, None))
    assert searcher.ask().rung == 0  # a promotion was earned, and nobody is there to take it


def test_hyperband_s_brackets_are_those_of_the_paper():
    # Li et al. 2017, table 1: R = 81, eta = 3.
    ladder = Fidelity("epochs", 1, 81, 3)
    assert [bracket_sizes(ladder, rung) for rung in range(5)] == [
        (81, 27, 9, 3, 1),
        (34, 11, 3, 1),
        (15, 5, 1),
        (8, 2),
        (5,),
    ]


def test_hyperband_promotes_the_best_of_a_bracket_when_it_is_complete():
    searcher = HyperbandSearcher(LINE, "min", 27, "epochs", 1, 27, seed=1)
    asked = [searcher.ask() for _ in range(27)]
    assert {t.rung for t in asked} == {0} and searcher.ask() is None
    for trial in asked[:-1]:
        searcher.tell(result(trial, x(trial.params)))
        assert searcher.ask() is None
    searcher.tell(result(asked[-1], x(asked[-1].params)))
    promoted = [searcher.ask() for _ in range(9)]
    assert searcher.ask() is None
    best = sorted(asked, key=lambda t: x(t.params))[:9]
    assert [t.parent for t in promoted] == [t.id for t in best]


def test_hyperband_fills_free_slots_from_the_next_bracket():
    searcher = HyperbandSearcher(LINE, "min", 39, "epochs", 1, 27, seed=1)
    asked = [searcher.ask() for _ in range(39)]
    assert [t.rung for t in asked] == [0] * 27 + [1] * 12
    assert all(t.parent is None for t in asked)


def test_dehb_starts_with_halving_and_goes_on_with_children():
    searcher = DehbSearcher(LINE, "min", 264, "epochs", 1, 27, seed=1)
    results = drive(searcher, x)
    first = results[:40]
    assert Counter(r.trial.rung for r in first) == {0: 27, 1: 9, 2: 3, 3: 1}
    assert all((r.trial.parent is None) == (r.trial.rung == 0) for r in first)
    assert all(r.trial.parent is None for r in results[40:])
    # 69 trials are a round of brackets; the later ones have children of the populations.
    for rung in range(1, 4):
        late = [r.value for r in results[207:] if r.trial.rung == rung]
        assert sum(late) / len(late) < 0.2


@pytest.mark.parametrize("make", [AshaSearcher, HyperbandSearcher])
def test_evolution_proposes_children_of_the_best(make):
    def late_mean(proposals: str) -> float:
        searcher = make(LINE, "min", 150, "epochs", 1, 9, proposals=proposals, seed=3)
        started = [r.value for r in drive(searcher, x) if r.trial.parent is None]
        return sum(started[77::3]) / len(started[77::3])  # the others stay random

    assert late_mean("evolution") < 0.3 * late_mean("random")


def test_children_do_not_push_out_what_is_slow_to_start():
    # At the bottom less is better, at the top more: a child of the best starts well.
    searcher = AshaSearcher(LINE, "max", 120, "epochs", 1, 9, proposals="evolution", seed=2)
    results, best = [], 0.0
    while (trial := searcher.ask()) is not None:
        value = x(trial.params) if trial.rung == 2 else -x(trial.params)
        results.append(result(trial, value))
        searcher.tell(results[-1])
        best = max(best, value)
    promoted = [r.trial for r in results if r.trial.rung == 1]
    born = {t.id: k for k, t in enumerate(r.trial for r in results if r.trial.rung == 0)}
    assert sum(born[t.parent] % 3 != 2 for t in promoted) >= 0.6 * len(promoted)


def late_first(params, rung: int) -> float:
    """Return a loss of which less x is better at the bottom, and more x after a full training."""
    return x(params) if rung < 2 else 1 - x(params)


def test_a_model_promotes_what_ends_best_and_not_what_leads():
    def late(searcher) -> list[float]:
        results = []
        while (trial := searcher.ask()) is not None:
            results.append(result(trial, late_first(trial.params, trial.rung)))
            searcher.tell(results[-1])
        tops = [x(r.trial.params) for r in results if r.trial.rung == 2]
        return tops[len(tops) // 2 :]

    by_model = late(SurrogateAshaSearcher(LINE, "min", 60, "epochs", 1, 9, seed=3))
    by_rank = late(AshaSearcher(LINE, "min", 60, "epochs", 1, 9, seed=3))
    assert sum(by_rank) / len(by_rank) < 0.3  # led astray
    assert sum(by_model) / len(by_model) > 0.8


def test_a_model_promotes_one_of_the_root_of_eta():
    searcher = SurrogateAshaSearcher(LINE, "min", 40, "epochs", 1, 16, 4, seed=1)
    assert searcher.plan() == {1: 40, 4: 20, 16: 10}
    assert Counter(t.rung for t in trials(searcher, x)) == {0: 40, 1: 20, 2: 10}


def test_a_model_takes_an_earlier_search_as_full_trainings():
    def apply_warm_start(known):
        searcher = SurrogateAshaSearcher(LINE, "min", 30, "epochs", 1, 9, popsize=4, seed=5)
        assert searcher.start_from([], known) == bool(known)
        return [x(t.params) for t in trials(searcher, lambda params: 0.5) if t.rung == 0][4:]

    # All equal in this search: what it looks for can come from the earlier one alone.
    spread = [{"x": k / 20, "k": 1 + k % 9} for k in range(21)]
    known = [KnownResult(params, x(params)) for params in spread]
    warm, cold = apply_warm_start(known), apply_warm_start([])
    assert sum(warm) / len(warm) < 0.2 < sum(cold) / len(cold)


@pytest.mark.parametrize("make", [AshaSearcher, SurrogateAshaSearcher])
def test_who_was_ended_early_is_not_promoted(make):
    searcher = make(LINE, "min", 30, "epochs", 1, 9, seed=5)
    ended: dict[str, State] = {}
    while (trial := searcher.ask()) is not None:
        early = trial.rung == 0 and trial.number % 3 == 0
        state = ended[trial.id] = State.PRUNED if early else State.SUCCEEDED
        assert ended.get(trial.parent, State.SUCCEEDED) is State.SUCCEEDED
        # What it gave up with looks best.
        searcher.tell(TrialResult(trial, state, -1.0 if early else x(trial.params)))
    assert list(ended.values()).count(State.PRUNED) > 5


def test_a_model_learns_of_the_points_that_were_trained():
    space = Space(
        {"x": Float(0.0, 1.0), "y": Float(0.0, 1.0)}, where=lambda p: p["x"] + p["y"] < 0.4
    )
    searcher = SurrogateAshaSearcher(space, "min", 40, "epochs", 1, 9, seed=1)
    asked = trials(searcher, x)
    known = searcher.state()["memory"]["model"]["genomes"]
    assert [point[:2] for point in known] == [
        pytest.approx(space.encode(t.params).tolist()) for t in asked
    ]


def test_looking_at_what_is_next_changes_nothing():
    def asked(look: bool) -> list[Trial]:
        searcher = SurrogateAshaSearcher(LINE, "min", 60, "epochs", 1, 9, popsize=4, seed=5)
        found: list[Trial] = []
        while running := [t for t in (searcher.ask() for _ in range(3)) if t is not None]:
            found += running
            for trial in running:
                searcher.tell(result(trial, x(trial.params)))
                if look:
                    searcher._next()
        return found

    assert asked(True) == asked(False)


def test_until_there_are_parents_an_evolution_is_a_random_search():
    def apply_warm_start(proposals):
        searcher = AshaSearcher(LINE, "min", 40, "epochs", 1, 27, proposals=proposals, seed=3)
        return [t.params for t in trials(searcher, x) if t.rung == 0][:27]

    assert apply_warm_start("evolution") == apply_warm_start("random")


def test_a_grid_is_tried_whole_and_in_random_order():
    space = Space.from_grid_dict({"x": [0.1 * k for k in range(10)], "k": [1, 2, 3]})
    searcher = AshaSearcher(space, "min", proposals="grid", seed=1)
    bottom = [t for t in trials(searcher, x) if t.rung == 0]
    assert len({tuple(t.params.items()) for t in bottom}) == 30
    assert [t.params["x"] for t in bottom[:5]] != [0.0, 0.0, 0.0, 0.1, 0.1]


def test_what_is_searched_is_no_fidelity():
    with pytest.raises(InvalidArgumentError, match="can't be searched as well"):
        AshaSearcher(Space({"epochs": Int(1, 9)}), n_configurations=9, seed=1)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"proposals": "guess"}, "proposals are 'random', 'grid', 'evolution', or 'searcher'"),
        ({"n_configurations": 0}, "n_configurations is a whole number"),
        ({"n_configurations": None}, "how many configurations to draw"),
        ({"popsize": 3}, "popsize is a whole number of at least 4"),
    ],
)
def test_settings_out_of_range_are_refused(settings, words):
    with pytest.raises(InvalidArgumentError, match=words):
        HyperbandSearcher(LINE, **{"n_configurations": 9, "seed": 1, **settings})


def test_a_list_has_no_evolution():
    with pytest.raises(InvalidArgumentError, match="needs a space"):
        AshaSearcher(None, proposals="evolution", configurations=[{"x": 1}], seed=1)


# The beginning of each sequence, as it was when it was first looked at: whoever changes one
# changes what a seed means.
GOLDEN = {
    AshaSearcher: [(0, 0.9431), (0, 0.8716), (1, 0.3499), (0, 0.3761)],
    HyperbandSearcher: [(0, 0.9431), (0, 0.9022), (2, 0.5221), (2, 0.3761)],
    DehbSearcher: [(0, 0.9431), (0, 0.9022), (2, 0.4305), (2, 0.4996)],
    SurrogateAshaSearcher: [(0, 0.9705), (0, 0.5522), (0, 0.0047), (0, 0.2905)],
}


@pytest.mark.parametrize("make", GOLDEN)
def test_golden_sequences(make):
    searcher: RungSearcher = make(LINE, "min", 60, "epochs", 1, 9, seed=4)
    asked: list[Trial] = trials(searcher, x)
    shown = [(t.rung, round(float(t.params["x"]), 4)) for t in asked]
    assert [shown[0], shown[5], shown[20], shown[40]] == GOLDEN[make]


def test_a_saved_state_is_small():
    # It is written after every trial; as lists it took 71 bytes a trial.
    searcher = AshaSearcher(LINE, "min", 1000, "epochs", 1, 9, seed=1)
    n_trials = len(trials(searcher, x))
    assert len(json.dumps(searcher.state())) < 50 * n_trials  # 46
