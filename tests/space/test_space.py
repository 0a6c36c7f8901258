import json
import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sparkexp.errors import SpaceError
from sparkexp.space import Choice, Float, Int, Space

UNIT = np.linspace(0, 1, 1001).tolist()

finite = st.floats(-1e6, 1e6, allow_subnormal=False)
positive = st.floats(1e-9, 1e6)
names = st.sampled_from(["learning_rate", "dropout", "units", "optimizer", "é"])
options = st.one_of(
    st.integers(-100, 100), st.floats(-100, 100), st.text(max_size=3), st.booleans()
)


relaxed = settings(deadline=None)  # the machine may be busy


def _unique(value):
    return type(value), value


discrete = st.one_of(
    st.builds(Int, st.integers(-1000, 1000), st.integers(-1000, 1000)),
    st.builds(
        lambda a, b, step: Int(a, b, step=step),
        st.integers(-1000, 1000),
        st.integers(-1000, 1000),
        st.integers(1, 300),
    ),
    st.builds(lambda a, b: Int(a, b, log=True), st.integers(1, 5000), st.integers(1, 5000)),
    st.builds(
        lambda a, b, step: Float(a, b, step=step),
        st.floats(-100, 100),
        st.floats(-100, 100),
        st.floats(0.1, 50),
    ),
    st.builds(
        lambda values, ordered: Choice(values, ordered=ordered),
        st.lists(options, min_size=1, max_size=8, unique_by=_unique),
        st.sampled_from([None, True, False]),
    ),
)
continuous = st.one_of(
    st.builds(Float, finite, finite),
    st.builds(lambda a, b: Float(a, b, log=True), positive, positive),
)
parameters = st.one_of(discrete, continuous)
spaces = st.builds(Space, st.dictionaries(names, parameters, min_size=1))


def same(a, b):
    return type(a) is type(b) and a == b


@relaxed
@given(discrete)
def test_discrete_values_come_back(parameter):
    values = parameter.values()
    assert len(values) == parameter.n_values
    for value in values:
        assert type(value) in (int, float, str, bool)
        assert same(parameter.decode(parameter.encode(value)), value)


@relaxed
@given(discrete)
def test_discrete_decodes_to_its_values_only(parameter):
    values = {(type(v), v) for v in parameter.values()}
    decoded = [parameter.decode(u) for u in (0.0, 1e-17, 0.3, 0.5, 1 - 2**-53, 1.0)]
    assert all((type(v), v) in values for v in decoded)


@relaxed
@given(continuous, st.floats(0, 1))
def test_continuous_values_come_back(parameter, u):
    value = parameter.decode(u)
    assert type(value) is float
    assert parameter.low <= value <= parameter.high
    again = parameter.decode(parameter.encode(value))
    scale = value if parameter.log else max(abs(parameter.low), abs(parameter.high))
    assert math.isclose(again, value, rel_tol=1e-12, abs_tol=1e-14 * scale)


@relaxed
@given(continuous)
def test_bounds_come_back_exactly(parameter):
    for bound in (parameter.low, parameter.high):
        assert parameter.decode(parameter.encode(bound)) == bound


@relaxed
@given(spaces, st.randoms(use_true_random=False))
def test_random_spaces(space, random):
    genome = np.array([random.random() for _ in space.names])
    params = space.decode(genome)
    assert tuple(params) == space.names
    assert all(type(v) in (int, float, str, bool) for v in params.values())
    point = space.encode(params)
    assert point.shape == (space.n_dims,) and point.dtype == np.float64
    assert np.all((point >= 0) & (point <= 1))
    for name, value in space.decode(point).items():
        if space.parameters[name].n_values is not None:
            assert same(value, params[name])
    assert Space.from_json(json.loads(json.dumps(space.to_json(), sort_keys=True))) == space
    assert all(isinstance(p.describe(), str) for p in space.parameters.values())


# --- single parameters


def test_bounds_in_either_order():
    assert Float(0.005, 0.00005) == Float(0.00005, 0.005)
    assert Int(3, 1, log=True) == Int(1, 3, log=True)


