"""The files that the command line reads."""

from __future__ import annotations

import builtins
from pathlib import Path

import pytest

from sparkexp.cli.space_file import read_space
from sparkexp.errors import EnvironmentUnfitError, InvalidArgumentError, SpaceError
from sparkexp.space import Choice, Float, Int, Space

YAML = """
learning_rate: {type: float, low: 1e-4, high: 1e-1, log: true}
units: {type: int, low: 16, high: 128, step: 16}
dropout: [0.1, 0.5]
batch: [16, 32, 64]
seed: 7
optimizer:
  type: choice
  options:
    sgd:
      momentum: {type: float, low: 0, high: 0.99}
    adam:
"""


def test_yaml(tmp_path):
    file = tmp_path / "space.yaml"
    file.write_text(YAML)
    found = read_space(str(file))
    assert found == {
        "learning_rate": Float(1e-4, 0.1, log=True),
        "units": Int(16, 128, step=16),
        "dropout": [0.1, 0.5],
        "batch": [16, 32, 64],
        "seed": 7,
        "optimizer": Choice({"sgd": {"momentum": Float(0, 0.99)}, "adam": {}}),
    }
    assert Space.from_search_dict(found).n_dims == 7


@pytest.mark.parametrize("number", ["1e-4", "1E-4", "1.e-4", "0.0001", "+1e-4"])
def test_numbers_of_yaml_are_those_of_python(number, tmp_path):
    file = tmp_path / "space.yml"
    file.write_text(f"x: [{number}, 2]")
    assert read_space(str(file)) == {"x": [0.0001, 2]}


def test_a_list_of_configurations(tmp_path):
    file = tmp_path / "space.json"
    file.write_text('[{"x": 1}, {"x": 2}]')
    assert read_space(str(file)) == [{"x": 1}, {"x": 2}]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "must be a mapping from names to values, got None"),
        ("3", "must be a mapping from names to values, got 3"),
        ("x: {low: 1, high: 2}", "x: a parameter with settings has the type float, int or choice"),
        ("x: {type: real, low: 1, high: 2}", "float, int or choice, got 'real'"),
        ("x: {type: float, low: 1}", "float needs low and high, got {'low': 1}: high is missing"),
        ("x: {type: float, low: 1, high: 2, logg: true}", "got 'logg'. Did you mean 'log'?"),
        ("x: {type: float, low: 1, high: 2, log: 'no'}", "log is true or false, got 'no'"),
        ("x: {type: float, low: 0, high: 2, log: true}", "x: A range with log=True must have"),
        ("x: {type: float, low: a, high: 2}", "x: Float takes finite numbers, got 'a'"),
        ("x: {type: int, low: 1, high: 2.5}", "x: Int takes whole numbers, got 2.5"),
        ("x: {type: choice}", "choice needs options"),
        ("x: {type: choice, options: []}", "x: A Choice takes a list of at least one value"),
        ("x: {type: choice, options: {a: 3}}", "is a dict of dicts, got 3 for 'a'"),
        ("x: {type: choice, options: {a: {y: {low: 1}}}}", "x: a: y: a parameter with settings"),
    ],
)
def test_wrong_spaces(text, said, tmp_path):
    file = tmp_path / "space.yaml"
    file.write_text(text)
    with pytest.raises(SpaceError) as raised:
        read_space(str(file))
    assert said in str(raised.value)


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("space.yaml", "x: [1, 2", "is not: while parsing"),
        ("space.yaml", "x: 1\nx: 2", "'x' is there twice"),
        ("space.yaml", "x: !!python/object/apply:os.getcwd []", "could not determine a constr"),
        ("space.yaml", "? [1, 2]\n: 3", "unhashable"),
        ("space.json", '{"x": [1, 2}', "is not: Expecting ',' delimiter: line 1"),
        ("space.json", '{"x": 1, "x": 2}', "'x' is there twice"),
        ("space.toml", "x = 1", "must be a .yaml, .yml or .json file"),
    ],
)
def test_files_that_can_not_be_read(name, text, said, tmp_path):
    file = tmp_path / name
    file.write_text(text)
    with pytest.raises(InvalidArgumentError) as raised:
        read_space(str(file))
    assert said in str(raised.value)


def test_json_needs_no_yaml(tmp_path, monkeypatch):
    there = builtins.__import__

    def importing(name, *rest):
        if name == "yaml":
            raise ImportError(name)
        return there(name, *rest)

    monkeypatch.setattr(builtins, "__import__", importing)
    for name, text in (("space.json", '{"x": [1, 2]}'), ("space.yaml", "x: [1, 2]")):
        (tmp_path / name).write_text(text)
    assert read_space(str(tmp_path / "space.json")) == {"x": [1, 2]}
    with pytest.raises(EnvironmentUnfitError, match=r"pip install 'sparkexp\[cli\]'"):
        read_space(str(Path(tmp_path, "space.yaml")))
