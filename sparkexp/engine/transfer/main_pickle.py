"""Pickles the train function, with the script or notebook that it comes from."""

from __future__ import annotations

import functools
import io
import linecache
import pickle
import sys
import sysconfig
import time
import typing
from collections import deque
from collections.abc import Callable, Iterator
from copyreg import __newobj__, dispatch_table  # type: ignore[attr-defined]
from types import CodeType, FunctionType, MethodType, ModuleType
from typing import Any

from sparkexp.engine.base import Train
from sparkexp.engine.transfer import main_module
from sparkexp.engine.transfer.architecture_train import ArchitectureTrain
from sparkexp.engine.transfer.class_names import find_class_names
from sparkexp.engine.transfer.main_module import MAIN, MainPart, Script
from sparkexp.engine.transfer.train_imports import nested_codes
from sparkexp.errors import TrainFunctionError

__all__ = ["pickle_train"]

# The largest pickled train function; what is larger belongs into a file that executors read.
MAX_TRAIN_MB = 100
# Bounds for the definitions that the train function does not refer to, and for source files.
MAX_OTHERS_BYTES = 128_000
MAX_OTHERS_S = 0.3
MAX_SOURCE_CHARS = 256_000
# Partials, methods and caches around a function; an object may have them without end.
MAX_LAYERS = 20
ATTRIBUTES = frozenset({"__package__", "__file__"})
# Names by which code finds others in ways that the module does not notice.
LOOKUPS = frozenset({"globals", "eval", "exec", "vars"})
# Cheap values, which a definition that nobody may need takes along; beside those of the standard
# library, except for files, whose contents would be read.
PLAIN = (sys.stdlib_module_names | {MAIN, "numpy"}) - {"io", "_io", "tempfile"}

_Cached = type(functools.cache(len))
_dispatch_code: CodeType = functools.singledispatch(len).__code__  # type: ignore[attr-defined]
# Their __reduce__ is a name, which the trial could not look up yet.
_ARGUMENTS: dict[type, Callable[[Any], tuple[object, ...]]] = {
    typing.NewType: lambda made: (made.__name__, made.__supertype__),
    typing.ParamSpec: lambda made: (made.__name__,),
    typing.TypeVarTuple: lambda made: (made.__name__,),
}


def pickle_train(train: Train) -> bytes:
    """Pickle the train function.

    Loading it makes the definitions of its script the process's ``__main__``.

    Raises
    ------
    TrainFunctionError
        If the function, or something that it refers to, can't be pickled or is too large.
    """
    namespace = _find_namespace(train)
    try:
        data = _pack(train, namespace)
    except Exception as error:
        culprit = _find_culprit(train, namespace)
        raise TrainFunctionError(
            f"The train function is sent to executors, and {culprit or 'it'} can't be pickled: "
            f"{type(error).__name__}: {error}. Create what can't travel (sessions, locks, open "
            "files, loggers, models) inside the function."
        ) from error
    if len(data) > MAX_TRAIN_MB * 1e6:
        raise TrainFunctionError(
            f"The train function and the data it refers to take {len(data) / 1e6:.0f} MB, more "
            f"than the {MAX_TRAIN_MB} MB that can be sent with every trial. Pass the data with "
            "data=, or load it inside the function."
        )
    return data


class _Packed:
    """Loads as the train function."""

    def __init__(self, script: Script, data: bytes) -> None:
        self._parts = script, data

    def __reduce__(self) -> tuple[Callable[..., object], tuple[Script, bytes]]:
        return main_module.load_script, self._parts


def _pack(train: Train, namespace: dict[str, Any]) -> bytes:
    file = io.BytesIO()
    pickler = _make_pickler(file, namespace)
    pickler.dump(train)
    pickled = pickler.memo.copy()
    pickler.dump(
        {
            name: value
            for name, value in list(namespace.items())
            if id(value) in pickled and _is_definition(value)
        }
    )
    attributes = {name: namespace.get(name) for name in ATTRIBUTES & namespace.keys()}
    others = _pickle_others(namespace, {*pickler.names, *_names_of(pickled, namespace)})
    script = Script(
        attributes,
        others,
        pickler.looks_up,
        _read_sources(pickler.files),
        _find_registered(namespace),
    )
    return pickle.dumps(_Packed(script, file.getvalue()), pickle.HIGHEST_PROTOCOL)


def _find_namespace(train: Any) -> dict[str, Any]:
    """Return the namespace of the script or notebook."""
    inner = train
    for _ in range(MAX_LAYERS):
        if isinstance(inner, FunctionType):
            break
        called = vars(type(inner)).get("__call__")
        parts = [getattr(inner, name, None) for name in ("func", "__func__", "__wrapped__")]
        parts.append(called if isinstance(called, FunctionType) else None)
        inner = next((part for part in parts if part is not None), None)
    space = getattr(inner, "__globals__", {})
    # A notebook's cells may run elsewhere than in the module that is called __main__.
    return space if space.get("__name__") == MAIN else vars(sys.modules[MAIN])


