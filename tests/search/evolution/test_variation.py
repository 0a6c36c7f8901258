import numpy as np
import pytest

from sparkexp.search.evolution.variation import (
    binomial_crossover,
    current_to_best,
    draw_cauchy,
    draw_distinct,
    draw_integer,
    draw_normal,
    find_unordered,
    latin_hypercube,
    move_halfway_back,
    rand_1,
    reflect,
    vote,
)
from sparkexp.space import Choice, Float, Int, Space


@pytest.fixture
def rng():
    return np.random.default_rng(3)


class Fixed:
    """A generator whose numbers are known."""

    def __init__(self, *numbers):
        self._numbers = list(numbers)

    def random(self):
        return self._numbers.pop(0)


def test_reflection():
    assert reflect(np.array([-0.25, 1.25, 2.25, -1.5, 3.75, -2.0])) == pytest.approx(
        [0.25, 0.75, 0.25, 0.5, 0.25, 0.0]
    )
    inside = np.array([0.0, 1e-300, 0.1, 1 - 2**-53, 1.0])
    assert np.array_equal(reflect(inside), inside)
    outside = reflect(np.array([-1e-300, 1 + 2**-52, 2.0 - 2**-52]))
    assert np.all((outside >= 0) & (outside <= 1))


def test_halfway_back_stays_in_the_cube(rng):
    parents = rng.random((1000, 3))
    parents[0], parents[1] = 0.0, 1.0
    for parent in parents:
        repaired = move_halfway_back(rng.normal(0.5, 3.0, 3), parent)
        assert np.all((repaired >= 0) & (repaired <= 1))
    inside = np.array([0.0, 0.3, 1.0])
    assert np.array_equal(move_halfway_back(inside, parents[5]), inside)


def test_mutations_by_hand():
    a, b, c, d = np.array([[0.1, 0.2], [0.5, 0.6], [0.4, 0.9], [0.2, 0.2]])
    assert rand_1(a, b, c, 0.5) == pytest.approx([0.15, 0.05])
    assert current_to_best(a, b, c, d, 0.5) == pytest.approx([0.4, 0.75])


@pytest.mark.parametrize(("n", "n_dims"), [(1, 3), (7, 1), (16, 5)])
def test_latin_hypercube_has_a_point_in_every_slice(rng, n, n_dims):
    points = latin_hypercube(rng, n, n_dims)
    slices = np.sort((points * n).astype(int), axis=0)
    assert np.array_equal(slices, np.tile(np.arange(n)[:, None], n_dims))


def test_distinct(rng):
    drawn = [draw_distinct(rng, 4, 3, exclude=2) for _ in range(300)]
    assert all(sorted(three) == [0, 1, 3] for three in drawn)
    assert {three[0] for three in drawn} == {0, 1, 3}
    assert {tuple(draw_distinct(rng, 3, 3)) for _ in range(300)} == {
        (a, b, c) for a in range(3) for b in range(3) for c in range(3) if len({a, b, c}) == 3
    }


def test_below_reaches_both_ends_and_no_further():
    assert [draw_integer(Fixed(u), 3) for u in (0.0, 0.34, 1 - 2**-53)] == [0, 1, 2]
    assert draw_integer(Fixed(1 - 2**-53), 2**53) == 2**53 - 1


def test_normal_and_cauchy_have_their_quantiles(rng):
    drawn = np.array([draw_normal(rng, 2.0, 0.5) for _ in range(20_000)])
    assert np.quantile(drawn, [0.1587, 0.5, 0.8413]) == pytest.approx([1.5, 2.0, 2.5], abs=0.03)
    drawn = np.array([draw_cauchy(rng, 2.0, 0.5) for _ in range(20_000)])
    assert np.quantile(drawn, [0.25, 0.5, 0.75]) == pytest.approx([1.5, 2.0, 2.5], abs=0.03)
    assert np.isfinite(draw_normal(Fixed(1 - 2**-53, 0.5), 0.0, 1.0))
    assert np.isfinite(draw_cauchy(Fixed(0.0), 0.0, 1.0))


def test_crossover_is_the_share_of_donor_genes(rng):
    parent, donor = np.zeros(20), np.ones(20)
    shares = [binomial_crossover(rng, parent, donor, 0.3).mean() for _ in range(2000)]
    assert np.mean(shares) == pytest.approx((1 + 0.3 * 19) / 20, abs=0.01)
    assert all(binomial_crossover(rng, parent, donor, 0.0).sum() == 1 for _ in range(100))
    assert binomial_crossover(rng, parent, donor, 1.0).sum() == 20


def test_unordered_choices_are_put_to_the_vote(rng):
    space = Space(
        {
            "x": Float(0, 1),
            "optimizer": Choice(["adam", "sgd", "rmsprop", "lion"]),
            "units": Choice([16, 32]),
            "layers": Int(1, 3),
            "augment": Choice([True, False], ordered=True),
            "norm": Choice([1, 2, 3], ordered=False),
        }
    )
    axes = find_unordered(space)
    assert axes == [(1, 4), (5, 3)]
    donor = np.full(6, 0.77)
    parents = [np.full(6, 0.05), np.full(6, 0.05), np.full(6, 0.4)]
    results = np.array([vote(rng, donor, parents, axes) for _ in range(4000)])
    assert np.all(results[:, [0, 2, 3, 4]] == 0.77)
    # 0.9 of two thirds are the first's; any of the four at 0.1.
    assert np.mean(results[:, 1] == 0.05) == pytest.approx(0.9 * 2 / 3, abs=0.03)
    assert np.mean(results[:, 1] == 0.4) == pytest.approx(0.9 / 3, abs=0.03)
    assert set(results[:, 1]) == {0.05, 0.4, 0.125, 0.375, 0.625, 0.875}
    assert np.array_equal(donor, np.full(6, 0.77))
