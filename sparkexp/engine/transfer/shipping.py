"""Sends sparkexp and the user's own modules to executors."""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import io
import os
import sys
import sysconfig
import zipfile
from collections.abc import Iterator
from importlib.machinery import ModuleSpec
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import TYPE_CHECKING

from sparkexp.engine.transfer.private_folder import private_folder
from sparkexp.engine.transfer.train_imports import referred_modules
from sparkexp.errors import InvalidArgumentError

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from sparkexp.engine.base import Train

__all__ = ["private_folder", "ship", "user_modules"]

PACKAGE = "sparkexp"
MAX_MODULES_MB = 50
# The same date for all members: equal contents make equal archives, which Spark sends once.
MEMBER_DATE = (1980, 1, 1, 0, 0, 0)


def ship(spark: SparkSession, train: Train, py_files: tuple[str, ...] = ()) -> tuple[str, ...]:
    """Send sparkexp, the modules that a train function uses, and `py_files` to the executors.

    Parameters
    ----------
    spark : SparkSession
        Classic or Connect.
    train : Callable
        The train function. Modules that it imports are sent along, unless they belong to an
        installed package; of a package all modules are sent.
    py_files : tuple of str
        More .py, .zip or .egg files.

    Returns
    -------
    tuple of str
        The names of the files with the user's modules, for the executors' search path.
    """
    archives = [_archive(PACKAGE, _package_members(files(PACKAGE), PACKAGE))]
    members = [member for module in user_modules(train) for member in _module_members(module)]
    names = []
    if members:
        archives.append(_archive(f"{PACKAGE}-modules", iter(members)))
        names.append(archives[-1].name)
    for path in py_files:
        archives.append(Path(path))
        names.append(Path(path).name)
    spark.addArtifacts(*map(str, archives), pyfile=True)
    return tuple(names)


def user_modules(train: Train) -> list[str]:
    """Return the top-level modules that a function uses and that are not installed.

    Modules that those modules import are included.

    Parameters
    ----------
    train : Callable
        The train function; it is not called.
    """
    found: set[str] = set()
    queue = referred_modules(train)
    while queue:
        name = queue.pop()
        if name != PACKAGE and name not in found and _is_local(name):
            found.add(name)
            for path, content in _module_members(name):
                if path.endswith(".py"):
                    queue += _find_imports(content)
    return sorted(found)


def _find_imports(source: bytes) -> set[str]:
    """Return the top-level modules that a source file imports, anywhere in it."""
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):
        return set()  # a template, or for another version of Python: it can't be imported anyway
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module)
    return {name.partition(".")[0] for name in names}


def _is_local(name: str) -> bool:
    """Return whether a module belongs neither to Python nor to an installed package."""
    if name in sys.stdlib_module_names or name in sys.builtin_module_names:
        return False
    spec = _spec(name)
    if spec is None:
        return False
    locations = [spec.origin] if spec.origin else list(spec.submodule_search_locations or [])
    installed = {sysconfig.get_path(kind) for kind in ("stdlib", "purelib", "platlib")}
    return all(
        location not in ("built-in", "frozen")
        and not any(Path(location).is_relative_to(root) for root in installed)
        and not {"site-packages", "dist-packages"} & set(Path(location).parts)
        for location in locations
    )


def _spec(name: str) -> ModuleSpec | None:
    try:
        return importlib.util.find_spec(name)
    except (ImportError, ValueError):  # __main__ has no spec
        return None


def _module_members(name: str) -> Iterator[tuple[str, bytes]]:
    spec = _spec(name)
    if spec is None:
        return
    if spec.submodule_search_locations:
        for location in spec.submodule_search_locations:
            yield from _package_members(Path(location), name)
    elif spec.origin and spec.origin.endswith(".py"):
        yield f"{name}.py", Path(spec.origin).read_bytes()


def _package_members(folder: Traversable, prefix: str) -> Iterator[tuple[str, bytes]]:
    """Yield the names and contents of the Python files below a folder, in a fixed order."""
    for entry in sorted(folder.iterdir(), key=lambda entry: entry.name):
        name = f"{prefix}/{entry.name}"
        if entry.is_dir():
            if entry.name.isidentifier() and entry.name != "__pycache__":
                yield from _package_members(entry, name)
        elif entry.name.endswith((".py", ".typed")):
            yield name, entry.read_bytes()


def _archive(stem: str, members: Iterator[tuple[str, bytes]]) -> Path:
    """Write a zip whose name contains a hash of its contents, unless it exists already."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members:
            archive.writestr(zipfile.ZipInfo(name, MEMBER_DATE), content)
    data = buffer.getvalue()
    if len(data) > MAX_MODULES_MB * 1e6:
        raise InvalidArgumentError(
            f"The modules that the train function imports take {len(data) / 1e6:.0f} MB, more "
            f"than the {MAX_MODULES_MB} MB that may be sent to executors. Install them there, or "
            "import less."
        )
    # The file stays after this call: Spark reads it whenever an executor asks for it.
    path = private_folder() / f"{stem}-{hashlib.sha256(data).hexdigest()[:12]}.zip"
    if not path.exists():
        aside = path.with_suffix(f".{os.getpid()}")
        aside.write_bytes(data)
        os.replace(aside, path)
    return path
