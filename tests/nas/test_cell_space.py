"""The cells of NASNet: which are equal, their texts, and their mutations."""

from __future__ import annotations

import collections
import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sparkexp.errors import InvalidArgumentError, SpaceError
from sparkexp.nas import NASNET_A, CellSpace
from sparkexp.nas.cells import Cell
from sparkexp.space import Space

relaxed = settings(deadline=None)  # the machine may be busy
SPACE = CellSpace()


@st.composite
def drawn_choices(draw, space=SPACE):
    return tuple(draw(st.integers(0, len(d.options) - 1)) for d in space.decisions)


def isomorphism_class(cell: Cell) -> tuple:
    """The least of a cell's descriptions under all numberings of its blocks.

    It knows nothing of orders: blocks may have any numbers, and a block is a bag of two sides.
    """
    n = len(cell.blocks)
    described = []
    for numbers in itertools.permutations(range(2, n + 2)):
        new = {0: 0, 1: 1, **{k + 2: number for k, number in enumerate(numbers)}}
        blocks = {
            new[k + 2]: sorted((new[side.input], side.op) for side in block.sides)
            for k, block in enumerate(cell.blocks)
        }
        described.append(tuple(tuple(blocks[number]) for number in sorted(blocks)))
    return min(described)


@pytest.mark.parametrize(
    ("blocks", "ops", "n_classes"),
    [
        # 4 sides make 10 bags of two.
        (1, 2, 10),
        # 55 pairs of these, or one of 10 and a block with 11 bags of it and the inputs.
        (2, 2, 165),
        (3, 1, None),
        pytest.param(3, 2, None, marks=pytest.mark.slow),
    ],
)
def test_texts_are_isomorphism_classes(blocks, ops, n_classes):
    check_all_cells(CellSpace(blocks, ["identity", "sep3"][:ops]), n_classes)


def check_all_cells(space: CellSpace, n_classes: int | None) -> None:
    """All normal cells, beside the same reduction cell."""
    half = len(space.decisions) // 2
    shape = [len(decision.options) for decision in space.decisions[:half]]
    pairs = set()
    for at in np.ndindex(*shape):
        choices = (*map(int, at), *(0,) * half)
        text = space.write(space.canonical(choices))
        pairs.add((isomorphism_class(space.cells(choices)[0]), text))
    classes, texts = ({pair[k] for pair in pairs} for k in (0, 1))
    assert len(classes) == len(texts) == len(pairs)
    assert n_classes in (None, len(classes))
    # A canonical text is one of its class.
    for known, text in pairs:
        assert isomorphism_class(space.cells(space.read(text))[0]) == known


@relaxed
@given(drawn_choices(), st.randoms(use_true_random=False))
def test_renumbered_cells_of_five_blocks_are_equal(choices, random):
    """Turn sides round and renumber blocks at random, as far as they stay after their inputs."""
    renumbered: list[int] = []
    for half in (choices[:20], choices[20:]):
        blocks = [[(half[i], half[i + 1]), (half[i + 2], half[i + 3])] for i in range(0, 20, 4)]
        new = {0: 0, 1: 1}
        while len(new) < 7:
            ready = [
                k
                for k, block in enumerate(blocks, 2)
                if k not in new and all(source in new for source, _ in block)
            ]
            old = random.choice(ready)
            sides = [(new[source], op) for source, op in blocks[old - 2]]
            random.shuffle(sides)
            renumbered += [*sides[0], *sides[1]]
            new[old] = len(new)
    canonical = SPACE.canonical(choices)
    assert SPACE.canonical(tuple(renumbered)) == canonical == SPACE.canonical(canonical)


@relaxed
@given(drawn_choices())
def test_choices_have_texts_and_points(choices):
    text = SPACE.write(choices)
    assert SPACE.read(text) == choices
    space = Space({"architecture": SPACE})
    canonical = SPACE.write(SPACE.canonical(choices))
    point = space.encode({"architecture": text})
    assert space.decode(point) == {"architecture": canonical}


