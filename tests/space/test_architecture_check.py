"""Architecture spaces of a user's own that break a rule: refused before the first trial."""

from __future__ import annotations

import itertools
import time
from dataclasses import dataclass

import numpy as np
import pytest

from sparkexp import nas
from sparkexp.errors import SpaceError
from sparkexp.search.architecture.neighbours import mutate
from sparkexp.space import ArchitectureSpace, Choice, Decision, Space
from sparkexp.space.architecture_check import check_architectures

FIRST = Decision("first", ("a", "b"))
SECOND = Decision("second", (1, 2, 3))


class Plain(ArchitectureSpace):
    """Two decisions, and everything else as the base class has it."""

    decisions = (FIRST, SECOND)

    def build(self, architecture, **settings):
        return list(architecture.options.values())


def make(**members) -> ArchitectureSpace:
    """Return a space of a class `Mine` with these members."""
    return type("Mine", (Plain,), members)()


class Wide(Plain):
    """Has an argument that no decision shows."""

    def __init__(self, width=8, *, dropout=0.5):
        self.width, self.dropout = width, dropout


class Complete(Wide):
    def settings(self):
        return {"width": self.width, "dropout": self.dropout}


class Partial(Wide):
    def settings(self):
        return {"width": self.width}


class Needs(Plain):
    def __init__(self, width):
        self.width = width


class Deep(Plain):
    def __init__(self, layers=2):
        self.layers = layers

    @property
    def decisions(self):
        return [Decision(f"layer{k}", ("a", "b")) for k in range(self.layers)]


class Fixed(Deep):
    def settings(self):
        return {"layers": 2}


class Passing(Wide):
    """Hands over what it is given."""

    def __init__(self, **rest):
        super().__init__(**rest)


class Both(Complete, Passing):
    """Hands everything over, and records it."""

    def __init__(self, **rest):
        super().__init__(**rest)
        self.seen = []


class Listing(Plain):
    """Its argument may be a tuple, which is a list once it was written."""

    def __init__(self, widths=(8, 16), verbose=False):
        self.widths = widths

    def settings(self):
        return {"widths": self.widths}


class Remembering(Plain):
    """Keeps what differs from one construction to the next."""

    def __init__(self, scale=1):
        self.made = object()
        self.functions = [lambda: scale]
        self.table = np.arange(3)


@dataclass
class Record(Plain):
    width: int = 8


class Spaced(Plain):
    """Texts with blanks between the options, which may have '-' in them then."""

    decisions = (Decision("first", ("conv-3", "conv-5")), Decision("second", ("x", "x-1")))

    def write(self, choices):
        return " ".join(str(d.options[k]) for d, k in zip(self.decisions, choices, strict=True))

    def read(self, text):
        words = zip(self.decisions, text.split(), strict=True)
        return tuple(decision.options.index(word) for decision, word in words)


COUNTER = itertools.count()


def refuse(*args):
    raise KeyError("no such layer")


def decisions(*given):
    return {"decisions": given}


class TestDecisions:
    @pytest.mark.parametrize(
        ("members", "message"),
        [
            (decisions(), "^architecture: Mine.decisions must .* at least one nas.Dec"),
            ({"decisions": "ab"}, "at least one nas.Decision, got 'ab': write"),
            ({"decisions": lambda self: (FIRST,)}, "a property, got a method: write @prop"),
            ({"decisions": property(refuse)}, "Mine.decisions must not fail, got KeyError: 'no"),
            (decisions(FIRST, ("second", (1, 2))), r"got \('second', \(1, 2\)\): write this one"),
            (decisions(Decision("first", ())), r"options of 'first' must be .* got \(\)"),
            (decisions(Decision("first", "ab")), "options of 'first' must be .* got 'ab'"),
            (decisions(FIRST, SECOND, FIRST), "names that differ, got 'first' more than once"),
            (decisions(Decision("first", ("conv-3", "x"))), "contain '-'.* got 'conv-3' for 'fir"),
            (decisions(Decision("a", ("x-1", "x")), FIRST), "contain '-'.* got 'x-1' for 'a'"),
            (decisions(Decision("first", (0, -1))), "contain '-'.* got '-1' for 'first'"),
            (decisions(Decision("first", (1, "1"))), "texts that differ, got '1' more than once"),
            (
                {"decisions": property(lambda self: [Decision("first", (next(COUNTER),))])},
                "must be the same each time",
            ),
        ],
    )  # fmt: skip
    def test_rules(self, members, message):
        with pytest.raises(SpaceError, match=message):
            Space.from_search_dict({"architecture": make(**members)})

    def test_texts_of_its_own_may_have_any_options(self):
        check_architectures(Spaced())


