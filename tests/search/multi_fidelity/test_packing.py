"""Rows of numbers in a saved state come back as they were."""

from __future__ import annotations

import json

import pytest

from sparkexp.search import AshaSearcher
from sparkexp.search.multi_fidelity.packing import (
    pack,
    pack_mapping,
    unpack,
    unpack_mapping,
)
from sparkexp.space import Float, Int, Space

from ..driving import drive

LINE = Space({"x": Float(0.0, 1.0), "k": Int(1, 9)})


def through_json(record):
    return json.loads(json.dumps(record, allow_nan=False))


@pytest.mark.parametrize(
    "numbers", [[], [0.1, -0.0, 5e-324, 1.7e308], [[0.1, 0.2], [0.3, 0.4]], [3, 1, 2**31 - 1]]
)
def test_numbers_come_back(numbers):
    back = unpack(through_json(pack(numbers))).tolist()
    assert repr(back) == repr(numbers)


@pytest.mark.parametrize("found", [{}, {5: 1, 2: 7}, {5: 0.5, 2: None}, {5: None}])
def test_mappings_come_back(found):
    back = unpack_mapping(through_json(pack_mapping(found)))
    assert repr(back) == repr(found)


def test_lists_of_earlier_versions_are_read():
    assert unpack([[0.1, 0.2], [0.3, 0.4]]).tolist() == [[0.1, 0.2], [0.3, 0.4]]
    assert unpack_mapping([[5, 0.5], [2, None]]) == {5: 0.5, 2: None}
    assert unpack_mapping([]) == {}


@pytest.mark.parametrize("scale", [1, 10**12, 2**70])
def test_values_may_be_whole_numbers_of_any_size(scale):
    def searcher():
        return AshaSearcher(LINE, "min", 30, "epochs", 1, 9, seed=1)

    def value(params):
        return scale * params["k"]

    one, other = searcher(), searcher()
    drive(one, value, n_trials=20)
    other.restore(through_json(one.state()))
    assert [r.trial for r in drive(one, value)] == [r.trial for r in drive(other, value)]
