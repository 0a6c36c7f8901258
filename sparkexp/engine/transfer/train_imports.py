"""Which modules a train function imports, read from its code before it runs."""

from __future__ import annotations

import dis
import functools
from collections.abc import Iterator
from types import CodeType, FunctionType, ModuleType

from sparkexp.engine.base import Train

__all__ = ["HEAVY_MODULES", "heavy_imports", "referred_modules"]

# Modules worth importing once per worker instead of once per trial. All of them can be forked
# after the import; none starts threads or touches a device before its first use.
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
)

# Enough for any train function; a bound, since what it refers to may lead anywhere.
MAX_OBJECTS = 5_000


def heavy_imports(train: Train) -> tuple[str, ...]:
    """Return the heavy modules that a function, and the functions it uses, import.

    The first trial on a worker then already starts in a process that has them. What this misses
    (imports in libraries, by name, in methods) is learnt from the first trial's report.

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
    """Return the top-level modules that a function, and the functions it uses, refer to.

    Functions of installed packages are not followed: theirs are on the executors or missing with
    them.
    """
    found: set[str] = set()
    queue: list[object] = [train]
    seen: set[int] = set()
    while queue and len(seen) < MAX_OBJECTS:
        item = queue.pop()
        if id(item) in seen:
            continue
        seen.add(id(item))
        if isinstance(item, ModuleType):
            found.add(_top(item.__name__))
        elif isinstance(item, CodeType):
            found |= _imported(item)
            queue += [const for const in item.co_consts if isinstance(const, CodeType)]
        else:
            found.add(_top(getattr(item, "__module__", None)))
            queue += _parts(item)
    return sorted(found - {""})


def _top(module: object) -> str:
    return module.partition(".")[0] if isinstance(module, str) else ""


def _parts(item: object) -> list[object]:
    """Return what a callable is made of: its code, and the objects that the code refers to."""
    if isinstance(item, functools.partial):
        return [item.func, *item.args, *item.keywords.values()]
    if not isinstance(item, FunctionType):
        # A method, or an object whose class is callable.
        called = getattr(item, "__func__", None) or vars(type(item)).get("__call__")
        return [called] if isinstance(called, FunctionType) else []
    if _installed(item):
        return []  # a library: its imports are found once it ran
    names = dict.fromkeys(name for code in _codes(item.__code__) for name in code.co_names)
    values = [item.__globals__[name] for name in names if name in item.__globals__]
    for cell in item.__closure__ or ():
        try:
            values.append(cell.cell_contents)
        except ValueError:
            pass  # a variable of the function around it that isn't assigned yet
    return [item.__code__, *values]


def _codes(code: CodeType) -> Iterator[CodeType]:
    """Return a function's code and that of the functions and comprehensions inside."""
    yield code
    for const in code.co_consts:
        if isinstance(const, CodeType):
            yield from _codes(const)


def _imported(code: CodeType) -> set[str]:
    return {
        _top(instruction.argval)
        for instruction in dis.get_instructions(code)
        if instruction.opname == "IMPORT_NAME"
    }


def _installed(function: FunctionType) -> bool:
    # Of the code, not of its module: __main__ may be a launcher's.
    file = function.__code__.co_filename
    return "site-packages" in file or "dist-packages" in file
