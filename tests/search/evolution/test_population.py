import json

import numpy as np
import pytest

from sparkexp.search import EvolutionSearcher, ParetoEvolutionSearcher
from sparkexp.search.evolution.population import (
    NOBODY,
    Member,
    Population,
    losses_from_lists,
    losses_to_lists,
)
from sparkexp.space import Space
from sparkexp.trial import Trial

from ..driving import drive, trials
from .test_classic import UNIT, sphere


@pytest.fixture
def population() -> Population:
    return Population(np.array([[0.1], [0.2], [0.3]]), np.array([2.0, np.inf, 1.0]), size=5)


@pytest.mark.parametrize(
    ("slot", "loss", "wins"),
    [(0, 1.9, True), (0, 2.0, True), (0, 2.1, False), (0, np.inf, False), (1, np.inf, True)],
)
def test_a_challenger_wins_if_it_is_at_least_as_good(population, slot, loss, wins):
    genome, before = population.genomes[slot].copy(), population.losses[slot]
    replaced = population.challenge(slot, Member(np.array([0.9]), loss, 7))
    assert population.holders[slot] == (7 if wins else NOBODY)
    assert population.genomes[slot] == (0.9 if wins else genome)
    if wins:  # and the replaced member is not the slot that the challenger has now
        assert (replaced.genome, replaced.loss, replaced.holder) == (genome, before, NOBODY)
    else:
        assert replaced is None


def test_the_members_are_ranked(population):
    assert population.rank().tolist() == [2, 0, 1]
    assert population.rank_finite().tolist() == [2, 0]
    assert population.find_worst() == 1


def test_some_join_and_some_go(population):
    population.add([[0.5], [0.6]], [0.0, 3.0], [10, 11])
    assert len(population) == population.size == 5
    assert [population.find_holder(slot) for slot in (0, 4)] == [
        None,
        Trial(11, {}, generation=2).id,
    ]
    population.keep([0, 3])
    assert population.genomes.tolist() == [[0.1], [0.5]]
    assert population.losses.tolist() == [2.0, 0.0]
    assert population.holders == [NOBODY, 10]


def test_it_takes_over_a_state(population):
    other = Population(np.empty((0, 1)), size=5)
    assert other.state() == {"genomes": [], "losses": [], "holders": []}
    other.restore(json.loads(json.dumps(population.state())))
    assert other.state() == population.state()
    other.restore({"genomes": [], "losses": []})
    assert (other.genomes.shape, other.losses.shape, len(other)) == ((0, 1), (0,), 0)


def test_losses_go_through_json():
    losses = np.array([[1.5, np.inf], [-0.0, 5e-324]])
    assert losses_to_lists(losses) == [[1.5, None], [0.0, 5e-324]]
    assert (
        losses_from_lists(json.loads(json.dumps(losses_to_lists(losses)))).tolist()
        == losses.tolist()
    )


def as_in_0_1_0(state, direction):
    """The state of a classic evolution with values and ids, in slot of losses and numbers."""
    memory, sign = dict(state["memory"]), -1 if direction == "max" else 1
    losses = memory.pop("losses")
    memory["values"] = [None if loss is None else sign * loss for loss in losses]
    memory["holders"] = [
        None if number == NOBODY else Trial(number, {}, generation=number // 5).id
        for number in memory["holders"]
    ]
    return json.loads(json.dumps({**state, "memory": memory}))


@pytest.mark.parametrize("direction", ["max", "min"])
@pytest.mark.parametrize("n_told", [0, 3, 13])
def test_a_state_of_0_1_0_goes_on(direction, n_told):
    def make():
        return EvolutionSearcher(Space(UNIT), direction, popsize=5, generations=4, seed=3)

    def objective(params):
        return None if params["x0"] > 0.6 else sphere(params)

    searcher, restored = make(), make()
    drive(searcher, objective, n_trials=n_told)
    restored.restore(as_in_0_1_0(searcher.state(), direction))
    assert restored.state() == searcher.state()
    assert trials(restored, objective) == trials(make(), objective)[n_told:]


def test_a_state_of_0_1_0_of_several_objectives_goes_on():
    def make():
        return ParetoEvolutionSearcher(Space(UNIT), popsize=5, generations=4, seed=3)

    searcher, restored = make(), make()
    drive(searcher, sphere, n_trials=13)
    state = json.loads(json.dumps(searcher.state()))
    del state["memory"]["holders"]
    restored.restore(state)
    assert trials(restored, sphere) == trials(make(), sphere)[13:]
