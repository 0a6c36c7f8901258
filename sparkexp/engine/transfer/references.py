"""The names and values that a definition refers to."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from types import FunctionType, MethodType
from typing import Any

from sparkexp.engine.transfer.main_module import MAIN
from sparkexp.engine.transfer.object_train import ObjectTrain
from sparkexp.engine.transfer.train_imports import nested_codes

__all__ = ["find_references"]

_Cached = type(functools.cache(len))


def find_references(item: Any) -> Iterator[tuple[str, Any]]:
    """Yield names and values that a definition refers to."""
    if isinstance(item, ObjectTrain):
        yield from [("train", item.func), *item.parameters.items()]
    elif isinstance(item, functools.partial):
        yield from [("func", item.func), *item.keywords.items()]
        yield from ((f"argument {i}", value) for i, value in enumerate(item.args))
    elif isinstance(item, MethodType):
        yield from [("self", item.__self__), ("method", item.__func__)]
    elif isinstance(item, _Cached):
        yield "function", item.__wrapped__
    elif isinstance(item, type):
        yield from vars(item).items()
    elif isinstance(item, FunctionType):
        names = (name for code in nested_codes(item.__code__) for name in code.co_names)
        space = item.__globals__
        yield from ((name, space[name]) for name in dict.fromkeys(names) if name in space)
        yield from (("a default", value) for value in item.__defaults__ or ())
        for name, cell in zip(item.__code__.co_freevars, item.__closure__ or (), strict=True):
            try:
                yield name, cell.cell_contents
            except ValueError:
                pass  # not assigned yet
    elif type(item).__module__ == MAIN:
        yield from getattr(item, "__dict__", {}).items()
