import json
import time

import numpy as np
import pytest

from sparkexp.errors import InvalidArgumentError
from sparkexp.search import EvolutionSearcher, RandomSearcher
from sparkexp.search.evolution.variation import reflect
from sparkexp.space import Float, Space

from ..driving import drive, result, trials

UNIT = {f"x{j}": Float(0, 1) for j in range(5)}
CALL = {"learning_rate": [0.005, 0.00005], "dropout": [0.01, 0.99], "num_layers": [1, 3]}


def sphere(params):
    return sum((value - 0.7) ** 2 for value in params.values())


def rosenbrock(params):
    x = [4 * value - 2 for value in params.values()]
    return sum(100 * (b - a * a) ** 2 + (1 - a) ** 2 for a, b in zip(x, x[1:], strict=False))


def genome(trial):
    return np.array(list(trial.params.values()))


def by_id(results):
    return {r.trial.id: r for r in results}


def test_golden_generations():
    space = Space.from_search_dict(CALL)
    searcher = EvolutionSearcher(space, "max", popsize=4, generations=3, seed=42)
    results = drive(searcher, lambda p: p["dropout"] - abs(p["num_layers"] - 2))
    parents = [r.trial.parent and int(r.trial.parent[-5:]) for r in results]
    # Of each trial its parent, learning rate, dropout and number of layers.
    assert [
        (parent, *r.trial.params.values()) for parent, r in zip(parents, results, strict=True)
    ] == [
        (None, 0.003881082440352019, 0.4401008709570112, 3),
        (None, 0.003501971743843851, 0.10229380092989654, 3),
        (None, 0.0038176415248522473, 0.7803430191714147, 1),
        (None, 0.002279410392583057, 0.3733820637479296, 3),
        (0, 0.0024372452830872552, 0.7124066728686888, 3),
        (1, 0.003111966874217424, 0.2366203932452687, 3),
        (2, 0.004492363115982416, 0.3045567395479948, 3),
        (3, 0.004038917330856216, 0.3733820637479296, 3),
        (4, 0.004391754656173629, 0.6452433767110026, 2),
        (5, 0.004618477548736728, 0.6108307146110352, 1),
        (2, 0.002311130850332943, 0.40613269780564826, 3),
        (7, 0.0027900826084046666, 0.9842679858317616, 2),
        (8, 0.004731838995018279, 0.5936243835610515, 2),
        (9, 0.0038779751979498385, 0.7472058600411761, 3),
        (2, 0.004580686427378791, 0.44131841005065575, 1),
        (11, 0.003931002971133797, 0.9842679858317616, 1),
    ]
    assert [r.trial.id for r in results[3:5]] == ["gen-000/trial-00003", "gen-001/trial-00004"]
    assert results[4].trial.parent == "gen-000/trial-00000"


def test_children_follow_the_equations():
    """Every child by hand, from the genomes that the trials of a continuous space show."""
    searcher = EvolutionSearcher(
        Space(UNIT), "min", popsize=6, generations=8, crossover=1.0, mutation=0.4, seed=3
    )
    results = drive(searcher, sphere)
    known = by_id(results)
    for generation in range(1, 9):
        children = [r for r in results if r.trial.generation == generation]
        holders = [genome(known[child.trial.parent].trial) for child in children]
        for slot, child in enumerate(children):
            others = [k for k in range(6) if k != slot]
            donors = [
                reflect(holders[a] + 0.4 * (holders[b] - holders[c]))
                for a in others
                for b in others
                for c in others
                if len({a, b, c}) == 3
            ]
            matches = [np.allclose(genome(child.trial), d, rtol=0, atol=1e-15) for d in donors]
            assert sum(matches) == 1


def test_without_crossover_exactly_one_gene_is_the_donors():
    searcher = EvolutionSearcher(
        Space(UNIT), "min", popsize=10, generations=20, crossover=0, seed=1
    )
    results = drive(searcher, sphere)
    known = by_id(results)
    forced = []
    for r in results[10:]:
        differing = np.flatnonzero(genome(r.trial) != genome(known[r.trial.parent].trial))
        assert len(differing) == 1
        forced += list(differing)
    # Every gene has its turn: 200 draws of 5.
    assert np.bincount(forced, minlength=5).min() > 20


def test_crossover_is_the_share_of_donor_genes():
    space = Space({f"x{j}": Float(0, 1) for j in range(20)})
    searcher = EvolutionSearcher(space, "min", popsize=50, generations=4, crossover=0.3, seed=1)
    results = drive(searcher, sphere)
    known = by_id(results)
    shares = [
        np.mean(genome(r.trial) != genome(known[r.trial.parent].trial)) for r in results[50:]
    ]
    # One forced gene of 20, and 0.3 of the other 19.
    assert np.mean(shares) == pytest.approx((1 + 0.3 * 19) / 20, abs=0.02)


def test_selection_keeps_what_is_better_and_the_parent_is_its_holder():
    searcher = EvolutionSearcher(Space(UNIT), "max", popsize=5, generations=10, seed=8)
    results = drive(searcher, lambda p: None if p["x0"] < 0.3 else round(p["x1"], 1))
    holders = [r.trial.id for r in results[:5]]
    assert all(r.trial.parent is None for r in results[:5])
    known = by_id(results)
    for r in results[5:]:
        slot = r.trial.number % 5
        assert r.trial.parent == holders[slot]
        assert r.trial.generation == r.trial.number // 5
        parent = known[holders[slot]].value
        if parent is None or (r.value is not None and r.value >= parent):
            holders[slot] = r.trial.id