def test_ints_are_equally_likely_at_the_ends():
    counts = Counter(Int(1, 3).decode(u) for u in np.random.default_rng(0).random(30_000))
    assert set(counts) == {1, 2, 3}
    assert all(abs(n - 10_000) < 400 for n in counts.values())


def test_log_int_is_log_uniform_on_the_widened_range():
    counts = Counter(Int(1, 100, log=True).decode(u) for u in np.linspace(0, 1, 100_001))
    total = math.log(100.5 / 0.5)
    for value in (1, 2, 10, 100):
        expected = math.log((value + 0.5) / (value - 0.5)) / total
        assert counts[value] / 100_001 == pytest.approx(expected, abs=2e-5)
    assert set(counts) == set(range(1, 101))


def test_log_float_gives_every_decade_the_same():
    parameter = Float(1e-4, 1e-1, log=True)
    values = np.array([parameter.decode(u) for u in UNIT])
    assert np.histogram(values, bins=[1e-4, 1e-3, 1e-2, 1e-1])[0] == pytest.approx(333, abs=2)


def test_large_ranges_are_exact():
    for parameter in (Int(0, 2**40 - 1), Int(2**60, 2**60 + 10**6), Int(1, 2**40, log=True)):
        for value in (parameter.low, parameter.low + 12345, parameter.high - 1, parameter.high):
            assert parameter.decode(parameter.encode(value)) == value


def test_steps_are_decimals():
    assert Float(0.1, 0.7, step=0.2).values() == [0.1, 0.3, 0.5, 0.7]
    assert Float(0.0, 0.25, step=0.1).values() == [0.0, 0.1, 0.2]
    assert Int(9, 1, step=3).values() == [1, 4, 7]
    assert Float(0.1, 0.5, step=0.1).encode(0.1 + 0.1 + 0.1) == 0.5


def test_choice_of_numbers_is_placed_in_sorted_order():
    sizes = Choice([64, 16, 32])
    assert sizes.ordered is True
    assert sizes.values() == [64, 16, 32]
    assert [sizes.decode(u) for u in (0.1, 0.5, 0.9)] == [16, 32, 64]
    unordered = Choice([64, 16, 32], ordered=False)
    assert [unordered.decode(u) for u in (0.1, 0.5, 0.9)] == [64, 16, 32]


def test_choice_of_other_things_is_unordered_and_placed_as_given():
    assert Choice(["small", "large"]).ordered is False
    assert Choice([False, True]).ordered is False
    assert Choice([1, "auto"]).ordered is False
    sizes = Choice(["small", "medium", "large"], ordered=True)
    assert [sizes.decode(u) for u in (0.1, 0.5, 0.9)] == ["small", "medium", "large"]


def test_choice_tells_1_from_true_and_1_0():
    choice = Choice([1, 1.0, True, "1"])
    for value in choice.values():
        assert same(choice.decode(choice.encode(value)), value)


@pytest.mark.parametrize(
    "given_options",
    [
        np.array([16, 32]),
        (16, 32),
        range(16, 33, 16),
        [np.int32(16), np.int64(32)],
        {16: 0, 32: 0}.keys(),
    ],
)
def test_choice_takes_any_sequence_and_makes_it_native(given_options):
    choice = Choice(given_options)
    assert choice == Choice([16, 32])
    assert [type(v) for v in choice.values()] == [int, int]


def test_numpy_scalars_become_native():
    for value in (
        Float(np.float32(0.5), np.int64(1)).low,
        Float(np.float64(0.5), 1).decode(np.float64(0.3)),
        Choice(np.array([0.5, 0.6])).decode(np.float64(0.3)),
        Float(0, 1, step=np.float64(0.5)).step,
    ):
        assert type(value) is float
    assert type(Int(np.int64(1), np.uint8(3)).decode(np.float64(0.3))) is int
    assert type(Choice([np.str_("a")]).values()[0]) is str
    assert type(Choice([np.bool_(True)]).values()[0]) is bool


