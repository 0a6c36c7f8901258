import json

import numpy as np
import pytest

from sparkexp.errors import InvalidArgumentError
from sparkexp.search import HybridSearcher, ShadeSearcher, SurrogateSearcher
from sparkexp.search.evolution import hybrid
from sparkexp.space import Space

from ..driving import drive, mixed_space, negate_score, score, trials
from .test_classic import UNIT, rosenbrock, sphere
from .test_surrogate import TUNED, best, tuned

MODES = ("generational", "asynchronous")


@pytest.fixture
def soon(monkeypatch):
    """The evolution takes over after 15 trials."""
    monkeypatch.setattr(hybrid, "EARLY", 15)


def early(searcher):
    return [t for t in trials(searcher, sphere) if t.number < 15]


def test_begins_as_the_model_does(soon):
    space = Space(UNIT)
    mine = early(HybridSearcher(space, "min", n_trials=30, seed=3))
    assert mine == early(SurrogateSearcher(space, "min", n_trials=30, seed=3))


@pytest.mark.parametrize("mode", MODES)
def test_goes_on_where_it_was_after_the_change(soon, mode):
    def make():
        return HybridSearcher(mixed_space(), popsize=5, n_trials=40, mode=mode, seed=7)

    expected = trials(make(), score)
    assert trials(make(), score) == expected
    for n_told in (10, 20, 30):
        searcher, restored = make(), make()
        drive(searcher, score, n_trials=n_told)
        restored.restore(json.loads(json.dumps(searcher.state())))
        assert trials(restored, score) == expected[n_told:]
    flipped = HybridSearcher(mixed_space(), "min", popsize=5, n_trials=40, mode=mode, seed=7)
    assert trials(flipped, negate_score) == expected


def test_the_evolution_takes_over(soon):
    searcher = HybridSearcher(Space(UNIT), "min", n_trials=80, seed=1)
    drive(searcher, sphere)
    memory = searcher.state()["memory"]
    assert memory["archive"]
    # Something was learnt of F and CR.
    assert set(memory["memory"]["weights"]) != {0.5}
    assert len(memory["model"]["losses"]) == 80


def test_order_is_irrelevant_in_generations_after_the_change(soon):
    def asked(**options):
        searcher = HybridSearcher(
            mixed_space(), popsize=5, n_trials=35, mode="generational", seed=7
        )
        return trials(searcher, score, **options)

    expected = asked()
    for shuffle_seed in range(3):
        assert asked(in_flight=5, shuffle_seed=shuffle_seed) == expected


def test_better_than_shade_early():
    space, seeds = Space(UNIT), range(3)
    ours, shade = (
        [best(cls(space, "min", n_trials=50, seed=seed), rosenbrock) for seed in seeds]
        for cls in (HybridSearcher, ShadeSearcher)
    )
    assert np.median(ours) < np.median(shade)


def test_finds_what_matters_among_choices_and_failures():
    found = [best(HybridSearcher(TUNED, "min", n_trials=40, seed=s), tuned) for s in range(3)]
    assert np.median(found) < 0.03


def test_errors():
    with pytest.raises(InvalidArgumentError, match="n_trials .*got 0"):
        HybridSearcher(TUNED, n_trials=0)
