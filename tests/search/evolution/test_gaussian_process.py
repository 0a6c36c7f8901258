import math

import numpy as np
import pytest

from sparkexp.search.evolution.gaussian_process import (
    Features,
    GaussianProcess,
    Kernel,
    _log_posterior,
    fit_kernel,
    scale_losses,
)
from sparkexp.space import Choice, Float, Int, Space

from ..driving import mixed_space


def plane(n, n_dims=3, seed=0):
    """Points, and values that depend on the first axis a lot and on the last not at all."""
    x = np.random.default_rng(seed).random((n, n_dims))
    return x, np.sin(6 * x[:, 0]) + 0.3 * x[:, 1]


def test_equal_configurations_have_equal_features():
    space = mixed_space()
    features = Features(space)
    rng = np.random.default_rng(1)
    points = rng.random((200, space.n_dims))
    of = features.transform(points)
    again = features.transform(np.array([space.encode(space.decode(point)) for point in points]))
    assert of == pytest.approx(again, abs=1e-9)
    assert of.shape == (200, len(features.owners)) and of.min() >= 0 and of.max() <= 1


def test_discrete_values_are_spaced_and_choices_are_at_distance_1():
    space = Space(
        {"n": Int(1, 3), "c": Choice(["a", "b", "c"]), "one": Choice(["x"]), "k": Int(5, 5)}
    )
    features = Features(space)
    assert features.owners.tolist() == [0, 1, 1, 1, 2, 3]
    low, middle, high = features.transform(
        np.array([[0.1, 0.1, 0.5, 0.3], [0.5, 0.5, 0.5, 0.3], [1.0, 1.0, 0.5, 0.3]])
    )
    assert [low[0], middle[0], high[0]] == [0.0, 0.5, 1.0]
    choices = [row[1:4] for row in (low, middle, high)]
    for k in range(3):
        for j in range(k):
            assert np.linalg.norm(choices[k] - choices[j]) == pytest.approx(1.0)
    assert np.array_equal(low[4:], high[4:])


def test_gradient_is_that_of_the_value():
    space = Space({"x": Float(0, 1), "c": Choice(["a", "b", "c"]), "n": Int(1, 4)})
    features = Features(space)
    rng = np.random.default_rng(2)
    x = features.transform(rng.random((25, 3)))
    y = scale_losses(list(x[:, 0] ** 2 + x[:, 1] + 0.1 * rng.random(25)))
    place = np.log(np.array([0.7, 1.5, 2.5, 0.02]))
    _, slope = _log_posterior(place, features.owners, x, y)
    for k in range(4):
        step = np.zeros(4)
        step[k] = 1e-5
        upper, lower = (
            _log_posterior(place + sign * step, features.owners, x, y)[0] for sign in (1, -1)
        )
        assert slope[k] == pytest.approx((upper - lower) / 2e-5, rel=1e-4, abs=1e-4)


def test_the_fit_finds_what_matters():
    x, y = plane(60)
    owners = np.arange(3)
    kernel = Kernel.prior(3)
    before = _log_posterior(np.log(np.append(kernel.weights, kernel.noise)), owners, x, y)[0]
    found = fit_kernel(kernel, owners, x, y)
    after = _log_posterior(np.log(np.append(found.weights, found.noise)), owners, x, y)[0]
    assert after > before
    assert found.weights[0] > 2 * found.weights[1] > 2 * found.weights[2]


def test_prediction_is_better_than_the_mean_and_knows_how_sure_it_is():
    x, y = plane(80)
    owners = np.arange(3)
    kernel = fit_kernel(Kernel.prior(3), owners, x[:40], y[:40])
    mean, deviation = GaussianProcess(kernel, owners, x[:40], y[:40]).predict(x[40:])
    error = np.abs(mean - y[40:])
    assert np.sqrt(np.mean(error**2)) < 0.3 * np.std(y)
    assert np.mean(error < 2 * deviation) > 0.85
    at_known, unsure = GaussianProcess(kernel, owners, x[:40], y[:40]).predict(x[:40])
    assert at_known == pytest.approx(y[:40], abs=0.1)
    assert unsure.max() < deviation.mean() + 0.05


def test_pending_points_leave_the_mean_and_lower_the_deviation():
    x, y = plane(40)
    owners, kernel = np.arange(3), Kernel.prior(3)
    alone = GaussianProcess(kernel, owners, x[:30], y[:30])
    pending = GaussianProcess(kernel, owners, x[:35], y[:30])
    (mean, wide), (same, narrow) = alone.predict(x[30:]), pending.predict(x[30:])
    assert same == pytest.approx(mean)
    assert np.all(narrow[:5] < 0.6 * wide[:5])
    assert np.all(narrow <= wide + 1e-9)


def test_scores_are_in_order_and_bounded():
    rng = np.random.default_rng(1)
    losses = np.append(rng.normal(size=50), [1e300, -1e300, 1e308, -1e308, 5e-324])
    found = scale_losses(list(losses))
    order = np.argsort(losses)
    assert np.all(np.diff(found[order]) >= 0)
    assert np.abs(found).max() < 4
    assert found.mean() == pytest.approx(0.0, abs=1e-12)
    assert found.std() == pytest.approx(1.0)


def test_failed_trials_score_as_the_worst():
    found = scale_losses([3.0, math.inf, 1.0, 2.0, math.inf])
    assert found[1] == found[4] == found[0] > found[3] > found[2]


@pytest.mark.parametrize("losses", [[math.inf] * 4, [2.0] * 4, [1.0], [math.inf]])
def test_nothing_to_tell_apart_scores_0(losses):
    assert scale_losses(losses).tolist() == [0.0] * len(losses)
