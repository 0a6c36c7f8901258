import json

import numpy as np
import pytest

from sparkexp.errors import InvalidArgumentError
from sparkexp.search import EvolutionSearcher, RandomSearcher, SurrogateSearcher
from sparkexp.search.evolution.result_model import (
    MAX_HELD,
    MAX_KNOWN,
    N_KEPT,
    ResultModel,
    select_informative,
)
from sparkexp.search.evolution.surrogate import make_candidates
from sparkexp.space import Choice, Float, Int, Space

from ..driving import drive, mixed_space, result, score, trials
from .test_classic import UNIT, by_id, genome, rosenbrock, sphere

MODES = ("generational", "asynchronous")


def best(searcher, objective, **options):
    return min(r.value for r in drive(searcher, objective, **options) if r.value is not None)


def tuned(params):
    """A loss: one choice matters, one does not, and high learning rates fail."""
    rate = np.log10(params["rate"])
    if rate > -1:
        return None
    return (
        (rate + 3.3) ** 2 / 10
        + {"adam": 0.0, "sgd": 0.3, "rmsprop": 0.2}[params["optimizer"]]
        + 0.05 * (params["layers"] - 3) ** 2
    )


TUNED = Space(
    {
        "rate": Float(1e-6, 1.0, log=True),
        "optimizer": Choice(["sgd", "adam", "rmsprop"]),
        "layers": Int(1, 6),
        "idle": Choice(["a", "b", "c"]),
    }
)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("objective", [sphere, rosenbrock])
def test_beats_random_and_classic(mode, objective):
    space, seeds = Space(UNIT), range(4)
    modelled = [
        best(SurrogateSearcher(space, "min", n_trials=60, mode=mode, seed=s), objective)
        for s in seeds
    ]
    drawn = [best(RandomSearcher(space, n_trials=60, seed=s), objective) for s in seeds]
    classic = [best(EvolutionSearcher(space, "min", 10, 5, seed=s), objective) for s in seeds]
    assert np.median(modelled) < np.median(drawn) / 3
    assert np.median(modelled) < np.median(classic) / 2


def test_finds_what_matters_among_choices_and_failures():
    found = [best(SurrogateSearcher(TUNED, "min", n_trials=40, seed=s), tuned) for s in range(5)]
    drawn = [best(RandomSearcher(TUNED, n_trials=40, seed=s), tuned) for s in range(5)]
    assert np.median(found) < 0.03 < np.median(drawn)


def test_failed_trials_teach_where_not_to_go():
    searcher = SurrogateSearcher(Space(UNIT), "max", n_trials=70, seed=2)
    results = drive(searcher, lambda p: None if p["x0"] > 0.5 else p["x1"])
    late = [r for r in results[40:]]
    assert sum(r.value is None for r in late) < 10
    assert max(r.value for r in late if r.value is not None) > 0.95


def test_trials_in_flight_are_not_proposed_again():
    searcher = SurrogateSearcher(Space({"x": Float(0, 1)}), "min", n_trials=40, seed=1)
    drive(searcher, lambda p: (p["x"] - 0.4) ** 2, n_trials=12)
    asked = [searcher.ask().params["x"] for _ in range(6)]
    assert np.diff(np.sort(asked)).min() > 1e-4


def test_children_compete_with_the_member_that_is_most_like_them():
    searcher = SurrogateSearcher(Space(UNIT), "min", popsize=6, n_trials=40, seed=3)
    results = drive(searcher, sphere)
    known = by_id(results)
    holders = [r.trial.id for r in results[:6]]
    for r in results[6:]:
        points = np.array([genome(known[holder].trial) for holder in holders])
        nearest = int(np.argmin(((points - genome(r.trial)) ** 2).sum(1)))
        assert r.trial.parent == holders[nearest]
        if r.value <= known[holders[nearest]].value:
            holders[nearest] = r.trial.id
    assert min(r.value for r in results) == min(searcher.state()["memory"]["losses"])


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("in_flight", [1, 8])
def test_nothing_is_proposed_twice_while_there_is_something_new(mode, in_flight):
    space = Space({"a": Int(1, 6), "b": Choice(["x", "y", "z"]), "c": Choice([True, False])})
    searcher = SurrogateSearcher(space, n_trials=36, mode=mode, seed=5)
    asked = trials(searcher, lambda p: float(p["a"] > 3), in_flight=in_flight, shuffle_seed=1)
    assert len({tuple(t.params.items()) for t in asked}) == 36
    searcher = SurrogateSearcher(space, n_trials=60, mode=mode, seed=5)
    assert len(trials(searcher, lambda p: 0.0, in_flight=in_flight)) == 60


