"""Architecture spaces as parameters of a search space, with a space of a user's own."""

from __future__ import annotations

import json

import numpy as np
import optuna
import pytest

from sparkexp.errors import SpaceError
from sparkexp.search import OptunaSearcher, Searcher
from sparkexp.search.registry import SEARCHERS, build_searcher
from sparkexp.space import Architecture, ArchitectureSpace, Decision, Float, Space
from sparkexp.trial import State, TrialResult


class Layers(ArchitectureSpace):
    """Up to three layers; those after an empty one don't matter."""

    def __init__(self, layers: int = 3) -> None:
        self.layers = layers

    @property
    def decisions(self):
        return [Decision(f"layer{k}", ("none", "conv3", "conv5")) for k in range(self.layers)]

    def settings(self):
        return {"layers": self.layers}

    def canonical(self, choices):
        n = choices.index(0) if 0 in choices else len(choices)
        return choices[:n] + (0,) * (len(choices) - n)

    def build(self, architecture, **settings):
        return [option for option in architecture.options.values() if option != "none"]


LAYERS = Layers()


def made_space() -> Space:
    return Space.from_search_dict({"rate": [0.1, 0.9], "architecture": LAYERS, "units": [1, 3]})


def count(params) -> float:
    return params["architecture"].count("conv5") + params.get("rate", 0.0)


def drive(searcher: Searcher, n: int = 24) -> list[dict]:
    found = []
    while len(found) < n and (trial := searcher.ask()) is not None:
        found.append(dict(trial.params))
        value = count(trial.params)
        searcher.tell(TrialResult(trial, State.SUCCEEDED, value, {"value": value}, (value,)))
    return found


class TestArchitecture:
    def test_equal_ones_are_one(self):
        one, other = LAYERS.parse("conv3-none-conv5"), LAYERS.parse("conv3-none-none")
        assert one == other and str(one) == "conv3-none-none"
        assert one.options == {"layer0": "conv3", "layer1": "none", "layer2": "none"}
        assert one.build() == ["conv3"]

    @pytest.mark.parametrize("text", ["conv3", "conv3-conv4-none", "", "a-b-c-d"])
    def test_a_text_that_is_none(self, text):
        with pytest.raises(SpaceError):
            LAYERS.parse(text)

    def test_a_mutation_changes_one_decision(self):
        rng = np.random.default_rng(0)
        choices = (0, 1, 2)
        mutants = [LAYERS.mutate(choices, rng) for _ in range(200)]
        assert all(sum(a != b for a, b in zip(choices, m, strict=True)) == 1 for m in mutants)
        assert len(set(mutants)) == 6

    def test_what_there_is(self):
        assert LAYERS.cardinality == 27
        assert len(LAYERS.values()) == LAYERS.n_values == 15  # 1 + 2 + 4 + 8
        drawn = {str(LAYERS.random(np.random.default_rng(seed))) for seed in range(300)}
        assert drawn == set(LAYERS.values())

    def test_too_many_are_not_listed(self):
        with pytest.raises(SpaceError, match="at most 10,000"):
            Layers(12).values()


class TestSpace:
    def test_each_decision_is_an_axis(self):
        space = made_space()
        assert space.n_dims == 5 and len(space) == 3
        point = space.encode({"rate": 0.5, "architecture": "conv5-conv3-none", "units": 2})
        assert point.shape == (5,)
        assert space.decode(point)["architecture"] == "conv5-conv3-none"

    def test_points_decode_to_canonical_texts(self):
        space = made_space()
        for u in np.random.default_rng(0).random((200, 5)):
            params = space.decode(u)
            assert LAYERS.check(params["architecture"]) == params["architecture"]
            again = space.decode(space.encode(params))
            assert again == {**params, "rate": pytest.approx(params["rate"])}

    def test_an_architecture_or_its_text_is_a_value(self):
        space = made_space()
        for given in (Architecture(LAYERS, (1, 0, 2)), "conv3-none-conv5"):
            checked = space.check({"rate": 0.5, "architecture": given, "units": 1})
            assert checked["architecture"] == "conv3-none-none"
            assert type(checked["architecture"]) is str
        with pytest.raises(SpaceError, match="architecture: "):
            space.check({"rate": 0.5, "architecture": 3, "units": 1})

    def test_the_record_knows_the_class(self):
        record = json.loads(json.dumps(made_space().to_json()))
        assert Space.from_json(record) == made_space()
        record["parameters"][1]["parameter"]["space"] = "Gone"
        with pytest.raises(SpaceError, match="'Gone', which is not known here"):
            Space.from_json(record)

    def test_a_grid_lists_them(self):
        space = Space.from_grid_dict({"architecture": LAYERS, "units": [1, 2]})
        found = drive(build_searcher("grid", space, ["max"], None, None), 100)
        assert len(found) == space.n_configurations == 30
        assert [space.index_of(params) for params in found] == list(range(30))


@pytest.mark.parametrize("name", [name for name in SEARCHERS if name != "grid"])
def test_every_searcher_searches_them(name):
    searcher = build_searcher(name, made_space(), ["max"], 24, 1)
    found = drive(searcher)
    assert len({params["architecture"] for params in found}) > 4
    assert all(LAYERS.check(p["architecture"]) == p["architecture"] for p in found)


def test_optuna_searches_them():
    def make() -> OptunaSearcher:
        return OptunaSearcher(made_space(), ["max"], 30, optuna.samplers.TPESampler(seed=1))

    searcher = make()
    searcher.start_from([{"rate": 0.5, "architecture": "conv5-none-none", "units": 1}])
    found = drive(searcher, 15)
    assert found[0]["architecture"] == "conv5-none-none"
    again = make()
    again.start_from([{"rate": 0.5, "architecture": "conv5-none-none", "units": 1}])
    again.restore(json.loads(json.dumps(searcher.state())))
    found += drive(again, 15)
    assert len({params["architecture"] for params in found}) > 4


def test_where_sees_the_text():
    space = Space.from_search_dict(
        {"architecture": LAYERS, "rate": Float(0, 1)}, lambda p: "conv5" not in p["architecture"]
    )
    for u in np.random.default_rng(0).random((50, 4)):
        assert "conv5" not in space.decode(u)["architecture"]


def test_a_name_of_ours_is_taken():
    with pytest.raises(SpaceError, match="must not have the name"):
        type("Mine", (Layers,), {"name": "Taken", "__module__": "sparkexp.made_up"})
        type("Taken", (Layers,), {})