def test_many_equal_blocks_are_ordered_in_time():
    """Nine blocks that are all alike, or in pairs: no search through 9! orders."""
    space = CellSpace(9, ["sep3", "max3"])
    same = "0:sep3+1:sep3 " * 9
    in_pairs = "0:sep3+0:sep3 " * 5 + " ".join(f"{k}:max3+{k}:max3" for k in (2, 3, 4, 5))
    for half in (same, in_pairs):
        choices = space.read(f"{half}; {half}")
        assert space.canonical(space.canonical(choices)) == space.canonical(choices)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "is 1 blocks"),
        ("0:sep3+1:max3", "is 1 blocks"),
        ("0:sep3+1:max3; 0:sep3", "is written such as"),
        ("0:sep3+1:max3; 0:sep3+2:sep3", "are 0 to 1"),
        ("0:sep3+1:max3; 0:sep3+9999:sep3", "are 0 to 1"),
        ("0:sep3+1:max3; 0:sep3+1:sep9", "An operation is one of"),
    ],
)
def test_a_text_that_is_none(text, said):
    with pytest.raises(SpaceError, match=said):
        CellSpace(1).parse(text)


@pytest.mark.parametrize(
    "settings",
    [{"blocks": 0}, {"ops": []}, {"ops": ["sep9"]}, {"ops": "sep3"}, {"ops": ["sep3"] * 2}],
)
def test_settings_that_are_none(settings):
    with pytest.raises(InvalidArgumentError):
        CellSpace(**settings)


def test_a_record_makes_an_equal_space():
    space = CellSpace(3, ["sep3", "max3"])
    record = Space({"architecture": space}).to_json()
    assert Space.from_json(record) == Space({"architecture": space})
    assert space != CellSpace(3)
    fixed = Space({"architecture": NASNET_A.space})
    assert Space.from_json(fixed.to_json()) == fixed


class TestMutations:
    def test_one_input_or_one_operation_is_another(self):
        rng = np.random.default_rng(0)
        kinds: collections.Counter[str] = collections.Counter()
        n = 4000
        for _ in range(n):
            choices = SPACE.random(rng).choices
            mutant = SPACE.mutate(choices, rng)
            changed = [k for k, (a, b) in enumerate(zip(choices, mutant, strict=True)) if a != b]
            assert len(changed) <= 1
            assert all(m < len(d.options) for m, d in zip(mutant, SPACE.decisions, strict=True))
            name = SPACE.decisions[changed[0]].name if changed else "identity"
            kinds[name.rpartition(".")[2]] += 1
        # Three standard deviations of a share of n.
        assert abs(kinds["identity"] / n - 0.05) < 3 * (0.05 * 0.95 / n) ** 0.5
        for kind in ("op", "input"):
            assert abs(kinds[kind] / n - 0.475) < 3 * 0.5 / n**0.5

    def test_all_decisions_mutate(self):
        space = CellSpace(2)
        rng = np.random.default_rng(1)
        choices = space.random(rng).choices
        mutants = [space.mutate(choices, rng) for _ in range(2000)]
        changed = {k for m in mutants for k in range(len(choices)) if m[k] != choices[k]}
        assert changed == set(range(len(choices)))

    def test_with_one_operation_the_wiring_mutates(self):
        space = CellSpace(2, ["sep3"])
        rng = np.random.default_rng(0)
        choices = space.random(rng).choices
        mutants = {space.mutate(choices, rng) for _ in range(200)}
        assert len(mutants) == 1 + 2 * (2 * 1 + 2 * 2)


def test_nasnet_a_is_as_published():
    """The issue's lists: operations and inputs, left and right for each block."""
    options = NASNET_A.options
    for cell, ops, inputs in [
        (
            "normal",
            "sep5 sep3 sep5 sep3 avg3 identity avg3 avg3 sep3 identity",
            [0, 1, 1, 1, 0, 1, 1, 1, 0, 0],
        ),
        (
            "reduction",
            "sep5 sep7 max3 sep7 avg3 sep5 identity avg3 sep3 max3",
            [0, 1, 0, 1, 0, 1, 3, 2, 2, 0],
        ),
    ]:
        sides = [f"{cell}.{block}.{side}" for block in range(5) for side in ("left", "right")]
        assert [options[f"{side}.op"] for side in sides] == ops.split()
        assert [options[f"{side}.input"] for side in sides] == inputs
    # Keras's own has these: p and x1 to x5, and x2 to x5.
    assert NASNET_A.space.outputs(NASNET_A.choices) == ((1, 2, 3, 4, 5, 6), (3, 4, 5, 6))
    # As a member of the space that is searched, a cell has unused states only.
    searched = SPACE.parse(str(NASNET_A))
    assert sorted(map(len, SPACE.outputs(searched.choices))) == [3, 5]
