"""Gives a trial's process a ``__main__`` with the definitions of the user's script or notebook.

Standard pickle, multiprocessing and joblib look up what a script or notebook defines there. What
the train function refers to is in this module from the start; the script's other functions and
classes are loaded when somebody looks for them.
"""

from __future__ import annotations

import builtins
import enum
import functools
import importlib.util
import io
import linecache
import os
import pickle
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import FunctionType, ModuleType
from typing import Any

__all__ = [
    "MAIN",
    "Main",
    "MainPart",
    "Script",
    "complete",
    "copy_main",
    "define",
    "load_script",
    "load_train",
    "make_cached",
    "register_all",
    "require",
]

MAIN = "__main__"
# What a process that multiprocessing spawns from the trial runs in place of the user's script.
COPY_MODULE = "sparkexp.engine.transfer.main_copy"
COPY_VARIABLE = "SPARKEXP_MAIN"


@dataclass(frozen=True)
class Script:
    """What a trial's ``__main__`` needs beside the pickled train function.

    Parameters
    ----------
    attributes : Mapping[str, object]
        Attributes such as ``__file__``.
    others : Mapping[str, bytes]
        Pickles of what the train function does not refer to, by name.
    needs_others : bool
        Whether the code looks names up in a way that goes past the module, such as ``globals()``.
    sources : Mapping[str, str]
        The text of source files, for tracebacks and `inspect`.
    registered : Mapping[str, Mapping[str, str]]
        For each loaded Keras, the names of definitions by the keys they are registered under.
    """

    attributes: Mapping[str, object] = field(default_factory=dict)
    others: Mapping[str, bytes] = field(default_factory=dict)
    needs_others: bool = False
    sources: Mapping[str, str] = field(default_factory=dict)
    registered: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


class MainPart(enum.Enum):
    """Stands for the trial's ``__main__``, or for its namespace, in the pickles of a script."""

    MODULE = "module"
    NAMESPACE = "namespace"


class Main(ModuleType):
    """The module ``__main__`` of a trial's process.

    Its own state is in slots: its ``__dict__`` is the namespace of the user's functions.
    """

    __slots__ = ("_data", "_others", "_script", "_spec")

    def __init__(self, script: Script, data: bytes) -> None:
        super().__init__(MAIN)
        vars(self).update(script.attributes, __builtins__=builtins)
        self._script = script
        self._data = data
        self._others = dict(script.others)
        self._spec = _CopySpec(self)

    @property  # not in __dict__, where a relative import would compare it with __package__
    def __spec__(self) -> ModuleSpec:  # type: ignore[override]
        return self._spec

    def __repr__(self) -> str:
        return f"<module {MAIN!r}>"

    def __getattr__(self, name: str) -> Any:
        if name not in self._others:
            raise AttributeError(f"module {MAIN!r} has no attribute {name!r}")
        try:
            value = _Unpickler(self._others[name], self).load()
        except Exception as error:
            raise AttributeError(
                f"{name!r} of the script or notebook could not be loaded here: "
                f"{type(error).__name__}: {error}"
            ) from error
        self._others.pop(name, None)
        return vars(self).setdefault(name, value)

    def load_others(self) -> None:
        """Load all definitions, as far as they can be."""
        for name in list(self._others):
            if name not in vars(self):
                getattr(self, name, None)

    def publish(self) -> None:
        """Let processes that multiprocessing spawns load a copy of this module."""
        if hasattr(os, "memfd_create"):
            fd = os.memfd_create("sparkexp-main")
            path = f"/proc/{os.getpid()}/fd/{fd}"
        else:
            fd, path = tempfile.mkstemp(prefix="sparkexp-main-")
        with open(fd, "wb", closefd=False) as file:
            pickle.dump((self._script, self._data), file)
        os.environ[COPY_VARIABLE] = path


class _CopySpec(ModuleSpec):
    """Tells multiprocessing by which module a spawned process gets its ``__main__``."""

    def __init__(self, main: Main) -> None:
        super().__init__(COPY_MODULE, None)
        self._main: Main | None = main

    @property
    def name(self) -> str:
        if self._main is not None:
            self._main.publish()
            self._main = None
        return COPY_MODULE

    @name.setter
    def name(self, name: str) -> None:
        pass


