"""Chains and graphs of convolutions: texts, which are equal, and mutations."""

from __future__ import annotations

import collections

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sparkexp.errors import InvalidArgumentError, SpaceError
from sparkexp.nas import ChainSpace, GraphSpace
from sparkexp.nas.graph_mutations import MUTATIONS
from sparkexp.nas.layer_graph import Layer
from sparkexp.space import Space

relaxed = settings(deadline=None)  # the machine may be busy
CHAIN, GRAPH = ChainSpace(5), GraphSpace(5)


def draw_from(space):
    return st.tuples(*(st.integers(0, len(d.options) - 1) for d in space.decisions))


@pytest.mark.parametrize("space", [CHAIN, GRAPH], ids=["chain", "graph"])
@relaxed
@given(data=st.data())
def test_choices_have_texts_and_points(space, data):
    choices = space.canonical(data.draw(draw_from(space)))
    assert space.canonical(choices) == choices
    assert space.read(space.write(choices)) == choices
    searched = Space({"architecture": space})
    text = space.write(choices)
    assert searched.decode(searched.encode({"architecture": text})) == {"architecture": text}
    assert Space.from_json(searched.to_json()) == searched


@relaxed
@given(draw_from(CHAIN), st.integers(0, 2**32 - 1))
def test_mutants_of_chains_are_chains(choices, seed):
    mutant = CHAIN.mutate(choices, np.random.default_rng(seed))
    assert CHAIN.read(CHAIN.write(mutant)) == mutant != choices


@relaxed
@given(draw_from(GRAPH), st.integers(0, 2**32 - 1))
def test_mutants_of_graphs_are_graphs(choices, seed):
    mutation = GRAPH.draw_mutation(choices, np.random.default_rng(seed))
    assert GRAPH.canonical(mutation.choices) == mutation.choices
    assert mutation.inherits == (mutation.name != "reset weights")
    before, after = (GRAPH.list_layers(c) for c in (choices, mutation.choices))
    grown = {"insert convolution": 1, "remove convolution": -1}.get(mutation.name, 0)
    assert len(after) == len(before) + grown
    if mutation.name in ("reset weights", "identity"):
        assert after == before
    else:
        assert after != before


def test_every_mutation_happens():
    rng = np.random.default_rng(0)
    choices = GRAPH.parse("3x3:16 3x3:32/2<0 5x5:32<0,1").choices
    drawn = collections.Counter(GRAPH.draw_mutation(choices, rng).name for _ in range(900))
    # Only what can be done: layer 3 has all of its skip connections, as has layer 2.
    assert set(drawn) == set(MUTATIONS) - {"add skip"}
    assert min(drawn.values()) > 70


def test_an_empty_graph_grows():
    rng = np.random.default_rng(0)
    empty = GRAPH.parse("none").choices
    names = {GRAPH.draw_mutation(empty, rng).name for _ in range(100)}
    assert names == {"insert convolution", "reset weights", "identity"}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        # The skip connections from 0 and 1 to the last of three layers, each time.
        ("insert convolution", {"<1,2", "<0,2", "<0,1"}),
        ("remove convolution", {"<0", "", None}),
    ],
)
def test_skips_follow_their_layers(name, expected):
    layers = GRAPH.list_layers(GRAPH.parse("1x1:8 3x3:16 7x7:64<0,1").choices)
    rng = np.random.default_rng(0)
    found = set()
    for _ in range(60):
        made = MUTATIONS[name](layers, GRAPH.limits, rng)
        texts = GRAPH.write(GRAPH._choose(made)).split()
        last = [text for text in texts if text.startswith("7x7")]
        found.add(last[0].removeprefix("7x7:64") if last else None)
    assert found <= expected | {"<0,1", "<0,2"} and len(found) >= 2
    if name == "remove convolution":
        # Without layer 1, its skip connection is gone; without layer 2, 1 is the predecessor.
        assert found == {"<0", None}


def test_layers_that_are_not_there_leave_no_gap():
    options = dict.fromkeys((d.name for d in GRAPH.decisions), 0)
    options |= {"2.there": 1, "2.filters": 2, "4.there": 1, "4.from0": 1, "4.from2": 1}
    layers = GRAPH.list_layers(tuple(options.values()))
    # Slot 2 is layer 1 now, which slot 4 follows: a skip connection from there would be double.
    assert layers == (Layer(1, 1, 32), Layer(1, 1, 8, 1, frozenset({0})))


def test_equal_chains_are_one():
    texts = ("3x3:24 5x5:36/2 1x1:24<1,2 1x1:64<1 7x7:36<4", "5x5:36/2 3x3:24 1x1:64<2 7x7:36<3")
    one = CHAIN.parse(texts[0])
    other = CHAIN.parse(texts[1] + " 1x1:24<1,2")
    assert one == other and str(CHAIN.parse(str(one))) == str(one)
    assert one != CHAIN.parse("3x3:24 5x5:36/2 1x1:24<1,2 1x1:64<2 7x7:36<4")


@pytest.mark.parametrize(
    ("space", "text"),
    [
        (ChainSpace(2), "3x3:24"),
        (ChainSpace(2), "3x3:24 3x3:24<2"),
        (ChainSpace(2), "3x3:24 3x3:24<0"),
        (ChainSpace(2), "3x3:24 3x3:25"),
        (ChainSpace(2), "3x3:24 3x3"),
        (GraphSpace(2), ""),
        (GraphSpace(2), "3x3:16<0"),
        (GraphSpace(2), "3x3:16 3x3:16<1"),
        (GraphSpace(2), "3x3:16 3x3:16 3x3:16"),
        (GraphSpace(2), "2x3:16"),
    ],
)
def test_a_text_that_is_none(space, text):
    with pytest.raises(SpaceError):
        space.parse(text)


@pytest.mark.parametrize("options", [[], [0, 1], [1, 1], [1.5], 3, "13", [True, 3]])
def test_options_that_are_none(options):
    with pytest.raises(InvalidArgumentError, match="filters"):
        ChainSpace(2, filters=options)
    with pytest.raises(InvalidArgumentError, match="sizes"):
        GraphSpace(2, sizes=options)
