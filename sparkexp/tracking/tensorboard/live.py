"""Makes the curves that TensorFlow writes visible at once.

Its summary writers, those of `keras.callbacks.TensorBoard` too, hold back what they get for
two minutes or ten records: with epochs of a minute, a curve would stand still for three.
"""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import ModuleType
from typing import Any

__all__ = ["write_at_once"]

_MODULE = "tensorflow.python.ops.summary_ops_v2"
_FACTORY = "create_file_writer_v2"
_QUEUE = "max_queue"


@contextmanager
def write_at_once() -> Iterator[None]:
    """Let TensorFlow's summary writers write every record at once, in the block.

    This changes the default of their argument ``max_queue``; a value that the train function gives
    counts. TensorFlow is not imported for it: if it is loaded later, it is changed then.
    """
    finder = _Finder()
    module = sys.modules.get(_MODULE)
    if module is not None:
        finder.change(module)
    else:
        sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        if finder in sys.meta_path:
            sys.meta_path.remove(finder)
        finder.restore()


class _Finder(importlib.abc.MetaPathFinder):
    """Changes the module right after it was imported."""

    def __init__(self) -> None:
        self._factory: Any = None
        self._defaults: tuple[Any, ...] = ()

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if name != _MODULE:
            return None
        sys.meta_path.remove(self)
        spec = importlib.machinery.PathFinder.find_spec(name, path, target)
        if spec is not None and spec.loader is not None:
            execute = spec.loader.exec_module

            def execute_and_change(module: ModuleType) -> None:
                execute(module)
                self.change(module)

            spec.loader.exec_module = execute_and_change  # type: ignore[method-assign]
        return spec

    def change(self, module: ModuleType) -> None:
        """Give the factory of writers another default."""
        factory: Any = getattr(module, _FACTORY, None)
        defaults = getattr(factory, "__defaults__", None)
        code = getattr(factory, "__code__", None)
        if not defaults or code is None:
            return  # a version of TensorFlow that works in another way
        names = code.co_varnames[: code.co_argcount][-len(defaults) :]
        if _QUEUE in names:
            self._factory, self._defaults = factory, defaults
            at = names.index(_QUEUE)
            factory.__defaults__ = (*defaults[:at], 0, *defaults[at + 1 :])

    def restore(self) -> None:
        """Take the change back."""
        if self._factory is not None:
            self._factory.__defaults__ = self._defaults
