"""What can't be sent is named."""

from __future__ import annotations

import functools
import threading
from unittest.mock import MagicMock

import pytest

from sparkexp.engine.transfer.main_pickle import pickle_train
from sparkexp.errors import TrainFunctionError

LOCK = threading.Lock()


@pytest.fixture
def by_value(monkeypatch):
    """Lets this module count as the script."""
    import sys

    import cloudpickle

    cloudpickle.register_pickle_by_value(sys.modules[__name__])
    yield
    cloudpickle.unregister_pickle_by_value(sys.modules[__name__])


def helper():
    return LOCK


def comprehension():
    return [LOCK for _ in range(3)]


def default(lock=LOCK):
    return lock


class Locked:
    lock = LOCK


def through_class():
    return Locked()


@pytest.mark.parametrize(
    ("train", "words"),
    [
        (helper, "its variable 'LOCK' (lock; used by helper) can't be pickled"),
        (lambda: helper(), "its variable 'LOCK' (lock; used by helper)"),
        (functools.partial(helper), "its variable 'LOCK' (lock; used by helper)"),
        (functools.cache(lambda: helper()), "its variable 'LOCK' (lock; used by helper)"),
        (functools.partial(max, LOCK), "its variable 'argument 0' (lock; used by partial)"),
        (comprehension, "its variable 'LOCK' (lock; used by comprehension)"),
        (default, "its variable 'a default' (lock; used by default)"),
        (through_class, "its variable 'lock' (lock; used by Locked)"),
    ],
)
def test_the_variable_is_named(train, words, by_value):
    with pytest.raises(TrainFunctionError) as caught:
        pickle_train(train)
    assert words in str(caught.value) and "inside the function" in str(caught.value)


def test_what_seems_to_have_parts_without_end():
    assert pickle_train(MagicMock())
