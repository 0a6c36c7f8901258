from __future__ import annotations

import functools
import math

import pytest

from sparkexp.driver.train_function import check_train, function_name
from sparkexp.errors import TrainFunctionError


def train(learning_rate, dropout=0.5):
    return learning_rate * dropout


class Model:
    def fit(self, learning_rate):
        return learning_rate

    def __call__(self, learning_rate):
        return learning_rate


async def coroutine(learning_rate):
    return learning_rate


def generator(learning_rate):
    yield learning_rate


@pytest.mark.parametrize(
    ("function", "names"),
    [
        (train, ["learning_rate"]),
        (train, ["dropout", "learning_rate"]),
        (lambda **options: 0, ["anything", "at_all"]),
        (lambda x, *rest, **options: 0, ["x", "y"]),
        (lambda *, x: 0, ["x"]),
        (lambda *rest: 0, []),
        (lambda: 0, []),
        (functools.partial(train, dropout=0.1), ["learning_rate"]),
        (functools.partial(train, 0.1), ["dropout"]),
        (Model().fit, ["learning_rate"]),
        (Model(), ["learning_rate"]),
        (math.hypot, ["x"]),  # has no signature: the trial shows what is wrong
    ],
)
def test_what_can_be_called_passes(function, names):
    check_train(function, names)


@pytest.mark.parametrize(
    ("function", "names", "words"),
    [
        (train, ["learning_rat"], ["no argument 'learning_rat' (did you mean 'learning_rate'?)"]),
        (train, ["learning_rat"], ["gives no value for its argument 'learning_rate'"]),
        (train, ["learning_rate", "units"], ["no argument 'units'", "takes: dropout, learning_"]),
        (train, [], ["no value for its argument 'learning_rate', without default"]),
        (lambda x, y: 0, [], ["argument 'x', 'y', without default"]),
        (lambda: 0, ["x"], ["no argument 'x'", "It takes: no arguments"]),
        (lambda x, /: 0, ["x"], ["no argument 'x'", "no value for its argument 'x'"]),
        (lambda x, /, **options: 0, ["x"], ["no value for its argument 'x'"]),
        (lambda *x: 0, ["x"], ["no argument 'x'"]),
        (lambda *, x: 0, [], ["no value for its argument 'x'"]),
        (functools.partial(train, 0.1), ["learning_rate"], ["no argument 'learning_rate'"]),
        (Model.fit, ["learning_rate"], ["no value for its argument 'self'"]),
        (0.75, ["x"], ["must be a function, got float", "without calling it"]),
        (None, [], ["must be a function, got NoneType"]),
        (coroutine, ["learning_rate"], ["coroutine or generator"]),
        (generator, ["learning_rate"], ["coroutine or generator"]),
    ],
)
def test_what_cannot_is_named(function, names, words):
    with pytest.raises(TrainFunctionError) as caught:
        check_train(function, names)
    for word in words:
        assert word in str(caught.value)


def test_nothing_is_called():
    def train(x):
        raise AssertionError("it was called")

    check_train(train, ["x"])
    with pytest.raises(TrainFunctionError):
        check_train(train, ["y"])


def named(name):
    def function():
        pass

    function.__name__ = name
    return function


@pytest.mark.parametrize(
    ("function", "name"),
    [
        (train, "train"),
        (lambda: 0, "lambda"),
        (functools.partial(train, 0.1), "train"),
        (Model(), "Model"),
        (Model().fit, "fit"),
        (Model, "Model"),
        (named("größe"), "größe"),
        (named("a/b c\n'"), "abc"),
        (named("<>"), "train"),
    ],
)
def test_the_name_is_fit_for_a_file(function, name):
    assert function_name(function) == name
