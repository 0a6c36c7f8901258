"""The examples in the docstrings run, and give what they say."""

from __future__ import annotations

import doctest
import importlib
import pkgutil

import pytest

import sparkexp

# Importing this one runs the command.
SKIPPED = {"sparkexp.demo.__main__"}
MODULES = [
    "sparkexp",
    *sorted(
        module.name
        for module in pkgutil.walk_packages(sparkexp.__path__, "sparkexp.")
        if module.name not in SKIPPED
    ),
]
API = "sparkexp.api."
WITH_EXAMPLES = {
    "sparkexp.trial",
    "sparkexp.objective",
    "sparkexp.engine.gpu",
    "sparkexp.results.result",
    *(f"sparkexp.space.{name}" for name in ("space", "parameters", "choice", "values")),
}


@pytest.mark.parametrize("name", MODULES)
def test_examples(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # runs without logdir= go there
    module = importlib.import_module(name)
    done = doctest.testmod(module, optionflags=doctest.ELLIPSIS)
    assert done.failed == 0
    if name.startswith(API) or name in WITH_EXAMPLES:
        assert done.attempted > 0, "the examples are gone, or not found"
