"""Loads a function that the command line names by file and name: ``train.py:train``."""

from __future__ import annotations

import difflib
import importlib
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from sparkexp.errors import TrainFunctionError

__all__ = ["load_function"]


def load_function(given: str) -> Callable[..., Any]:
    """Return a function from a Python file.

    The file is imported as a module. Its folder, or that of its package, becomes the first one on
    the search path.

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
    found: Any = _import(path)
    for part in name.split("."):
        if not hasattr(found, part):
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


def _import(path: Path) -> ModuleType:
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
    try:
        module = importlib.import_module(name)
    except (Exception, SystemExit) as error:
        raise TrainFunctionError(
            f"{path} could not be imported: {type(error).__name__}: {error}{_line(error, path)}. "
            "Correct it; python FILE shows the same error."
        ) from error
    if not module.__file__ or not path.samefile(module.__file__):
        raise TrainFunctionError(
            f"{path} could not be imported: another module has the name {name!r}, "
            f"{module.__file__ or 'built in'}. Rename the file."
        )
    return module


def _line(error: BaseException, path: Path) -> str:
    lines = [
        f.lineno for f in traceback.extract_tb(error.__traceback__) if f.filename == str(path)
    ]
    return f" (line {lines[-1]})" if lines else ""
