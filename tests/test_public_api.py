"""What users see: names, signatures as the customer fixed them, and docstrings."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
import types

import pytest

import sparkexp
from sparkexp import errors, experiment
from sparkexp.api.fidelity_options import FIDELITY_ROWS
from sparkexp.api.typed_options import FidelityOptions, ResumeOptions, RunOptions
from sparkexp.driver.options import ROWS

MODULES = [
    module.name
    for module in pkgutil.walk_packages(sparkexp.__path__, "sparkexp.")
    if module.name != "sparkexp.demo.__main__"
]
SEARCHES = (
    "launch",
    "search",
    "evolutionary_search",
    "random_search",
    "architecture_search",
)
EMPTY = inspect.Parameter.empty


def test_the_front_door():
    assert experiment.__all__ == [
        "Choice",
        "FidelityOptions",
        "Float",
        "Gang",
        "Int",
        "Result",
        "ResumeOptions",
        "RunOptions",
        "Space",
        "architecture_search",
        "artifact_dir",
        "checkpoint_dir",
        "distribute",
        "dry_run",
        "evolutionary_search",
        "gang",
        "keras_callback",
        "launch",
        "learning_rate_at",
        "load",
        "logdir",
        "on_device",
        "place_slots",
        "random_search",
        "report",
        "resume",
        "save_frame",
        "save_model",
        "scaled",
        "search",
        "split_cpus",
        "stop_search",
    ]
    assert sparkexp.__all__ == ["__version__", "errors", "experiment", "storage"]
    assert re.fullmatch(r"\d+\.\d+\.\d+\S*", sparkexp.__version__)


def test_the_tree_of_errors():
    tree = {
        name: {base.__name__ for base in getattr(errors, name).__bases__}
        for name in errors.__all__
    }
    assert tree == {
        "AllTrialsFailedError": {"SparkexpError", "RuntimeError"},
        "EnvironmentUnfitError": {"SparkexpError", "RuntimeError"},
        "InvalidArgumentError": {"SparkexpError", "ValueError"},
        "NoBestTrialError": {"SparkexpError", "LookupError"},
        "PeerLostError": {"SparkexpError", "RuntimeError"},
        "RunDirectoryError": {"SparkexpError", "OSError"},
        "SearchInterrupted": {"KeyboardInterrupt"},
        "SessionLostError": {"EnvironmentUnfitError"},
        "SpaceError": {"InvalidArgumentError"},
        "SparkexpError": {"Exception"},
        "StorageError": {"SparkexpError", "OSError"},
        "TrainFunctionError": {"InvalidArgumentError"},
    }
    for name in errors.__all__:
        assert name in errors.__doc__, f"{name} is missing in the tree that the module shows"


@pytest.mark.parametrize("name", ["sparkexp", *MODULES])
def test_every_exported_name_exists_once_and_in_order(name):
    module = importlib.import_module(name)
    exported = getattr(module, "__all__", [])
    assert len(set(exported)) == len(exported)
    for export in exported:
        assert hasattr(module, export), f"{name}.{export} does not exist"
    if name in ("sparkexp.experiment", "sparkexp.errors"):
        assert exported == sorted(exported)


@pytest.mark.parametrize("name", MODULES)
def test_what_a_module_defines_is_exported_or_private(name):
    module = importlib.import_module(name)
    defined = {
        key
        for key, value in vars(module).items()
        if isinstance(value, (type, types.FunctionType))
        and value.__module__ == name
        and not key.startswith("_")
    }
    assert defined <= {*getattr(module, "__all__", [])} | {"main"}


def parameters(function) -> dict[str, tuple[object, str]]:
    return {
        p.name: (p.default, p.kind.name) for p in inspect.signature(function).parameters.values()
    }


def test_the_customer_s_calls():
    positional, keyword = "POSITIONAL_OR_KEYWORD", "KEYWORD_ONLY"
    rows = {**FIDELITY_ROWS, **ROWS}
    options = {name: (row.default, keyword) for name, row in rows.items()}
    assert parameters(experiment.launch) == {
        "spark": (EMPTY, positional),
        "train": (EMPTY, positional),
        "args_dict": (None, positional),
        "direction": ("max", keyword),
        **options,
    }
    assert list(parameters(experiment.evolutionary_search).items()) == [
        ("spark", (EMPTY, positional)),
        ("train", (EMPTY, positional)),
        ("search_dict", (EMPTY, positional)),
        ("direction", ("max", positional)),
        ("popsize", (None, positional)),
        ("generations", (None, positional)),
        ("crossover", (None, positional)),
        ("mutation", (None, positional)),
        ("variant", (None, keyword)),
        ("mode", (None, keyword)),
        ("seed", (None, keyword)),
        *options.items(),
    ]
    assert list(parameters(experiment.random_search).items()) == [
        ("spark", (EMPTY, positional)),
        ("train", (EMPTY, positional)),
        ("search_dict", (EMPTY, positional)),
        ("direction", ("max", positional)),
        ("max_trials", (None, positional)),
        ("seed", (None, keyword)),
        *((name, option) for name, option in options.items() if name != "max_trials"),
    ]
    assert list(parameters(experiment.search).items()) == [
        ("spark", (EMPTY, positional)),
        ("train", (EMPTY, positional)),
        ("search_dict", (EMPTY, positional)),
        ("searcher", ("evolution", positional)),
        ("direction", ("max", positional)),
        ("max_trials", (None, positional)),
        ("seed", (None, keyword)),
        *((name, option) for name, option in options.items() if name != "max_trials"),
    ]
    assert parameters(experiment.logdir) == {}
    assert parameters(experiment.report) == {
        "step": (EMPTY, positional),
        "metrics": (EMPTY, "VAR_KEYWORD"),
    }


PUBLIC = [
    pytest.param(getattr(module, name), id=f"{module.__name__}.{name}")
    for module in (experiment, errors)
    for name in module.__all__
]


def documented(doc: str, section: str = "Parameters") -> set[str]:
    """Names in a section of a numpydoc docstring."""
    found = re.search(rf"^{section}\n-+\n(.*?)(?=^\w[\w ]*\n---|\Z)", doc, re.M | re.S)
    heads = re.findall(r"^(\S.*?)(?: :.*)?$", found[1], re.M) if found else []
    return {name.strip().lstrip("*") for head in heads for name in head.split(",")}


@pytest.mark.parametrize("thing", PUBLIC)
def test_docstrings(thing):
    doc = inspect.getdoc(thing)
    first, _, rest = doc.partition("\n")
    assert first.endswith(".") and len(first) <= 99, first
    assert not rest or rest.startswith("\n"), "the first line stands alone"
    if issubclass(thing, BaseException) if isinstance(thing, type) else False:
        return
    if thing in (RunOptions, FidelityOptions):  # they add to those of others
        (base,) = (ResumeOptions,) if thing is RunOptions else (RunOptions,)
        names = set(thing.__annotations__) - set(base.__annotations__)
    elif thing is ResumeOptions:
        names = set(thing.__annotations__)
    else:
        names = {n for n in inspect.signature(thing).parameters if not n.startswith("_")}
    assert documented(doc) == names


@pytest.mark.parametrize(
    "thing", [p for p in PUBLIC if isinstance(p.values[0], type) and "errors" not in p.id]
)
def test_methods_are_documented(thing):
    for name, member in vars(thing).items():
        function = member.fget if isinstance(member, property) else member
        function = getattr(function, "__func__", function)
        if name.startswith("_") or not inspect.isfunction(function):
            continue
        doc = inspect.getdoc(function)
        assert doc and doc.partition("\n")[0].endswith("."), f"{thing.__name__}.{name}"


@pytest.mark.parametrize("function", SEARCHES)
def test_searches_say_what_they_raise_and_show_an_example(function):
    doc = inspect.getdoc(getattr(experiment, function))
    assert {"TrainFunctionError", "SpaceError", "RunDirectoryError"} <= documented(doc, "Raises")
    assert ">>> " in doc and documented(doc, "Returns") >= {"Result"}
