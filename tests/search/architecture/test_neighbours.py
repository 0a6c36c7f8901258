"""Mutations of configurations."""

from __future__ import annotations

import itertools
from collections import Counter

import numpy as np
import pytest

from sparkexp.search.architecture.neighbours import find_neighbours, mutate
from sparkexp.space import Choice, Float, Int, Space
from sparkexp.testing.driving import constrained_space

from .spaces import both_space, chain_space


def mutants(space: Space, params, n: int = 400):
    rng = np.random.default_rng(3)
    start = space.encode(params)
    return [space.decode(mutate(space, start, rng)) for _ in range(n)]


def changed(before, after) -> set[str]:
    return {name for name in before if before[name] != after.get(name)}


START = {"rate": 0.01, "architecture": "conv3-conv3-conv5-none-none-none", "units": 7,
         "optimizer": "adam"}  # fmt: skip


def test_one_parameter_changes_and_half_of_the_time_it_is_the_architecture():
    space = both_space()
    before = space.decode(space.encode(START))
    found = mutants(space, START)
    counts = Counter(tuple(sorted(changed(before, after))) for after in found)
    # Beyond the end of the chain a change makes the same architecture.
    assert set(counts) == {(), ("rate",), ("architecture",), ("units",), ("optimizer",)}
    ordinary = counts["rate",] + counts["units",] + counts["optimizer",]
    assert 0.4 < ordinary / len(found) < 0.6
    assert all(space.check(after) == after for after in found)


def test_what_has_become_present_is_drawn_at_random():
    momenta = [m["momentum"] for m in mutants(both_space(), START) if "momentum" in m]
    assert len(set(momenta)) == len(momenta) > 20
    assert min(momenta) < 0.2 and max(momenta) > 0.8


def test_steps_of_a_continuous_parameter_are_short_and_within_its_bounds():
    space = Space({"x": Float(0, 1), "n": Int(1, 5000)})
    found = mutants(space, {"x": 0.02, "n": 2500})
    steps = [m["x"] for m in found if m["n"] == 2500]
    assert 0 <= min(steps) and max(steps) < 0.6
    assert np.mean(steps) < 0.2


@pytest.mark.parametrize(
    "parameter",
    [Choice(["a", "b", "c", "d"]), Int(1, 4), Int(1, 4, log=True), Float(0, 0.75, step=0.25)],
    ids=str,
)
def test_another_of_a_few_values(parameter):
    space = Space({"x": parameter})
    values = parameter.values()
    found = {m["x"] for m in mutants(space, {"x": values[1]}, 600)}
    assert found == set(values) - {values[1]}


def test_where_is_respected():
    space = constrained_space()
    start = {"low": 3, "high": 4, "kind": "a", "x": 0}
    assert all(space.allows(params) for params in mutants(space, start))


def test_nothing_to_change():
    space = Space({"x": Choice(["only"]), "y": Float(2, 2)})
    start = space.encode({"x": "only", "y": 2.0})
    assert mutate(space, start, np.random.default_rng(0)).tolist() == start.tolist()


def test_later_neighbours_are_further_away():
    space = chain_space()
    start = space.encode({"architecture": "conv1-conv1-conv1-conv1-conv1-conv1"})
    found = list(itertools.islice(find_neighbours(space, start, np.random.default_rng(1)), 200))
    texts = [space.decode(genome)["architecture"] for genome in found]
    distances = [6 - text.count("conv1") for text in texts[:30]]
    assert len(set(texts)) > 50 > len(set(texts[:30])) * 1.5
    assert np.mean(distances) < 3
