"""Constraints that are known after a trial, in the evolutions: the rules of Deb (2000)."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from sparkexp.analysis.dominance import select_survivors, sort_into_fronts
from sparkexp.search import (
    EvolutionSearcher,
    HybridSearcher,
    ParetoEvolutionSearcher,
    ShadeSearcher,
    SurrogateSearcher,
)
from sparkexp.search.evolution.population import Member, Population
from sparkexp.space import Space
from sparkexp.trial import State, TrialResult

UNIT = Space.from_search_dict({"x": [-3.0, 3.0], "y": [-3.0, 3.0]})
MAKERS = {
    "classic": lambda: EvolutionSearcher(UNIT, "min", popsize=8, generations=9, seed=1),
    "shade": lambda: ShadeSearcher(UNIT, "min", n_trials=80, seed=1),
    "shade-asynchronous": lambda: ShadeSearcher(
        UNIT, "min", n_trials=80, mode="asynchronous", seed=1
    ),
    "surrogate": lambda: SurrogateSearcher(UNIT, "min", n_trials=40, seed=1),
    "hybrid": lambda: HybridSearcher(UNIT, "min", n_trials=40, mode="generational", seed=1),
}


def _result(trial, several=False):
    """The unconstrained optimum (2, 1) violates x + y <= 1; the best allowed value is 2."""
    x, y = trial.params["x"], trial.params["y"]
    value = (x - 2) ** 2 + (y - 1) ** 2
    values = (x, y) if several else ()
    excess = x * x + y * y - 1 if several else x + y - 1
    return TrialResult(
        trial, State.SUCCEEDED, value=x if several else value, values=values,
        violation=max(0.0, excess),
    )  # fmt: skip


def _run(searcher, n=10_000, several=False):
    results = []
    while len(results) < n and (trial := searcher.ask()) is not None:
        results.append(_result(trial, several))
        searcher.tell(results[-1])
    return results


@pytest.mark.parametrize("name", MAKERS)
def test_the_best_allowed_point_is_approached(name):
    results = _run(MAKERS[name]())
    allowed = [r.value for r in results if r.violation == 0]
    assert min(allowed) < 2.6
    late = results[len(results) // 2 :]
    assert sum(r.violation == 0 for r in late) >= len(late) // 4


@pytest.mark.parametrize("name", MAKERS)
def test_a_restored_search_goes_on_alike(name):
    whole, begun, restored = (MAKERS[name]() for _ in range(3))
    expected = _run(whole)
    _run(begun, 13)
    restored.restore(json.loads(json.dumps(begun.state())))
    assert [r.trial for r in _run(restored)] == [r.trial for r in expected[13:]]


def test_the_front_satisfies_the_constraint():
    searcher = ParetoEvolutionSearcher(UNIT, ["min", "min"], popsize=12, generations=12, seed=1)
    results = _run(searcher, several=True)
    last = [r for r in results if r.trial.generation and r.trial.generation > 8]
    assert sum(r.violation == 0 for r in last) > len(last) / 2
    # The front is the lower left quarter of the unit circle.
    assert min(sum(r.values) for r in results if r.violation == 0) < -1.2


def test_the_rules_of_deb():
    population = Population(np.array([[0.1], [0.2], [0.3], [0.4]]), np.array([5.0, 1, 2, 0]))
    population.violations = np.array([0.0, 0.5, 0.1, 0.1])
    population.losses[1] = math.inf
    assert population.rank().tolist() == [0, 3, 2, 1]
    assert population.find_positions().tolist() == [0, 3, 2, 1]
    assert population.find_worst() == 1

    def wins(slot, loss, violation):
        member = Member(np.array([0.9]), loss, 7, violation)
        before = Population(population.genomes, population.losses)
        before.violations = population.violations.copy()
        return before.challenge(slot, member) is not None

    assert wins(0, 4.0, 0.0) and not wins(0, 4.0, 0.01)  # a smaller loss, if it is allowed
    assert wins(2, 9.0, 0.0) and wins(2, 9.0, 0.05) and not wins(2, 0.0, 0.2)
    assert wins(1, 9.0, 9.0)  # any result is better than none


def test_constrained_dominance():
    losses = np.array([[1.0, 4.0], [2.0, 2.0], [0.0, 0.0], [0.5, 0.5], [np.inf, np.inf]])
    violations = np.array([0.0, 0.0, 2.0, 1.0, 0.0])
    assert sort_into_fronts(losses, violations) == [[0, 1], [3], [2], [4]]
    assert sort_into_fronts(losses, np.zeros(5)) == sort_into_fronts(losses)
    assert select_survivors(losses, 3, violations) == [0, 1, 3]
