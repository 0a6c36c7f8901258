"""The policy: its gradient is that of its objective, and its probabilities are those it draws."""

from __future__ import annotations

import numpy as np
import pytest

from sparkexp.search.architecture.policy import Adam, Batch, Policy, Samples

SIZES, KINDS = [3, 4, 3, 1, 2], ["a", "b", "a", "c", "d"]


def make_policy() -> Policy:
    policy = Policy(SIZES, KINDS, np.random.default_rng(0), hidden=5, embedding=4)
    # Far from uniform, so that no term of the gradient is small by accident.
    policy.weights = np.random.default_rng(1).normal(0, 0.5, len(policy.weights))
    return policy


def make_batch(policy: Policy, n: int = 6) -> Batch:
    rng = np.random.default_rng(2)
    actions = np.array([policy.draw(rng)[0] for _ in range(n)])
    counted = (rng.random(actions.shape) < 0.8).astype(float)
    samples = Samples(actions, counted)
    # The policy has moved since: some ratios are clipped, others aren't.
    old = policy.log_probabilities(samples) - np.array([0.5, -0.5, 0.05, -0.05, 0.5, -0.5])
    return Batch(samples, np.array([0.7, -1.2, 0.4, -0.3, -0.6, 0.9]), old)


@pytest.mark.parametrize("algorithm", ["ppo", "reinforce"])
@pytest.mark.parametrize("entropy", [0.0, 0.1])
def test_the_gradient_is_that_of_finite_differences(algorithm, entropy):
    policy = make_policy()
    batch = make_batch(policy)
    gradient = policy.gradient(batch, algorithm, entropy)
    weights, step = policy.weights, 1e-5
    numeric = np.empty_like(weights)
    for k in range(len(weights)):
        ends = []
        for sign in (1, -1):
            policy.weights = weights.copy()
            policy.weights[k] += sign * step
            ends.append(policy.objective(batch, algorithm, entropy))
        numeric[k] = (ends[0] - ends[1]) / (2 * step)
    assert np.abs(numeric).max() > 0.01
    assert np.abs(numeric - gradient).max() < 1e-6


def test_it_draws_with_the_probabilities_that_it_states():
    policy = make_policy()
    rng = np.random.default_rng(3)
    drawn = [policy.draw(rng) for _ in range(4000)]
    samples = Samples(np.array([actions for actions, _ in drawn]), np.ones((4000, len(SIZES))))
    stated = policy.log_probabilities(samples)
    assert stated == pytest.approx([log for _, log in drawn])
    for actions in {tuple(actions) for actions, _ in drawn[:20]}:
        share = np.mean([tuple(other) == actions for other, _ in drawn])
        one = Samples(np.array([actions]), np.ones((1, len(SIZES))))
        assert share == pytest.approx(np.exp(policy.log_probabilities(one)[0]), abs=0.03)


def test_a_new_policy_is_almost_uniform():
    policy = Policy(SIZES, KINDS, np.random.default_rng(0))
    samples = Samples(np.zeros((1, 5), dtype=int), np.ones((1, 5)))
    assert policy.entropy(samples) == pytest.approx(1, abs=0.001)
    assert make_policy().entropy(samples) < 0.99


def test_what_has_no_effect_does_not_count():
    policy = make_policy()
    actions = np.array([[2, 3, 1, 0, 1]])
    none = Samples(actions, np.zeros((1, 5)))
    assert policy.log_probabilities(none)[0] == 0
    batch = Batch(none, np.ones(1), np.zeros(1))
    assert not policy.gradient(batch, "ppo", 0.1).any()


def test_adam_goes_uphill_in_single_precision():
    adam, x = Adam(3, 0.1), np.zeros(3)
    goal = np.array([1.0, -2.0, 0.5])
    for _ in range(300):
        x = adam.ascend(x, goal - x)
    assert x == pytest.approx(goal, abs=0.05)
    for vector in (x, adam.mean, adam.square):
        assert (vector == vector.astype(np.float32)).all()


def test_it_is_restored_by_its_weights():
    one, other = make_policy(), Policy(SIZES, KINDS, np.random.default_rng(9), 5, 4)
    other.weights = one.weights
    assert one.draw(np.random.default_rng(1)) == other.draw(np.random.default_rng(1))