def _is_definition(value: object) -> bool:
    return (
        isinstance(value, (FunctionType, type, _Cached))
        and getattr(value, "__module__", None) == MAIN
    )


def _names_of(pickled: dict[int, Any], namespace: dict[str, Any]) -> set[str]:
    return {name for name, value in list(namespace.items()) if id(value) in pickled}


def _pickle_others(namespace: dict[str, Any], known: set[str]) -> dict[str, bytes]:
    """Pickle each definition that the train function does not refer to, if that is cheap."""
    others: dict[str, bytes] = {}
    queue = deque(name for name, value in list(namespace.items()) if _is_definition(value))
    left = MAX_OTHERS_BYTES
    end = time.monotonic() + MAX_OTHERS_S
    while queue and time.monotonic() < end:
        name = queue.popleft()
        if name in known or name not in namespace:
            continue
        known.add(name)
        file = _BoundedFile(left)
        pickler = _make_pickler(file, namespace, name)
        try:
            pickler.dump(namespace[name])
        except Exception:
            continue  # trials do without
        others[name] = file.getvalue()
        left -= len(others[name])
        queue.extend(pickler.names)
    return others


class _BoundedFile(io.BytesIO):
    """Takes so many bytes, and raises for more."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self._left = size

    def write(self, data: Any) -> int:
        self._left -= len(data)
        if self._left < 0:
            raise ValueError("too large")
        return super().write(data)


def _read_sources(files: dict[str, None]) -> dict[str, str]:
    """Return the text of source files that executors may lack."""
    installed = tuple(sysconfig.get_path(kind) for kind in ("stdlib", "purelib", "platlib"))
    sources: dict[str, str] = {}
    left = MAX_SOURCE_CHARS
    for path in files:
        if path.startswith(installed) or "-packages" in path:
            continue
        text = "".join(linecache.getlines(path))
        if 0 < len(text) <= left:
            sources[path] = text
            left -= len(text)
    return sources


def _find_registered(namespace: dict[str, Any]) -> dict[str, dict[str, str]]:
    """Return what the script has registered with Keras: for each Keras, names by keys."""
    names = {id(value): name for name, value in list(namespace.items())}
    found = {}
    for keras in ("keras", "tf_keras"):
        saving = getattr(sys.modules.get(keras), "saving", None)
        objects = saving.get_custom_objects() if saving is not None else {}
        registered = {
            key: names[id(value)] for key, value in objects.items() if id(value) in names
        }
        if registered:
            found[keras] = registered
    return found


def _make_pickler(file: io.BytesIO, namespace: dict[str, Any], name: str | None = None) -> Any:
    """Return a pickler: for the train function, or for one name of the script."""
    return _pickler_class()(file, namespace, name)


class _ScriptPickler:
    """How pickles of a script differ from those of cloudpickle, whose class comes below it."""

    globals_ref: dict[int, Any]
    dispatch_table: Any

    def __init__(
        self, file: io.BytesIO, namespace: dict[str, Any], name: str | None = None
    ) -> None:
        super().__init__(file)  # type: ignore[call-arg]
        # Functions of the script share the namespace of the trial's __main__.
        self.globals_ref[id(namespace)] = MainPart.NAMESPACE
        self._namespace = namespace
        self._name = name
        self.names: dict[str, None] = {}
        self.files: dict[str, None] = {}
        self.looks_up = False

    def persistent_id(self, obj: Any) -> str | None:
        return obj.value if type(obj) is MainPart else None

    def reducer_override(self, obj: Any) -> Any:
        if type(obj) is CodeType:
            return self._reduce_code(obj)
        if self._name is not None:
            return self._reduce_other(obj)
        reduced = self._reduce(obj)
        if isinstance(reduced, tuple) and self._is_ours(obj):
            self.names.update(dict.fromkeys(reduced[2][1]["__globals__"]))
        return reduced

    def _reduce(self, obj: Any) -> Any:
        if type(obj) is typing.TypeVar and obj.__module__ == MAIN:
            make, args = self.dispatch_table[typing.TypeVar](obj)
            return make, args, (None, {"__module__": MAIN})
        if (special := _reduce_special(obj)) is not None:
            return special
        reduced = super().reducer_override(obj)  # type: ignore[misc]
        if isinstance(reduced, tuple) and isinstance(obj, type) and len(reduced[1]) == 6:
            # cloudpickle leaves out to which class a nested class belongs.
            reduced[1][3]["__qualname__"] = obj.__qualname__
        if isinstance(reduced, tuple) and isinstance(obj, FunctionType):
            # cloudpickle takes along what functions refer to, not what classes within them do.
            taken, space = reduced[2][1]["__globals__"], obj.__globals__
            for name in find_class_names(obj.__code__):
                if name in space:
                    taken.setdefault(name, space[name])
        return reduced

    def _reduce_code(self, code: CodeType) -> Any:
        make, args = self.dispatch_table[CodeType](code)
        self.files[code.co_filename] = None
        self.looks_up |= not LOOKUPS.isdisjoint(code.co_names)
        # For tracebacks: cloudpickle 3.1 leaves the name of the file out.
        dynamic = "<dynamic-code>"
        return make, tuple(
            code.co_filename if type(arg) is str and arg == dynamic else arg for arg in args
        )

    def _is_ours(self, obj: Any) -> bool:
        return (
            isinstance(obj, FunctionType)
            and obj.__globals__ is self._namespace
            and obj.__code__ is not _dispatch_code
        )

    def _reduce_other(self, obj: Any) -> Any:
        """Reduce an object so that it refers to the script's other definitions by name."""
        name = getattr(obj, "__name__", None) if _is_definition(obj) else None
        itself = obj is self._namespace.get(self._name or "")
        if name is not None and not itself and self._namespace.get(name) is obj:
            self.names[name] = None
            return main_module.require, (MainPart.MODULE, name)
        _check_plain(obj)
        reduced = self._reduce(obj)
        if not isinstance(reduced, tuple):
            return reduced
        make, args, *rest = reduced
        if self._is_ours(obj):
            state, _, _, set_state = rest
            names = list(state[1]["__globals__"])
            state[1]["__globals__"] = {}
            self.names.update(dict.fromkeys(names))
            rest = [(MainPart.MODULE, names, set_state, state), None, None, main_module.complete]
        if itself:
            make, args = main_module.define, (MainPart.MODULE, self._name, make, *args)
        return make, args, *rest


