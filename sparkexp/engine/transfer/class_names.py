"""Finds the global names that the bodies of classes inside a function use."""

from __future__ import annotations

import dis
import inspect
from collections.abc import Iterator
from types import CodeType

from sparkexp.engine.transfer.train_imports import nested_codes

__all__ = ["find_class_names"]

# How a class's body reads a name that may be a global one, which cloudpickle doesn't look for.
_READS = frozenset({"LOAD_NAME", "LOAD_CLASSDEREF", "LOAD_FROM_DICT_OR_GLOBALS"})


def find_class_names(code: CodeType) -> list[str]:
    """Return names that the bodies of classes inside a function read before they set them.

    Annotations and defaults of methods are among them, and decorators.

    Examples
    --------
    >>> def train():
    ...     class Layer:
    ...         size = SIZE
    ...         @traced
    ...         def call(self, x=size): ...
    >>> find_class_names(train.__code__)
    ['SIZE', 'traced']
    """
    return list(dict.fromkeys(_read(code)))


def _read(code: CodeType) -> Iterator[str]:
    for nested in nested_codes(code):
        if nested.co_flags & inspect.CO_OPTIMIZED:
            continue  # a function's: it has instructions for global names
        own = {"__name__"}
        for instruction in dis.get_instructions(nested):
            if instruction.opname == "STORE_NAME":
                own.add(instruction.argval)
            elif instruction.opname in _READS and instruction.argval not in own:
                yield instruction.argval
