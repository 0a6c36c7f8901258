"""Finds the modules of the user's own that a train function needs, and what belongs to them."""

from __future__ import annotations

import ast
import importlib.metadata
import importlib.util
import sys
import sysconfig
import zipfile
from collections.abc import Callable, Iterator
from importlib.machinery import ModuleSpec
from pathlib import Path
from zipimport import zipimporter

from sparkexp.engine.base import Train
from sparkexp.engine.transfer.package_files import (
    PackageFile,
    module_names,
    package_files,
    read_file,
)
from sparkexp.engine.transfer.train_imports import referred_modules

__all__ = [
    "find_user_modules",
    "metadata_files",
    "module_files",
    "find_origin",
    "read_module_files",
]

# Executors have these, wherever they lie.
_EVERYWHERE = {"sparkexp", "pyspark", "py4j"}

# Takes names of modules; returns where executors have them themselves.
Look = Callable[[set[str]], dict[str, str]]


def find_user_modules(train: Train, look: Look = lambda names: {}) -> dict[str, bool]:
    """Return the top-level modules that a function uses and that are not installed on the driver.

    Modules that those modules import are included. The values say which ones executors lack.

    Parameters
    ----------
    train : Callable
        The train function; it is not called.
    look : Callable
        Says which modules executors have; called again for what the missing ones import.
    """
    found: dict[str, bool] = {}
    queue = set(referred_modules(train))
    while new := {name for name in queue - set(found) if _is_local(name)}:
        parts = {name: _parts(name) for name in new}
        there = look({part for each in parts.values() for part in each})
        queue = set()
        for name in new:
            found[name] = not all(there.get(part) for part in parts[name])
            # What an installation of the executor's own imports is installed there, too.
            if found[name] or all(there[part] == find_origin(part) for part in parts[name]):
                queue |= _all_imports(name)
    return dict(sorted(found.items()))


def _all_imports(name: str) -> set[str]:
    found: set[str] = set()
    for path, content in read_module_files(name, lambda file: file.name.endswith(".py")):
        if path.endswith(".py"):
            found |= _find_imports(content)
    return found


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
    if spec is None or name in _EVERYWHERE:
        return False
    return bool(_find_own_locations(spec))


def _find_own_locations(spec: ModuleSpec) -> list[str]:
    """Return a module's file, or a package's folders, as far as they aren't installed."""
    if spec.origin in ("built-in", "frozen"):
        return []
    locations = list(spec.submodule_search_locations or ([spec.origin] if spec.origin else []))
    installed = {sysconfig.get_path(kind) for kind in ("stdlib", "purelib", "platlib")}
    return [
        location
        for location in locations
        if not any(Path(location).is_relative_to(root) for root in installed)
        and not {"site-packages", "dist-packages"} & set(Path(location).parts)
    ]


def _spec(name: str) -> ModuleSpec | None:
    try:
        return importlib.util.find_spec(name)
    except (ImportError, ValueError):  # __main__ has no spec
        return None


def find_origin(name: str) -> str:
    """Return where the driver finds a module, as `executor_modules.find_own` says it."""
    spec = _spec(name)
    return "" if spec is None else spec.origin or next(iter(_find_own_locations(spec)), "")


def _parts(name: str) -> list[str]:
    """Return what executors must have to have a module: of a package without __init__, its parts.

    Other parts of it may be installed there.
    """
    spec = _spec(name)
    if spec is None or spec.origin is not None:
        return [name]
    locations = map(Path, _find_own_locations(spec))
    return [f"{name}.{part}" for location in locations for part in module_names(location)] or [
        name
    ]


def module_files(name: str) -> Iterator[PackageFile]:
    """Yield the files of a module or package of the user's own."""
    spec = _spec(name)
    if spec is None:
        return
    for location in map(Path, _find_own_locations(spec)):
        if spec.submodule_search_locations is not None:
            yield from package_files(location, name)
        elif location.is_file():
            yield PackageFile(location.name, location, location.stat().st_size)


def read_module_files(
    name: str, wanted: Callable[[PackageFile], bool] = lambda file: True
) -> Iterator[tuple[str, bytes]]:
    """Yield the names and contents of a module's files, also of one in an archive."""
    for file in module_files(name):
        if wanted(file) and (content := read_file(file)) is not None:
            yield file.name, content
    spec = _spec(name)
    if spec is not None and isinstance(spec.loader, zipimporter):
        yield from _zip_members(spec.loader, name)


def _zip_members(loader: zipimporter, name: str) -> Iterator[tuple[str, bytes]]:
    with zipfile.ZipFile(loader.archive) as opened:
        for member in opened.namelist():
            below = member.removeprefix(loader.prefix)
            if below == f"{name}.py" or below.startswith(f"{name}/"):
                if not below.endswith(("/", ".pyc")):
                    yield below, opened.read(member)


def metadata_files(names: set[str]) -> Iterator[tuple[str, bytes]]:
    """Yield what `importlib.metadata` reads about the distributions of modules."""
    if not names:
        return
    for found in importlib.metadata.distributions():
        tops = found.read_text("top_level.txt")
        if not names & set((tops or found.name.replace("-", "_")).split()):
            continue
        folder = f"{found.name.replace('-', '_')}-{found.version}.dist-info"
        for member, sources in {
            "METADATA": ("METADATA", "PKG-INFO"),
            "entry_points.txt": ("entry_points.txt",),
            "top_level.txt": ("top_level.txt",),
        }.items():
            text = next((text for source in sources if (text := found.read_text(source))), None)
            if text is not None:
                yield f"{folder}/{member}", text.encode()
