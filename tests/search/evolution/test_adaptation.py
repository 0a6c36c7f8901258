import json

import numpy as np
import pytest

from sparkexp.search.evolution.adaptation import SuccessMemory


def draws(memory, n=4000):
    rng = np.random.default_rng(1)
    return np.array([memory.draw(rng) for _ in range(n)])


def test_starts_at_half_and_eight_tenths():
    weights, crossovers = draws(SuccessMemory()).T
    assert np.median(weights) == pytest.approx(0.5, abs=0.01)
    assert np.median(crossovers) == pytest.approx(0.8, abs=0.01)
    assert weights.min() > 0 and weights.max() == 1
    assert crossovers.min() > 0.4 and crossovers.max() == 1


def test_learns_the_means_of_the_paper():
    memory = SuccessMemory(size=2)
    memory.learn([(0.2, 0.1, 3.0), (0.8, 0.5, 1.0)])
    state = memory.state()
    # Lehmer mean of F: (3 * 0.04 + 0.64) / (3 * 0.2 + 0.8); mean of CR: (3 * 0.1 + 0.5) / 4.
    assert state["weights"] == pytest.approx([0.76 / 1.4, 0.5])
    assert state["crossovers"] == pytest.approx([0.2, 0.8])


def test_the_oldest_is_forgotten():
    memory = SuccessMemory(size=3)
    for weight in (0.1, 0.2, 0.3, 0.4):
        memory.learn([(weight, weight, 1.0)])
    memory.learn([])
    assert memory.state()["weights"] == pytest.approx([0.4, 0.2, 0.3])
    assert memory.state()["crossovers"] == pytest.approx([0.4, 0.2, 0.3])


def test_any_gain_can_be_weighed():
    memory = SuccessMemory()
    memory.learn([(0.3, 0.4, 1.7e308), (0.3, 0.4, 1.7e308), (0.9, 0.9, 5e-324)])
    memory.learn([(0.3, 0.4, 5e-324)])
    assert memory.state()["weights"][:2] == pytest.approx([0.3, 0.3])
    assert memory.state()["crossovers"][:2] == pytest.approx([0.4, 0.4])


def test_draws_follow_what_was_learnt():
    memory = SuccessMemory(size=1)
    memory.learn([(0.9, 0.0, 1.0)])
    weights, crossovers = draws(memory).T
    assert np.median(weights) == pytest.approx(0.9, abs=0.02)
    assert np.mean(crossovers == 0) == pytest.approx(0.5, abs=0.05)


def test_restored_from_json():
    memory, other = SuccessMemory(), SuccessMemory()
    for k in range(7):
        memory.learn([(0.1 + k / 10, k / 10, 1.0 + k)])
    other.restore(json.loads(json.dumps(memory.state())))
    for each in (memory, other):
        each.learn([(0.7, 0.3, 1.0)])
    assert other.state() == memory.state()
    assert np.array_equal(draws(other, 50), draws(memory, 50))