@pytest.mark.parametrize(("direction", "sign"), [("max", 1), ("min", -1)])
def test_failed_is_worst(direction, sign):
    searcher = EvolutionSearcher(Space(UNIT), direction, popsize=8, generations=30, seed=2)
    results = drive(searcher, lambda p: None if p["x0"] > 0.5 else sign * p["x0"])
    known = by_id(results)
    parents = [known[r.trial.parent].value for r in results if r.trial.generation == 30]
    assert None not in parents
    assert min(abs(value) for value in parents) > 0.4


def test_a_generation_waits_for_all_its_results():
    searcher = EvolutionSearcher(Space(UNIT), popsize=4, generations=1, seed=0)
    asked = [searcher.ask() for _ in range(5)]
    assert asked[4] is None and not searcher.done
    for trial in asked[:3]:
        searcher.tell(result(trial, 1.0))
        assert searcher.ask() is None
    searcher.tell(result(asked[3], None))
    assert searcher.ask().generation == 1


def test_no_generations_is_the_initial_population():
    searcher = EvolutionSearcher(Space(UNIT), popsize=4, generations=0, seed=0)
    assert len(drive(searcher, sphere)) == searcher.n_trials == 4
    assert searcher.done


def test_bounds_do_not_attract_trials():
    """Clipping would put a fifth of the genes of F = 2 on the bounds."""
    searcher = EvolutionSearcher(Space(UNIT), popsize=20, generations=20, mutation=2, seed=4)
    genes = np.array([genome(trial) for trial in trials(searcher, sphere)])
    assert np.mean((genes == 0) | (genes == 1)) < 0.001


def test_2000_draws_of_the_customers_call():
    space = Space.from_search_dict(CALL)
    initial = trials(EvolutionSearcher(space, popsize=2000, generations=0, seed=0), sphere)
    evolved = trials(
        EvolutionSearcher(space, popsize=50, generations=39, seed=0), lambda p: p["dropout"]
    )
    for asked in (initial, evolved):
        rates = [trial.params["learning_rate"] for trial in asked]
        assert len(rates) == 2000
        assert len(set(rates)) > 900
        assert all(0.00005 <= rate <= 0.005 for rate in rates)
        assert all(0.01 <= trial.params["dropout"] <= 0.99 for trial in asked)
    layers = [trial.params["num_layers"] for trial in initial]
    assert all(0.28 < layers.count(n) / 2000 < 0.39 for n in (1, 2, 3))
    assert len(layers) == sum(layers.count(n) for n in (1, 2, 3))


@pytest.mark.parametrize("objective", [sphere, rosenbrock])
def test_beats_random(objective):
    def best(searcher):
        return min(r.value for r in drive(searcher, objective))

    evolved = [
        best(EvolutionSearcher(Space(UNIT), "min", popsize=10, generations=29, seed=s))
        for s in range(10)
    ]
    drawn = [best(RandomSearcher(Space(UNIT), n_trials=300, seed=s)) for s in range(10)]
    assert np.median(evolved) < np.median(drawn) / 3
    assert sum(e < d for e, d in zip(evolved, drawn, strict=True)) >= 9


def test_mid_generation_state_is_small_and_json():
    searcher = EvolutionSearcher(Space(UNIT), popsize=10, generations=9, seed=1)
    drive(searcher, sphere, n_trials=25)
    assert len(json.dumps(searcher.state())) < 10_000


def test_asking_and_telling_is_fast():
    searcher = EvolutionSearcher(Space(UNIT), popsize=100, generations=9, seed=1)
    start = time.perf_counter()
    drive(searcher, sphere)
    assert time.perf_counter() - start < 5  # 1000 trials; 0.1 s on a quiet machine


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"popsize": 3}, "popsize is a whole number of at least 4, got 3: give"),
        ({"popsize": 10.0}, "popsize .*got 10.0"),
        ({"popsize": True}, "popsize .*got True"),
        ({"generations": -1}, "generations is a whole number of at least 0, got -1"),
        ({"generations": None}, "generations .*got None"),
        ({"crossover": 1.1}, r"crossover is a number in \[0, 1\], got 1.1"),
        ({"crossover": -0.1}, "crossover .*got -0.1"),
        ({"crossover": True}, "crossover .*got True"),
        (
            {"mutation": 0},
            r"mutation is a number in \(0, 2\], got 0: give for example mutation=0.5",
        ),
        ({"mutation": 2.1}, "mutation .*got 2.1"),
        ({"mutation": float("nan")}, "mutation .*got nan"),
        ({"mutation": "0.5"}, "mutation .*got '0.5'"),
        ({"direction": "maximise"}, "direction must be 'max' or 'min', got 'maximise'"),
        ({"seed": 1.5}, "seed .*got 1.5"),
    ],
)
def test_errors(settings, message):
    with pytest.raises(InvalidArgumentError, match=message):
        EvolutionSearcher(Space(UNIT), **settings)


def test_numpy_settings_are_welcome():
    searcher = EvolutionSearcher(
        Space(UNIT),
        popsize=np.int64(4),
        generations=np.int32(0),
        crossover=np.float32(0.5),
        mutation=2,
        seed=np.uint8(7),
    )
    assert json.loads(json.dumps(searcher.settings())) == {
        "direction": "max",
        "popsize": 4,
        "generations": 0,
        "crossover": 0.5,
        "mutation": 2.0,
        "seed": 7,
    }
