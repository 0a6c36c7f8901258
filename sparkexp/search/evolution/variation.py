"""How an evolution makes new points of the unit cube: pure functions of genomes and a generator.

A genome has the shape ``(n_dims,)``, a population ``(n, n_dims)``. Of numpy's
generator only `random` is used: its numbers for a seed change least between versions.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from sparkexp.space import Choice, Space

__all__ = [
    "Vector",
    "draw_integer",
    "draw_cauchy",
    "binomial_crossover",
    "current_to_best",
    "draw_distinct",
    "move_halfway_back",
    "latin_hypercube",
    "draw_normal",
    "rand_1",
    "rand_1_bin",
    "rand_1_bin_child",
    "reflect",
    "find_unordered",
    "vote",
]

Vector = NDArray[np.float64]


def draw_integer(rng: np.random.Generator, n: int) -> int:
    """Return a whole number in ``[0, n)``, all equally likely."""
    return min(int(rng.random() * n), n - 1)


def draw_distinct(rng: np.random.Generator, n: int, k: int, *, exclude: int = -1) -> list[int]:
    """Return `k` different whole numbers in ``[0, n)``, none of them `exclude`."""
    keys = rng.random(n)
    if 0 <= exclude < n:
        keys[exclude] = np.inf
    return [int(index) for index in np.argsort(keys, kind="stable")[:k]]


def draw_normal(rng: np.random.Generator, mean: float, deviation: float) -> float:
    """Return a number from a normal distribution (Box and Muller, 1958)."""
    radius = math.sqrt(-2.0 * math.log(1.0 - rng.random()))
    return mean + deviation * radius * math.cos(2.0 * math.pi * rng.random())


def draw_cauchy(rng: np.random.Generator, location: float, scale: float) -> float:
    """Return a number from a Cauchy distribution."""
    return location + scale * math.tan(math.pi * (rng.random() - 0.5))


def latin_hypercube(rng: np.random.Generator, n: int, n_dims: int) -> Vector:
    """Return `n` points; on every axis each of `n` equal slices holds one of them.

    References
    ----------
    M. D. McKay, R. J. Beckman, W. J. Conover (1979). A comparison of three methods for selecting
    values of input variables in the analysis of output from a computer code. Technometrics 21,
    239-245.

    Examples
    --------
    >>> points = latin_hypercube(np.random.default_rng(1), 4, 2)
    >>> np.sort((points * 4).astype(int), axis=0).T.tolist()
    [[0, 1, 2, 3], [0, 1, 2, 3]]
    """
    slices = np.argsort(rng.random((n, n_dims)), axis=0, kind="stable")
    points: Vector = (slices + rng.random((n, n_dims))) / n
    return points


def rand_1(a: Vector, b: Vector, c: Vector, weight: float) -> Vector:
    """Return ``a + F (b - c)`` (Storn and Price 1997, eq. 2)."""
    return a + weight * (b - c)


def current_to_best(x: Vector, best: Vector, a: Vector, b: Vector, weight: float) -> Vector:
    """Return ``x + F (best - x) + F (a - b)`` (Zhang and Sanderson 2009, eq. 6 and 7)."""
    return x + weight * (best - x) + weight * (a - b)


def reflect(genome: Vector) -> Vector:
    """Reflect a genome at the walls of the unit cube until it is inside.

    Clipping would put too many trials on the bounds.
    """
    folded = np.abs(genome) % 2.0
    return np.where(folded > 1.0, 2.0 - folded, folded)


def move_halfway_back(genome: Vector, parent: Vector) -> Vector:
    """Put genes outside of the unit cube half way between its wall and the parent's gene.

    References
    ----------
    J. Zhang, A. C. Sanderson (2009). JADE: adaptive differential evolution with optional external
    archive. IEEE Transactions on Evolutionary Computation 13, 945-958.

    Examples
    --------
    >>> move_halfway_back(np.array([-0.3, 0.4, 1.2]), np.array([0.2, 0.9, 0.5]))
    array([0.1 , 0.4 , 0.75])
    """
    low = np.where(genome < 0.0, parent / 2.0, genome)
    return np.where(genome > 1.0, (1.0 + parent) / 2.0, low)


def binomial_crossover(
    rng: np.random.Generator, parent: Vector, donor: Vector, probability: float
) -> Vector:
    """Return the parent with genes of the donor: each at a probability, at least one.

    Storn and Price 1997, eq. 4: the binomial crossover.
    """
    taken = rng.random(len(parent)) < probability
    taken[draw_integer(rng, len(parent))] = True
    return np.where(taken, donor, parent)


def rand_1_bin(
    rng: np.random.Generator, genomes: Vector, weight: float, probability: float
) -> Vector:
    """Return a child of each member, DE/rand/1/bin: of shape ``(n, n_dims)``, like the population.

    All numbers are drawn here, so that no result of the children can change them.
    """
    children = genomes.copy()
    for slot, parent in enumerate(genomes):
        others = genomes[draw_distinct(rng, len(genomes), 3, exclude=slot)]
        children[slot] = rand_1_bin_child(rng, parent, others, weight, probability)
    return children


def rand_1_bin_child(
    rng: np.random.Generator, parent: Vector, others: Vector, weight: float, probability: float
) -> Vector:
    """Return a child of a parent and three others, of shape ``(3, n_dims)``: DE/rand/1/bin."""
    a, b, c = others
    return binomial_crossover(rng, parent, reflect(rand_1(a, b, c, weight)), probability)


def find_unordered(space: Space) -> list[tuple[int, int]]:
    """Return axis and number of values of each unordered choice.

    Examples
    --------
    >>> find_unordered(Space.from_search_dict({'x': [0.0, 1.0], 'optimizer': ['adam', 'sgd']}))
    [(1, 2)]
    """
    return [
        (number, axis.n_values)
        for number, axis in enumerate(space.axes)
        if isinstance(axis, Choice) and not axis.ordered
    ]


def vote(
    rng: np.random.Generator,
    donor: Vector,
    parents: list[Vector],
    axes: list[tuple[int, int]],
    mutation: float = 0.1,
) -> Vector:
    """Return the donor with other genes for unordered choices.

    Each of these genes is copied from a parent that is drawn for it, or with the probability
    `mutation` is any value: arithmetic with genes means nothing for categories.
    """
    result = donor.copy()
    for axis, n_values in axes:
        if rng.random() < mutation:
            result[axis] = (draw_integer(rng, n_values) + 0.5) / n_values
        else:
            result[axis] = parents[draw_integer(rng, len(parents))][axis]
    return result