class _Unpickler(pickle.Unpickler):
    """Loads the pickles of a script into its ``__main__``."""

    def __init__(self, data: bytes, main: Main) -> None:
        super().__init__(io.BytesIO(data))
        self._main = main

    def persistent_load(self, pid: object) -> Main | dict[str, Any]:
        return self._main if pid == MainPart.MODULE.value else vars(self._main)


def load_train(pickled: bytes) -> Callable[..., object]:
    """Load a train function in the process of a trial."""
    train: Callable[..., object] = pickle.loads(pickled)
    return train


def load_script(script: Script, data: bytes) -> Callable[..., object]:
    """Load a train function, and make the module that it belongs to this process's ``__main__``.

    The pickled train function calls it.

    Parameters
    ----------
    script : Script
        The rest of the script.
    data : bytes
        Two pickles: the function, and a dict of definitions that it refers to.
    """
    return _load_main(script, data)[1]


def _load_main(script: Script, data: bytes) -> tuple[Main, Callable[..., object]]:
    main = Main(script, data)
    sys.modules[MAIN] = main
    for path, text in script.sources.items():
        # Without a time, so that it counts even if another file has this path here.
        linecache.cache[path] = (len(text), None, text.splitlines(keepends=True), path)
    unpickler = _Unpickler(data, main)
    train: Callable[..., object] = unpickler.load()
    vars(main).update(unpickler.load())
    if script.needs_others:
        main.load_others()
    for keras, names in script.registered.items():
        if keras in sys.modules:
            _register(main, keras, names)
        else:
            sys.meta_path.insert(0, _RegisterOnImport(main, keras, names))
    return main, train


def copy_main() -> dict[str, Any]:
    """Load the ``__main__`` that a trial has published, and return its attributes."""
    with open(os.environ[COPY_VARIABLE], "rb") as file:
        main, _ = _load_main(*pickle.load(file))
    own = {name: value for name, value in vars(main).items() if not name.startswith("__")}
    return {**own, "__getattr__": main.__getattr__}


# What pickles of single definitions call: they refer to each other by name, also in circles.


def require(main: Main, name: str) -> Any:
    """Return an attribute of ``__main__``."""
    return getattr(main, name)


def define(main: Main, name: str, make: Callable[..., Any], *args: object) -> Any:
    """Make a definition, and put it into ``__main__`` before what it refers to is loaded."""
    return vars(main).setdefault(name, make(*args))


def complete(
    function: FunctionType,
    state: tuple[Main, Sequence[str], Callable[[Any, Any], None], object],
) -> None:
    """Set the state of a function, after what it refers to."""
    main, names, set_state, inner = state
    for name in names:
        getattr(main, name, None)  # if it can't be had, the function raises a NameError
    set_state(function, inner)


def make_cached(function: Callable[..., Any], parameters: dict[str, Any]) -> Any:
    """Return a function with an empty cache."""
    return functools.lru_cache(**parameters)(function)


def register_all(function: Any, registry: Sequence[tuple[type, Callable[..., Any]]]) -> None:
    """Register the implementations of a single-dispatch function."""
    for kind, implementation in registry:
        function.register(kind, implementation)


class _RegisterOnImport(MetaPathFinder):
    """Registers definitions with a Keras as soon as it is imported."""

    def __init__(self, main: Main, keras: str, names: Mapping[str, str]) -> None:
        self._main = main
        self._keras = keras
        self._names = names

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname != self._keras:
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(fullname)
        if spec is not None and spec.loader is not None:
            execute = spec.loader.exec_module

            def execute_and_register(module: ModuleType) -> None:
                execute(module)
                _register(self._main, self._keras, self._names)

            spec.loader.exec_module = execute_and_register  # type: ignore[method-assign]
        return spec


def _register(main: Main, keras: str, names: Mapping[str, str]) -> None:
    saving: Any = importlib.import_module(f"{keras}.saving")
    for key, name in names.items():
        defined = getattr(main, name, None)
        package, separator, own_name = key.partition(">")
        if defined is not None and separator:
            saving.register_keras_serializable(package, own_name)(defined)
        elif defined is not None:
            saving.get_custom_objects()[key] = defined
