"""Architectures that the user lists, and records whose class is not defined."""

from __future__ import annotations

import json

import pytest

from sparkexp.errors import SpaceError
from sparkexp.nas import Architecture
from sparkexp.space import Space
from sparkexp.space.recorded_architecture import (
    RecordedArchitectures,
    UnknownSpaceError,
    architecture_from_json,
)

from ..nas.spaces import Stack

SMALL, LARGE = Stack().parse("conv3-none-none"), Stack().parse("conv5-conv5-conv5")


def without_class(record):
    record = json.loads(json.dumps(record))
    for entry in record["parameters"]:
        if entry["parameter"]["type"] == "architecture":
            entry["parameter"]["space"] = "Gone"
    return record


class TestListed:
    @pytest.mark.parametrize("parse", [Space.from_grid_dict, Space.from_search_dict])
    def test_a_list_is_a_parameter(self, parse):
        space = parse({"architecture": [SMALL, LARGE], "units": [1, 2]})
        listed = space.parameters["architecture"]
        assert listed.values() == [str(SMALL), str(LARGE)]
        assert listed.parse(str(LARGE)) == LARGE
        assert listed.parse(str(LARGE)).space == Stack()
        assert space.n_configurations == 4
        for k in range(4):
            params = space.configuration(k)
            assert space.decode(space.encode(params)) == params
        assert Space.from_json(json.loads(json.dumps(space.to_json()))) == space

    def test_one_is_the_same_in_all_trials(self):
        space = Space.from_grid_dict({"architecture": LARGE, "units": [1, 2]})
        assert space.n_configurations == 2
        assert space.configuration(0)["architecture"] == str(LARGE)

    def test_equal_ones_are_one(self):
        same = Architecture(Stack(), (1, 0, 2))
        assert Space.from_grid_dict({"architecture": [SMALL, same]}).n_configurations == 1

    @pytest.mark.parametrize("other", ["conv5", Stack(1).parse("none"), 3])
    def test_of_one_space(self, other):
        with pytest.raises(SpaceError, match="architecture: Architectures that are listed"):
            Space.from_grid_dict({"architecture": [SMALL, other]})

    def test_another_is_none_of_them(self):
        space = Space.from_grid_dict({"architecture": [SMALL, LARGE]})
        with pytest.raises(SpaceError, match="one of the 2 listed ones"):
            space.check({"architecture": "conv3-conv3-none"})


class TestRecorded:
    def test_a_space_is_shown_without_its_class(self):
        made = Space.from_search_dict({"rate": [0.0, 1.0], "architecture": Stack()})
        record = without_class(made.to_json())
        with pytest.raises(UnknownSpaceError, match="'Gone'.* import the module"):
            Space.from_json(record)
        space = Space.from_json(record, only_shown=True)
        assert space.n_dims == made.n_dims and space.to_json() == record
        assert space.describe()[1] == ("architecture", "Gone(layers=3), 27 combinations")
        params = {"rate": 0.5, "architecture": "conv3-none-none"}
        assert space.check(params) == params
        assert space.encode(params).shape == (4,)
        with pytest.raises(UnknownSpaceError):
            space.architectures["architecture"].parse("conv3-none-none")

    def test_a_stand_in_knows_a_class_that_is_defined_later(self):
        recorded = RecordedArchitectures(Stack(2).to_json())
        assert recorded.parse("conv3-none") == Stack(2).parse("conv3-none")

    def test_other_settings(self):
        record = {**Stack().to_json(), "settings": {"depth": 3}}
        with pytest.raises(SpaceError, match="doesn't take the recorded settings"):
            architecture_from_json(record)
        assert architecture_from_json(record, only_shown=True).describe().startswith("Stack(dep")

    def test_code(self):
        assert Stack(2).to_code() == "Stack(layers=2)"