def test_generational_mode_waits():
    searcher = SurrogateSearcher(Space(UNIT), popsize=4, n_trials=12, mode="generational", seed=0)
    for _ in range(3):
        asked = [searcher.ask() for _ in range(4)]
        assert searcher.ask() is None
        for trial in asked:
            searcher.tell(result(trial, sphere(trial.params)))
    assert searcher.done


def test_candidates_are_in_the_cube_and_of_its_population():
    rng = np.random.default_rng(0)
    members = 0.4 + 0.01 * rng.random((4, 5))
    members[:, 1] = [0.1, 0.1, 0.3, 0.3]
    found = make_candidates(rng, members, [1.0, np.inf, 0.5, 0.1], [(1, 5)])
    assert found.shape == (60, 5)
    assert found.min() >= 0 and found.max() <= 1
    # Seven in ten are bred: their choice is a value, and the rest lies by the members.
    bred = np.isin(found[:, 1], [0.1, 0.3, 0.5, 0.7, 0.9])
    assert 30 <= bred.sum() <= 54
    assert np.all(np.abs(found[bred, 0] - 0.4) < 0.05)


def test_a_model_of_many_results_takes_in_the_best_and_some_of_the_rest():
    y = np.random.default_rng(1).random(1000)
    chosen = select_informative(y, MAX_KNOWN)
    assert len(chosen) == len(set(chosen)) == MAX_KNOWN
    assert set(np.argsort(y)[: MAX_KNOWN // 2]) <= set(chosen)
    assert np.array_equal(select_informative(y[:40], MAX_KNOWN), np.arange(40))


@pytest.mark.parametrize("n", [50, MAX_HELD + 100])
def test_a_restored_model_says_the_same(n):
    space = mixed_space()
    rng = np.random.default_rng(4)
    model, other = ResultModel(space), ResultModel(space)
    for k, point in enumerate(rng.random((n, space.n_dims))):
        model.learn(point, np.inf if k % 10 == 0 else float(point[0]))
        if k in (30, MAX_HELD - 10, MAX_HELD + 50):
            list(model.rank(rng.random((20, space.n_dims)), []))
    other.restore(json.loads(json.dumps(model.state())))
    points, pending = rng.random((30, space.n_dims)), list(rng.random((3, space.n_dims)))
    assert np.array_equal(list(model.rank(points, pending)), list(other.rank(points, pending)))
    assert other.state() == model.state()


def test_what_a_model_remembers_is_bounded():
    space = mixed_space()
    rng = np.random.default_rng(5)
    model = ResultModel(space)
    points = rng.random((5 * MAX_HELD, space.n_dims))
    losses = [float(point[0]) for point in points]
    for point, loss in zip(points, losses, strict=True):
        model.learn(point, loss)
    held = model.state()["losses"]
    assert N_KEPT <= len(held) <= MAX_HELD
    assert set(sorted(losses)[: N_KEPT // 4]) <= set(held)  # the best are never forgotten
    assert max(held) > 0.9
    list(model.rank(points[:20], []))
    assert model.state()["fit_at"] > len(losses)  # it goes by all that were learnt


def test_first_trials_fill_the_space():
    first = trials(SurrogateSearcher(Space(UNIT), n_trials=10, seed=1), score)
    slices = np.sort((np.array([genome(t) for t in first]) * 10).astype(int), axis=0)
    assert np.array_equal(slices, np.tile(np.arange(10)[:, None], 5))


def test_errors():
    with pytest.raises(InvalidArgumentError, match="popsize .*got 2"):
        SurrogateSearcher(TUNED, popsize=2)
    with pytest.raises(InvalidArgumentError, match="mode is 'asynchronous' or"):
        SurrogateSearcher(TUNED, mode="steady")