@functools.cache
def _pickler_class() -> type:
    import cloudpickle

    return type("Pickler", (_ScriptPickler, cloudpickle.Pickler), {})


def _check_plain(obj: Any) -> None:
    """Refuse what may be large or slow to pickle, or has effects."""
    if isinstance(obj, type):
        return
    module = type(obj).__module__.partition(".")[0]
    by_value = isinstance(obj, ModuleType) and sys.modules.get(obj.__name__) is not obj
    if module not in PLAIN or by_value or getattr(obj, "nbytes", 0) > MAX_OTHERS_BYTES:
        raise pickle.PicklingError(f"{type(obj).__name__} is not plain")


def _reduce_special(obj: Any) -> Any:
    """Reduce what cloudpickle can't, or only by a name in ``__main__``; None for the rest."""
    kind = type(obj)
    if kind is _Cached and not _is_importable(obj):
        state = {name: value for name, value in vars(obj).items() if name != "__wrapped__"}
        return main_module.make_cached, (obj.__wrapped__, obj.cache_parameters()), state
    if kind is FunctionType and obj.__code__ is _dispatch_code and not _is_importable(obj):
        registry = [item for item in obj.registry.items() if item[0] is not object]
        first = obj.registry[object]
        return functools.singledispatch, (first,), registry, None, None, main_module.register_all
    if kind is functools.cached_property:  # has a lock before Python 3.12
        return kind, (obj.func,), {"attrname": obj.attrname, "__doc__": obj.__doc__}
    if kind in _ARGUMENTS and obj.__module__ == MAIN:
        return kind, _ARGUMENTS[kind](obj), (None, {"__module__": MAIN})
    if kind.__module__ == MAIN and not isinstance(obj, type) and kind not in dispatch_table:
        reduced = obj.__reduce_ex__(pickle.HIGHEST_PROTOCOL)
        if isinstance(reduced, str):  # a name in the script
            return __newobj__, (kind,), getattr(obj, "__dict__", None)
        return reduced
    return None


def _is_importable(obj: Any) -> bool:
    found: Any = None if obj.__module__ == MAIN else sys.modules.get(obj.__module__)
    for part in obj.__qualname__.split("."):
        found = getattr(found, part, None)
    return found is obj


def _find_culprit(train: Any, namespace: dict[str, Any]) -> str | None:
    """Name the variable that can't be pickled, and the function that refers to it."""
    queue, seen = deque([train]), set()
    while queue:
        item = queue.popleft()
        for name, value in _references(item):
            if id(value) in seen:
                continue
            seen.add(id(value))
            try:
                _make_pickler(io.BytesIO(), namespace).dump(value)
            except Exception:
                if next(_references(value), None) is None:
                    user = getattr(item, "__qualname__", type(item).__qualname__)
                    return f"its variable {name!r} ({type(value).__qualname__}; used by {user})"
                queue.append(value)
    return None


def _references(item: Any) -> Iterator[tuple[str, Any]]:
    """Yield names and values that a definition refers to."""
    if isinstance(item, ArchitectureTrain):
        yield from [("train", item.func), *item.spaces.items()]
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
