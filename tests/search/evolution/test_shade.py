import json

import numpy as np
import pytest

from sparkexp.errors import InvalidArgumentError
from sparkexp.search import EvolutionSearcher, RandomSearcher, ShadeSearcher
from sparkexp.space import Choice, Int, Space

from ..driving import drive, mixed_space, result, score, trials
from .test_classic import CALL, UNIT, by_id, genome, rosenbrock, sphere

MODES = ("generational", "asynchronous")


def ackley(params):
    x = 8 * (np.array(list(params.values())) - 0.35)
    return float(
        20 - 20 * np.exp(-0.2 * np.sqrt(np.mean(x * x))) - np.exp(np.mean(np.cos(2 * np.pi * x)))
    )


def stepped(params):
    """Plateaus, and a region that fails."""
    return None if params["x0"] > 0.8 else round(sphere(params), 1)


def test_golden_generations():
    space = Space.from_search_dict({**CALL, "optimizer": ["adam", "sgd"]})
    searcher = ShadeSearcher(space, "max", popsize=4, n_trials=16, seed=42)
    results = drive(searcher, lambda p: p["dropout"] - abs(p["num_layers"] - 2))
    parents = [r.trial.parent and int(r.trial.parent[-5:]) for r in results]
    assert [
        (parent, *r.trial.params.values()) for parent, r in zip(parents, results, strict=True)
    ] == GOLDEN
    assert [r.trial.generation for r in results] == [k // 4 for k in range(16)]


GOLDEN = [
    (None, 0.0008703544403479815, 0.5453813139892715, 1, "sgd"),
    (None, 0.001367888931426323, 0.8032738534626769, 2, "adam"),
    (None, 0.0046517377498022545, 0.7245030790170851, 3, "sgd"),
    (None, 0.003039960752113281, 0.10858363379335823, 3, "adam"),
    (None, 0.002328544093084516, 0.2721196792421404, 1, "adam"),
    (None, 0.0036306594585794483, 0.9489442299325239, 2, "sgd"),
    (None, 0.0003339541361143479, 0.4471707965042295, 1, "adam"),
    (None, 0.0041760743326078546, 0.19020928525253372, 3, "sgd"),
    (0, 0.000645636395199959, 0.7524109531203319, 1, "sgd"),
    (1, 0.0012086100950610586, 0.8382846118517133, 2, "adam"),
    (2, 0.004437343757574286, 0.9220213104238539, 3, "adam"),
    (5, 0.002673418337604063, 0.969472114966262, 2, "sgd"),
    (11, 0.002673418337604063, 0.9265707296376089, 2, "sgd"),
    (11, 0.002673418337604063, 0.980737950377474, 2, "sgd"),
    (11, 0.00045352316971065357, 0.969472114966262, 2, "sgd"),
    (11, 0.002673418337604063, 0.8677628202846452, 2, "sgd"),
]


@pytest.mark.parametrize("mode", MODES)
def test_starts_with_a_latin_hypercube_of_twice_the_population(mode):
    searcher = ShadeSearcher(Space(UNIT), popsize=5, n_trials=10, mode=mode, seed=1)
    first = trials(searcher, sphere)
    slices = np.sort((np.array([genome(t) for t in first]) * 10).astype(int), axis=0)
    assert np.array_equal(slices, np.tile(np.arange(10)[:, None], 5))
    assert all(trial.parent is None for trial in first)


def test_the_better_half_is_kept_and_children_compete_with_their_parents():
    searcher = ShadeSearcher(Space(UNIT), "min", popsize=5, n_trials=80, seed=8)
    results = drive(searcher, stepped, n_trials=60)  # until it is late
    known = by_id(results)
    loss = {r.trial.id: np.inf if r.value is None else r.value for r in results}
    holders = [r.trial.id for r in results[:5]]
    for r in results[5:10]:
        worst = int(np.argmax([loss[holder] for holder in holders]))
        if loss[r.trial.id] <= loss[holders[worst]]:
            holders[worst] = r.trial.id
    assert sorted(loss[h] for h in holders) == sorted(loss[r.trial.id] for r in results[:10])[:5]
    for generation in range(2, 12):
        children = [r for r in known.values() if r.trial.generation == generation]
        assert [r.trial.parent for r in children] == holders
        for slot, child in enumerate(children):
            if loss[child.trial.id] <= loss[holders[slot]]:
                holders[slot] = child.trial.id


@pytest.mark.parametrize("popsize", [7, 8])
def test_children_follow_the_equation(popsize):
    """With CR = 1 and F known, a child is one of few points, repaired half way to its parent."""
    searcher = ShadeSearcher(Space(UNIT), "min", popsize=popsize, n_trials=80, seed=3)
    results = drive(searcher, sphere, n_trials=2 * popsize)
    members = [np.array(member) for member in searcher.state()["memory"]["genomes"]]
    losses = searcher.state()["memory"]["losses"]
    order = np.argsort(losses)
    searcher._breeder._memory.draw = lambda rng: (0.3, 1.0)
    n_wrong = 0
    for slot in range(popsize):
        child = genome(searcher.ask())
        x = members[slot]
        triples = [
            (best, a, b)
            for best in order[:2]
            for a in range(popsize)
            for b in range(popsize)
            if len({slot, a, b}) == 3
        ]
        donors = [
            x + 0.3 * (members[best] - x) + 0.3 * (members[a] - members[b])
            for best, a, b in triples
        ]
        repaired = [np.where(d < 0, x / 2, np.where(d > 1, (1 + x) / 2, d)) for d in donors]
        distances = [np.abs(child - d).max() for d in repaired]
        assert min(distances) < 1e-12
        _, a, b = triples[int(np.argmin(distances))]
        n_wrong += losses[a] > losses[b]
    # In a small population, steps between members go towards the better one.
    assert n_wrong == 0 if popsize == 7 else 0 < n_wrong < popsize
    assert len(results) == 2 * popsize


def test_a_step_may_begin_at_who_gave_way():
    searcher = ShadeSearcher(Space(UNIT), "min", popsize=5, n_trials=80, seed=3)
    drive(searcher, sphere, n_trials=30)
    memory = searcher.state()["memory"]
    members, archive = memory["genomes"], memory["archive"]
    steps = [[point.tolist() for point in searcher._breeder._draw_step(0)] for _ in range(200)]
    assert all(a in members[1:] and b in members[1:] + archive and a != b for a, b in steps)
    assert {members.index(a) for a, b in steps if b in archive} == {1, 2, 3, 4}
    assert any(b in members for _, b in steps) and all(
        memory["losses"][members.index(a)] <= memory["losses"][members.index(b)]
        for a, b in steps
        if b in members
    )


@pytest.mark.parametrize("mode", MODES)
def test_the_last_quarter_varies_the_best(mode):
    searcher = ShadeSearcher(Space(UNIT), "min", popsize=6, n_trials=120, mode=mode, seed=2)
    n_of_best, n_genes = {False: 0, True: 0}, []
    best, known = np.inf, {}
    while (trial := searcher.ask()) is not None:
        late, value = trial.number >= 90, sphere(trial.params)
        parent = known.get(trial.parent)
        if trial.number >= 60 and parent[0] == best:
            n_of_best[late] += 1
            if late:
                n_genes.append(int((genome(trial) != parent[1]).sum()))
        known[trial.id] = value, genome(trial)
        if mode == "asynchronous" or trial.number % 6 == 5:
            best = min(v for v, _ in known.values())
        searcher.tell(result(trial, value))
    assert n_of_best[False] < 12 and n_of_best[True] > 18  # of 30 each
    assert np.mean(n_genes) < 3  # of 5


def test_a_generation_waits_for_all_its_results():
    searcher = ShadeSearcher(Space(UNIT), popsize=4, n_trials=20, seed=0)
    for n in (8, 4, 4, 4):
        asked = [searcher.ask() for _ in range(n)]
        assert searcher.ask() is None
        for trial in reversed(asked[1:]):
            searcher.tell(result(trial, sphere(trial.params)))
            assert searcher.ask() is None
        searcher.tell(result(asked[0], None))
    assert searcher.done


def test_a_result_counts_at_once_in_asynchronous_mode():
    space = Space(UNIT)
    one, other = (
        ShadeSearcher(space, "min", n_trials=60, mode="asynchronous", seed=0) for _ in range(2)
    )
    for searcher, value in ((one, -1.0), (other, 1.0)):
        drive(searcher, sphere, n_trials=12)
        asked = [searcher.ask() for _ in range(2)]
        searcher.tell(result(asked[1], value))
    held = [searcher.state()["memory"]["genomes"] for searcher in (one, other)]
    assert genome(asked[1]).tolist() in held[0]
    assert genome(asked[1]).tolist() not in held[1]


def test_a_late_child_competes_with_who_holds_the_place_of_its_parent():
    searcher = ShadeSearcher(Space(UNIT), "min", popsize=4, mode="asynchronous", seed=0)
    drive(searcher, sphere, n_trials=8)
    late = searcher.ask()
    for _ in range(7):
        trial = searcher.ask()
        searcher.tell(result(trial, -5.0 if trial.parent == late.parent else 9.0))
    searcher.tell(result(late, -1.0))
    assert genome(late).tolist() not in searcher.state()["memory"]["genomes"]
    assert min(searcher.state()["memory"]["losses"]) == -5.0


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("in_flight", [1, 8, 50])
def test_nothing_is_proposed_twice_while_there_is_something_new(mode, in_flight):
    space = Space({"a": Int(1, 6), "b": Choice(["x", "y", "z"]), "c": Choice([True, False])})
    searcher = ShadeSearcher(space, n_trials=36, mode=mode, seed=5)
    asked = trials(searcher, lambda p: float(p["a"] > 3), in_flight=in_flight, shuffle_seed=1)
    assert len({tuple(t.params.items()) for t in asked}) == 36
    # And afterwards there is no endless search for it.
    searcher = ShadeSearcher(space, n_trials=300, mode=mode, seed=5)
    assert len(trials(searcher, lambda p: 0.0, in_flight=in_flight)) == 300


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("objective", [sphere, rosenbrock, ackley])
def test_beats_random_and_classic(mode, objective):
    def best(searcher):
        return min(r.value for r in drive(searcher, objective))

    space = Space(UNIT)
    seeds = range(10)
    adapted = [best(ShadeSearcher(space, "min", n_trials=150, mode=mode, seed=s)) for s in seeds]
    drawn = [best(RandomSearcher(space, n_trials=150, seed=s)) for s in seeds]
    classic = [best(EvolutionSearcher(space, "min", 10, 14, seed=s)) for s in seeds]
    assert np.median(adapted) < np.median(drawn) / 2
    assert np.median(adapted) < np.median(classic)
    assert sum(a < d for a, d in zip(adapted, drawn, strict=True)) >= 9


@pytest.mark.parametrize("mode", MODES)
def test_a_region_that_fails_is_left(mode):
    searcher = ShadeSearcher(Space(UNIT), "max", n_trials=150, mode=mode, seed=2)
    results = drive(searcher, lambda p: None if p["x0"] > 0.5 else p["x0"])
    assert max(r.value for r in results if r.value is not None) > 0.49
    assert sum(r.value is None for r in results[100:]) < 30


def test_state_is_small():
    searcher = ShadeSearcher(mixed_space(), n_trials=1000, seed=1)
    drive(searcher, score, n_trials=500)
    assert len(json.dumps(searcher.state())) < 20_000


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"popsize": 3}, "popsize is a whole number of at least 4, got 3"),
        ({"n_trials": 0}, "n_trials is a whole number of at least 1, got 0"),
        ({"mode": "batch"}, "mode is 'asynchronous' or 'generational', got 'batch'"),
        ({"direction": "up"}, "direction must be 'max' or 'min', got 'up'"),
    ],
)
def test_errors(settings, message):
    with pytest.raises(InvalidArgumentError, match=message):
        ShadeSearcher(Space(UNIT), **settings)


def test_without_a_budget_it_is_never_late():
    searcher = ShadeSearcher(Space(UNIT), "min", popsize=4, mode="asynchronous", seed=0)
    other = ShadeSearcher(Space(UNIT), "min", popsize=4, n_trials=500, mode="asynchronous", seed=0)
    asked = [[r.trial for r in drive(s, sphere, n_trials=200)] for s in (searcher, other)]
    assert asked[0] == asked[1]