def test_one_value_ranges():
    assert Float(0.1, 0.1).n_values == 1
    assert Float(0.1, 0.1).values() == [0.1]
    for parameter in (Float(0.1, 0.1), Float(0.1, 0.1, log=True), Float(0.1, 0.1, step=1)):
        assert {parameter.decode(u) for u in UNIT} == {0.1}
        assert parameter.encode(0.1) == 0.5
    assert {Int(2, 2, log=True).decode(u) for u in UNIT} == {2}
    assert Float(1.0, math.nextafter(1.0, 2), log=True).encode(1.0) == 0.0


def test_float_never_leaves_its_bounds():
    for low, high in ((0.1, 0.3), (1e-5, 1e-1), (5e-324, 1e308), (0.7, 0.7000000000000001)):
        for log in (False, True):
            parameter = Float(low, high, log=log)
            assert all(low <= parameter.decode(u) <= high for u in UNIT)


@pytest.mark.parametrize(
    ("parameter", "text"),
    [
        (Float(0.005, 0.00005), "float in [5e-05, 0.005]"),
        (Float(1e-5, 0.1, log=True), "float in [1e-05, 0.1], log"),
        (Float(0, 1, step=0.25), "float in [0.0, 1.0], step 0.25"),
        (Int(1, 3), "int in [1, 3]"),
        (Int(1, 8, log=True), "int in [1, 8], log"),
        (Int(4, 4), "always 4"),
        (Choice([16, 32]), "one of 16, 32"),
        (Choice(["adam", True]), "one of 'adam', True"),
        (Choice(["adam"]), "always 'adam'"),
        (Choice(range(9)), "one of 0, 1, 2, 3, 4, 5, … (9 values)"),
    ],
)
def test_describe(parameter, text):
    assert parameter.describe() == text


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Float(math.nan, 1), "finite numbers, got nan"),
        (lambda: Float(0, math.inf), "finite numbers, got inf"),
        (lambda: Float("0", 1), "finite numbers, got '0'"),
        (lambda: Float(False, True), "finite numbers, got"),
        (lambda: Float(0, 10**400), "finite numbers"),
        (lambda: Float(-1e308, 1e308), "narrow it"),
        (lambda: Float(0, 1, log=True), "bounds above 0.*leave log out"),
        (lambda: Float(1, -1, log=True), "bounds above 0"),
        (lambda: Float(0.1, 1, log=True, step=0.1), "both log and step.*leave one out"),
        (lambda: Float(0, 1, step=0), "step must be above 0"),
        (lambda: Float(0, 1, step=-0.1), "step must be above 0"),
        (lambda: Float(0, 1, step=math.nan), "Float's step takes finite numbers, got nan"),
        (lambda: Float(0, 1, step=1e-15), "at most 2\\*\\*40"),
        (lambda: Int(1.0, 3), "whole numbers, got 1.0: write an int, or use Float"),
        (lambda: Int(True, 3), "whole numbers, got True"),
        (lambda: Int(0, 3, log=True), "bounds above 0"),
        (lambda: Int(1, 3, log=True, step=1), "both log and step"),
        (lambda: Int(1, 3, step=0), "step must be above 0"),
        (lambda: Int(1, 3, step=0.5), "Int's step takes whole numbers, got 0.5"),
        (lambda: Int(0, 2**40), "at most 2\\*\\*40"),
        (lambda: Int(2**60, 2**60 + 5, log=True), "with log=True, bounds"),
        (lambda: Choice([]), "at least one value, got \\[\\]"),
        (lambda: Choice("adam"), "list of at least one value, got 'adam'"),
        (lambda: Choice(16), "list of at least one value, got 16"),
        (lambda: Choice({16, 32}), "set has no order"),
        (lambda: Choice([16, 32, 16]), "all differ, got \\[16, 32, 16\\]"),
        (lambda: Choice([16, {1}]), "got \\{1\\} .*string or an index instead and map it"),
        (lambda: Choice(np.eye(2)), "ndarray"),
        (lambda: Choice([0.5, math.nan]), "finite, got nan"),
        (lambda: Choice([b"adam"]), "bytes"),
        (lambda: Float(0, 1).values(), "give a list of values, or a step"),
        (lambda: Float(0, 1).encode(1.1), "not a number within float in"),
        (lambda: Float(0, 1).encode("0.5"), "not a number within"),
        (lambda: Float(0, 1, step=0.5).encode(0.3), "not a step"),
        (lambda: Float(0, 0.9, step=0.5).encode(0.9), "not a step"),
        (lambda: Int(1, 9, step=2).encode(2), "not a value of int in"),
        (lambda: Int(1, 3).encode(4), "not a value of int in"),
        (lambda: Int(1, 3).encode(True), "not an int"),
        (lambda: Choice([1, 2]).encode(True), "True is not one of 1, 2"),
        (lambda: Int(1, 3).decode(1.1), "coordinates in \\[0, 1\\], got 1.1"),
        (lambda: Int(1, 3).decode(math.nan), "coordinates in \\[0, 1\\], got nan"),
    ],
)
def test_parameter_errors(make, message):
    with pytest.raises(SpaceError, match=message):
        make()


