from __future__ import annotations

import functools
import importlib
import sys
import textwrap
import time
from collections.abc import Callable

import numpy as np
import pytest

from sparkexp.engine.transfer.train_imports import heavy_imports, referred_modules


def helper():
    import scipy.stats

    return scipy.stats


@functools.cache
def imports_behind_a_cache():
    import torch

    return torch


def uses_a_cache():
    return imports_behind_a_cache()


def imports_inside():
    import json
    import os.path

    import keras.layers
    from sklearn import datasets

    return json, os, keras, datasets


def imports_in_a_nested_function():
    def inner():
        return [lambda: __import__, _deep]

    def _deep():
        import tensorflow as tf

        return tf

    return inner


def uses_a_helper(x):
    return helper() if x else None


def refers_to_a_global_module():
    return np.zeros(3)


def imports_by_name():
    return importlib.import_module("pandas")


class Model:
    def fit(self, x):
        import torch

        return torch, x

    def __call__(self, x):
        import matplotlib

        return matplotlib, x

    @staticmethod
    def static():
        import pandas

        return pandas


def closure() -> Callable[[], object]:
    chosen = helper

    def train():
        return chosen()

    return train


def decorated() -> Callable[[], object]:
    @functools.wraps(imports_inside)
    def train():
        return imports_inside()

    return train


@pytest.mark.parametrize(
    ("train", "found"),
    [
        (imports_inside, ("keras", "sklearn")),
        (uses_a_cache, ("torch",)),
        (imports_in_a_nested_function, ("tensorflow",)),
        (uses_a_helper, ("scipy",)),
        (closure(), ("scipy",)),
        (decorated(), ("keras", "sklearn")),
        (functools.partial(uses_a_helper, 1), ("scipy",)),
        (functools.partial(map, helper), ("scipy",)),
        (functools.partial(max, key=helper), ("scipy",)),
        (Model().fit, ("torch",)),
        (Model(), ("matplotlib",)),
        (Model.static, ("pandas",)),
        (lambda: helper(), ("scipy",)),
        (imports_by_name, ()),
        (lambda xs: [helper() for _ in xs], ("scipy",)),
        (lambda x: x, ()),
        (max, ()),
        (time.sleep, ()),
    ],
)
def test_heavy_imports(train, found):
    assert heavy_imports(train) == found


def test_reading_runs_and_imports_nothing():
    before = set(sys.modules)
    heavy_imports(imports_inside)
    heavy_imports(imports_in_a_nested_function)
    assert set(sys.modules) == before


def test_modules_that_are_referred_to():
    assert "numpy" in referred_modules(refers_to_a_global_module)
    assert {"json", "os", "keras", "sklearn"} <= set(referred_modules(imports_inside))
    assert __name__.partition(".")[0] in referred_modules(helper)
    assert referred_modules(imports_inside) == sorted(referred_modules(imports_inside))


def test_a_library_is_not_followed():
    # pytest's own functions lead to all of pytest.
    def train():
        return pytest.raises, np.linalg.norm

    ours = __name__.partition(".")[0]
    assert set(referred_modules(train)) <= {ours, "pytest", "_pytest", "numpy"}


def test_functions_that_refer_to_each_other():
    def even(n):
        return n == 0 or odd(n - 1)

    def odd(n):
        import scipy

        return scipy and n != 0 and even(n - 1)

    assert heavy_imports(even) == ("scipy",)


def test_a_variable_that_is_not_assigned_yet():
    def train():
        import scipy

        return scipy, later

    assert heavy_imports(train) == ("scipy",)
    later = 1


def test_an_unknown_global():
    def train():
        import scipy

        return scipy, no_such_name  # noqa: F821

    assert heavy_imports(train) == ("scipy",)


def test_a_chain_of_functions_without_end_is_cut():
    space: dict = {}
    lines = [f"def f{k}():\n    return f{k + 1}\n" for k in range(20_000)]
    exec("".join(lines), space)
    before = time.perf_counter()
    assert referred_modules(space["f0"]) == []
    assert time.perf_counter() - before < 5


# Where __main__ is a launcher, such as `python -m jupyter`, it is an installed file.
@pytest.mark.parametrize("module", ["__main__", "numpy"])
def test_functions_typed_into_a_notebook(module):
    source = textwrap.dedent(
        """
        import scipy.stats as stats

        def train(x):
            return stats.norm.pdf(x)
        """
    )
    space = {"__name__": module}
    exec(source, space)
    assert heavy_imports(space["train"]) == ("scipy",)
