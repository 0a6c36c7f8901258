"""Loads a function that the command line names by file and name: ``train.py:train``."""

from __future__ import annotations

import difflib
import importlib.util
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from sparkexp.api.held_searches import SearchHeld, hold_searches
from sparkexp.errors import TrainFunctionError

__all__ = ["load_function"]


def load_function(given: str) -> Callable[..., Any]:
    """Return a function from a Python file.

    The file is imported as a module. Its folder, or that of its package, becomes the first one on
    the search path. If it is a script whose searches would start, it is imported up to the first.

    Parameters
    ----------
    given : str
        ``path/to/train.py:train``.

    Raises
    ------
    TrainFunctionError
        If there is no such file or function, or importing it fails.
    """
    file, colon, name = given.rpartition(":")
    if not colon or not name or not file.endswith(".py"):
        raise TrainFunctionError(
            f"A function must be named by its file and its name, got {given!r}. Write "
            "train.py:train."
        )
    path = Path(file).expanduser().absolute()
    if not path.is_file():
        raise TrainFunctionError(
            f"A function must be named by its file and its name, and there is no file {file!r}. "
            "Write the path relative to this directory."
        )
    found, stopped = _import(path)
    for part in name.split("."):
        if not hasattr(found, part):
            if stopped:
                raise TrainFunctionError(
                    f"{file} has no function {name!r} above its first search{stopped}, where the "
                    "import ends, so that the search isn't run again. Define it above, or put the "
                    "searches below if __name__ == '__main__':."
                )
            functions = [key for key, value in vars(found).items() if callable(value)]
            close = difflib.get_close_matches(part, functions, n=1)
            hint = f"Did you mean {close[0]!r}?" if close else f"It has: {', '.join(functions)}."
            raise TrainFunctionError(f"{file} has no function {name!r}. {hint}")
        found = getattr(found, part)
    if not callable(found):
        raise TrainFunctionError(
            f"{given} must be a function, got {type(found).__name__}. Name a function."
        )
    function: Callable[..., Any] = found
    return function


def _import(path: Path) -> tuple[Any, str]:
    """Return the module of a file, and the line of the search at which its import ended."""
    root, names = path.parent, [path.stem]
    while (root / "__init__.py").is_file():
        names.insert(0, root.name)
        root = root.parent
    name = ".".join(names)
    if not all(part.isidentifier() for part in names) or names[0] in sys.stdlib_module_names:
        raise TrainFunctionError(
            f"The file of a train function is imported as a module, and {name!r} can't be its "
            "name. Rename the file to something like train_cnn.py."
        )
    if str(root) not in sys.path:
        sys.path.insert(0, str(root))
    stopped = ""
    try:
        with hold_searches() as held:
            module, error = _execute(name)
        if error is not None:
            stopped = _line(error, path)
        if held:
            import cloudpickle

            # Executors would import the script and start its searches: what it defines travels
            # by value, like that of __main__.
            cloudpickle.register_pickle_by_value(module)
            print(
                f"sparkexp: {path} is a script: its {held[0]}(…){stopped} is not run.",
                file=sys.stderr,
            )
    except (Exception, SystemExit, SearchHeld) as error:
        raise TrainFunctionError(
            f"{path} could not be imported: {type(error).__name__}: {error}{_line(error, path)}. "
            "Correct it; python FILE shows the same error."
        ) from error
    if not module.__file__ or not path.samefile(module.__file__):
        raise TrainFunctionError(
            f"{path} could not be imported: another module has the name {name!r}, "
            f"{module.__file__ or 'built in'}. Rename the file."
        )
    return module, stopped


def _execute(name: str) -> tuple[ModuleType, SearchHeld | None]:
    """Import a module, up to its first search: then it stays as it is, and the error is given."""
    package, _, child = name.rpartition(".")
    parent = importlib.import_module(package) if package else None
    spec = None if name in sys.modules else importlib.util.find_spec(name)
    if spec is None or spec.loader is None:
        return importlib.import_module(name), None
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    stopped = None
    try:
        spec.loader.exec_module(module)
    except SearchHeld as error:
        stopped = error
    except BaseException:
        del sys.modules[name]
        raise
    if parent is not None:
        setattr(parent, child, module)
    return module, stopped


def _line(error: BaseException, path: Path) -> str:
    lines = [
        f.lineno for f in traceback.extract_tb(error.__traceback__) if f.filename == str(path)
    ]
    return f" (line {lines[-1]})" if lines else ""