def test_parameters_are_frozen():
    with pytest.raises(AttributeError):
        Float(0, 1).low = 0.5
    with pytest.raises(AttributeError):
        Space({"a": Int(1, 2)}).parameters = {}


# --- spaces from dicts


@pytest.mark.parametrize(
    ("given_value", "parameter"),
    [
        ([1, 3], Int(1, 3)),
        ((3, 1), Int(1, 3)),
        (range(1, 3), Int(1, 2)),
        (np.array([1, 3]), Int(1, 3)),
        ([0.005, 0.00005], Float(0.00005, 0.005)),
        ([0, 1.0], Float(0, 1)),
        (np.array([0.1, 0.9]), Float(0.1, 0.9)),
        ([16, 16], Int(16, 16)),
        ([1, 2, 3], Choice([1, 2, 3])),
        ([0.1, 0.2, 0.4], Choice([0.1, 0.2, 0.4])),
        ([16], Choice([16])),
        (range(4), Choice([0, 1, 2, 3])),
        (["adam", "sgd"], Choice(["adam", "sgd"])),
        ([1, "auto"], Choice([1, "auto"])),
        ([True, False], Choice([True, False])),
        ([True, 2], Choice([True, 2])),
        (0.5, Choice([0.5])),
        (np.float64(0.5), Choice([0.5])),
        ("adam", Choice(["adam"])),
        (True, Choice([True])),
        (Float(1, 2, log=True), Float(1, 2, log=True)),
        (Choice([1, 2]), Choice([1, 2])),
    ],
)
def test_from_search_dict(given_value, parameter):
    assert Space.from_search_dict({"a": given_value}) == Space({"a": parameter})


@pytest.mark.parametrize(
    ("given_value", "values"),
    [
        ([1, 3], [1, 3]),
        ([0.6, 0.5], [0.6, 0.5]),
        ((5, 3), [5, 3]),
        (range(2), [0, 1]),
        (np.array([0.5, 0.1]), [0.5, 0.1]),
        ("adam", ["adam"]),
        (7, [7]),
        ([True, False], [True, False]),
        (Int(1, 3), [1, 2, 3]),
        (Float(0, 1, step=0.5), [0.0, 0.5, 1.0]),
        (Choice([3, 1]), [3, 1]),
    ],
)
def test_from_grid_dict(given_value, values):
    space = Space.from_grid_dict({"a": given_value})
    got = space.parameters["a"].values()
    assert got == values
    assert [type(v) for v in got] == [type(v) for v in values]
    assert space.n_configurations == len(values)