class TestSettings:
    def test_a_forgotten_argument(self):
        with pytest.raises(SpaceError) as caught:
            check_architectures(Wide(32))
        assert str(caught.value) == (
            "Wide.settings must return the arguments that construct an equal space, since "
            "experiment.resume and load make it of them; got {}, which makes one "
            "with width=8 instead of 32. Write def settings(self): return "
            "{'width': self.width, 'dropout': self.dropout}."
        )

    @pytest.mark.parametrize(
        ("space", "message"),
        [
            (Partial(8, dropout=0.1), "dropout=0.5 instead of 0.1"),
            (Record(9), "width=8 instead of 9"),
            (
                Needs(8),
                "with which Needs raises TypeError: .* Write .* {'width': self",
            ),
            (Deep(3), r"got {}, which makes another one. Write .* {'layers': self.layers}"),
            (Passing(width=9), "width=8 instead of 9"),
            (Fixed(3), r"got {'layers': 2}, which makes another one"),
            (make(settings=lambda self: {"f": len}), "Mine.settings must return what JSON can"),
            (make(settings=lambda self: None), "must return a dict .* got None"),
            (make(settings=lambda self: {"width": 3}), "with which Mine raises TypeError"),
            (make(settings=refuse), "Mine.settings must not fail, got KeyError"),
            (make(settings={}), "Mine.settings must not fail, got TypeError"),
        ],
    )
    def test_rules(self, space, message):
        with pytest.raises(SpaceError, match=message):
            check_architectures(space)

    @pytest.mark.parametrize(
        "space",
        [
            Plain(), Wide(), Complete(32, dropout=0.1), Partial(32), Record(), Deep(), Fixed(),
            Listing((8, 32)), Listing([8]), Remembering(3),
        ],
    )  # fmt: skip
    def test_what_is_equal_is_taken(self, space):
        check_architectures(space)
        assert space.n_values  # and once more, after it keeps its axes and values
        check_architectures(space)

    def test_a_full_cache_is_no_setting(self):
        space = Both(width=32)
        space.seen.append("a-1")
        check_architectures(space)


class TestMethods:
    @pytest.mark.parametrize(
        ("members", "message"),
        [
            ({"write": Spaced.write}, "Mine.read must .* a write of its own, but no read: write"),
            ({"read": Spaced.read}, "Mine.read must .* a read of its own, but no write: write"),
            ({"write": lambda self, choices: 3}, "Mine.write must return the text .* got 3"),
            ({"write": refuse}, "Mine.write must not fail, got KeyError"),
            ({"write": Spaced.write, "read": refuse}, "got KeyError for .* so that it undoes"),
            ({"read": lambda self, text: (0, 9)}, r"Mine.read must .* 0 to 2, not 9"),
            ({"read": lambda self, text: (0, 0)}, r"Mine.read must return .* got \(0, 0\) for"),
            (
                {"canonical": lambda self, c: None},
                "Mine.canonical must return a tuple .* got None",
            ),
            ({"canonical": lambda self, c: (0, 3)}, "Mine.canonical .* 'second' .* 0 to 2, not 3"),
            ({"canonical": lambda self, c: (0, -1)}, "Mine.canonical .* 0 to 2, not -1"),
            ({"canonical": lambda self, c: (0, 1.0)}, "Mine.canonical .* 0 to 2, not 1.0"),
            ({"canonical": lambda self, c: c[:1]}, "Mine.canonical must .* of the 2 decisions"),
            ({"canonical": refuse}, "Mine.canonical must not fail, got KeyError"),
            (
                {"canonical": lambda self, c: (c[0], (c[1] + 1) % 3)},
                "canonical choices as they are",
            ),
            ({"mutate": lambda self, c, rng: None}, "Mine.mutate must return a tuple .* got None"),
            ({"mutate": lambda self, c, rng: (c[0], 3)}, "Mine.mutate .* 0 to 2, not 3"),
            ({"mutate": refuse}, "Mine.mutate must not fail, got KeyError"),
        ],
    )
    def test_rules(self, members, message):
        with pytest.raises(SpaceError, match=message):
            check_architectures(make(**members))

    def test_one_architecture_has_no_neighbour(self):
        check_architectures(make(decisions=(Decision("only", (1,)),), mutate=refuse))

    def test_numbers_of_numpy_are_whole_numbers(self):
        check_architectures(make(mutate=lambda self, c, rng: [rng.integers(2), rng.integers(3)]))

    def test_a_mutation_in_a_search(self):
        """Few architectures have a bad neighbour: the check doesn't meet them."""
        space = make(mutate=lambda self, choices, rng: (choices[0], 7))
        searched = Space({"architecture": space})
        start = searched.encode({"architecture": "a-2"})
        with pytest.raises(SpaceError, match=r"Mine.mutate must .* got \(0, 7\) for \(0, 1\)"):
            mutate(searched, start, np.random.default_rng(0))


class TestWhereItIsChecked:
    @pytest.mark.parametrize("parse", [Space.from_search_dict, Space.from_grid_dict])
    def test_in_each_kind_of_space(self, parse):
        bad = Wide(32)
        branch = Choice({"searched": {"network": bad}, "fixed": {}})
        for given in (
            {"x": bad},
            {"x": branch},
            {"x": [bad.parse("a-1")]},
            {"x": bad.parse("a-1")},
        ):
            with pytest.raises(SpaceError, match="Wide.settings"):
                parse(given)
        with pytest.raises(SpaceError, match=r"hand over an instance: Wide\(\)"):
            parse({"x": Wide})

    @pytest.mark.parametrize(
        "space",
        [nas.CellSpace(5), nas.NASNET_A.space, nas.ChainSpace(), nas.GraphSpace()],
        ids=lambda space: space.name,
    )
    def test_ours_pass_at_once(self, space):
        times = []
        for _ in range(5):
            start = time.perf_counter()
            check_architectures(space)
            times.append(time.perf_counter() - start)
        assert min(times) < 0.02
