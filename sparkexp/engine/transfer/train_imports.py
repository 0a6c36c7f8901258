"""Finds the modules that a train function imports, from its code, before it runs."""

from __future__ import annotations

import dis
import functools
from collections.abc import Iterator
from types import CodeType, FunctionType, ModuleType

from sparkexp.engine.base import Train
from sparkexp.engine.transfer.object_train import ObjectTrain

__all__ = [
    "HEAVY_MODULES",
    "heavy_imports",
    "is_installed",
    "nested_codes",
    "reachable_objects",
    "referred_modules",
]

# Modules that take long to import: a worker imports them once, instead of once per trial. Forking
# after the import is safe: none of them starts threads or touches a device before its first use.
HEAVY_MODULES = (
    "tensorflow",
    "keras",
    "torch",
    "sklearn",
    "scipy",
    "pandas",
    "matplotlib",
    "xgboost",
    "lightgbm",
    "transformers",
    "tensorflow_datasets",
    "mlflow",
)

# Enough for any train function. It is a bound, since the objects that one refers to may be many.
MAX_OBJECTS = 5_000


def heavy_imports(train: Train) -> tuple[str, ...]:
    """Return the heavy modules that a function and the functions it uses import.

    With them, even the first trial on a worker starts in a process that has imported them. Some
    imports are not found (in libraries, by name, in methods); the first trial reports those.

    Parameters
    ----------
    train : Callable
        The user's function; it is not called.

    Examples
    --------
    >>> def train():
    ...     import scipy.stats
    >>> heavy_imports(train)
    ('scipy',)
    """
    found = referred_modules(train)
    return tuple(name for name in HEAVY_MODULES if name in found)


def referred_modules(train: Train) -> list[str]:
    """Return the top-level modules that a function and the functions it uses refer to.

    Functions of installed packages are not followed: what those import is installed with them.
    """
    found: set[str] = set()
    for item in reachable_objects(train):
        if isinstance(item, ModuleType):
            found.add(_top_level(item.__name__))
        elif isinstance(item, CodeType):
            found |= _imported_modules(item)
        else:
            found.add(_top_level(getattr(item, "__module__", None)))
    return sorted(found - {""})


def reachable_objects(train: Train) -> Iterator[object]:
    """Yield a function, and the functions, codes and other objects that it refers to."""
    queue: list[object] = [train]
    seen: set[int] = set()
    while queue and len(seen) < MAX_OBJECTS:
        item = queue.pop()
        if id(item) in seen:
            continue
        seen.add(id(item))
        yield item
        if isinstance(item, CodeType):
            queue += [const for const in item.co_consts if isinstance(const, CodeType)]
        elif not isinstance(item, ModuleType):
            queue += _find_parts(item)


def _top_level(module: object) -> str:
    return module.partition(".")[0] if isinstance(module, str) else ""


def _find_parts(item: object) -> list[object]:
    """Return the parts of a callable: its code, and the objects that the code refers to."""
    if isinstance(item, functools.partial):
        return [item.func, *item.args, *item.keywords.values()]
    if isinstance(item, ObjectTrain):
        kinds = [type(each) for each in item.parameters.values()]
        users = [kind for kind in kinds if _top_level(kind.__module__) != "sparkexp"]
        return [item.func, *dict.fromkeys(cls for kind in users for cls in kind.__mro__)]
    if isinstance(item, type):
        parts = vars(item).values()
        plain = [p.__func__ if isinstance(p, staticmethod | classmethod) else p for p in parts]
        return [part for part in plain if isinstance(part, FunctionType)]
    if not isinstance(item, FunctionType):
        # A method, a function with a cache, or an object whose class is callable.
        inner = vars(item).get("__wrapped__") if hasattr(item, "cache_parameters") else None
        called = getattr(item, "__func__", inner) or vars(type(item)).get("__call__")
        return [called] if isinstance(called, FunctionType) else []
    if is_installed(item):
        return []  # a library: the first trial reports its imports
    names = dict.fromkeys(name for code in nested_codes(item.__code__) for name in code.co_names)
    values = [item.__globals__[name] for name in names if name in item.__globals__]
    for cell in item.__closure__ or ():
        try:
            values.append(cell.cell_contents)
        except ValueError:
            pass  # a variable of the function around it that isn't assigned yet
    return [item.__code__, *values]


def nested_codes(code: CodeType) -> Iterator[CodeType]:
    """Yield a function's code, and that of the functions and comprehensions inside it."""
    yield code
    for const in code.co_consts:
        if isinstance(const, CodeType):
            yield from nested_codes(const)


def _imported_modules(code: CodeType) -> set[str]:
    return {
        _top_level(instruction.argval)
        for instruction in dis.get_instructions(code)
        if instruction.opname == "IMPORT_NAME"
    }


def is_installed(function: FunctionType) -> bool:
    """Return whether a function belongs to an installed package."""
    # The file of the code, not of its module: __main__ may be a launcher.
    file = function.__code__.co_filename
    return "site-packages" in file or "dist-packages" in file