@pytest.mark.parametrize("parse", [Space.from_search_dict, Space.from_grid_dict])
@pytest.mark.parametrize(
    ("given_dict", "message"),
    [
        ({}, "at least one parameter"),
        ({"a": []}, "^a: .*at least one value"),
        ({"a": {1, 2}}, "^a: A set has no order"),
        ({"a": b"x"}, "^a: .*got b'x' .*map it"),
        ({"a": [1, (2, b"x")]}, "^a: .*got b'x'"),
        ({"a": {"b": 1}}, "^a: .*dict"),
        ({"a": [1, 2, 2]}, "^a: .*all differ"),
        ({"learning-rate": [1, 2]}, "'learning-rate'"),
        ({3: [1, 2]}, "got 3"),
        ([1, 2], "must be a dict by name, got \\[1, 2\\]"),
        ({"a": float("nan")}, "^a: .*finite"),
    ],
)
def test_dict_errors(parse, given_dict, message):
    with pytest.raises(SpaceError, match=message):
        parse(given_dict)


def test_errors_name_the_parameter():
    with pytest.raises(SpaceError, match="^rate: .*finite, got inf"):
        Space.from_search_dict({"rate": [0.1, math.inf]})
    with pytest.raises(SpaceError, match="^rate: .*continuous.*list of values, or a step"):
        Space.from_grid_dict({"rate": Float(0, 1)})
    with pytest.raises(SpaceError, match="^a: .*Space.from_search_dict"):
        Space({"a": [1, 2]})


# --- spaces


def test_space_basics():
    space = Space({"rate": Float(0.1, 0.9), "layers": Int(1, 3), "batch": Choice([16, 32])})
    assert space.names == ("rate", "layers", "batch")
    assert len(space) == space.n_dims == 3
    assert space.n_configurations is None
    assert space.decode(np.array([0.0, 1.0, 0.5])) == {"rate": 0.1, "layers": 3, "batch": 32}
    assert space.encode({"batch": 16, "rate": 0.9, "layers": np.int64(2)}).tolist() == [
        1.0,
        0.5,
        0.25,
    ]


def test_space_copies_its_dict():
    mine = {"a": Int(1, 2)}
    space = Space(mine)
    mine["b"] = Int(1, 2)
    assert space.names == ("a",)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"a": 1}, "names a, b, got a"),
        ({}, "got none"),
        ({"a": 1, "b": 2, "c": 3}, "got a, b, c"),
        ({"a": 1, "b": 9}, "^b: 9 is not"),
        ({"a": 1, "b": None}, "^b: .*None"),
    ],
)
def test_encode_errors(params, message):
    with pytest.raises(SpaceError, match=message):
        Space({"a": Int(1, 2), "b": Int(1, 2)}).encode(params)


def test_decode_checks_the_shape():
    with pytest.raises(SpaceError, match="shape \\(1,\\), got \\(2,\\)"):
        Space({"a": Int(1, 2)}).decode(np.zeros(2))


@pytest.mark.parametrize("record", [{}, [], {"parameters": [{"name": "a"}]}])
def test_from_json_errors(record):
    with pytest.raises(SpaceError, match="one that sparkexp wrote"):
        Space.from_json(record)


@pytest.mark.parametrize("entry", [{"type": "complex"}, {"type": "int", "lo": 1}, {}])
def test_parameter_from_json_errors(entry):
    with pytest.raises(SpaceError, match="one that sparkexp wrote"):
        Space.from_json({"parameters": [{"name": "a", "parameter": entry}]})


def test_hints():
    hints = Space.from_search_dict(
        {
            "exactly_100": [0.005, 0.00005],
            "less": [0.001, 0.099],
            "zero": [0.0, 1.0],
            "negative": [-1.0, -0.001],
            "whole": [1, 1000],
            "listed": [0.001, 0.01, 1.0],
            "object": Float(0.0001, 0.1),
            "log": Float(0.0001, 0.1, log=True),
            "more": [1e-6, 10],
        }
    ).hints()
    assert len(hints) == 2
    assert "exactly_100" in hints[0] and "Float(5e-05, 0.005, log=True)" in hints[0]
    assert "more" in hints[1] and "Float(1e-06, 10.0, log=True)" in hints[1]
    assert not Space.from_grid_dict({"rate": [0.00005, 0.005]}).hints()
