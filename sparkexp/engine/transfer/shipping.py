"""Brings sparkexp and the user's own modules to executors that have neither."""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import io
import os
import stat
import sys
import sysconfig
import tempfile
import zipfile
from collections.abc import Iterator
from importlib.machinery import ModuleSpec
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import TYPE_CHECKING

from sparkexp.engine.transfer.train_imports import referred_modules
from sparkexp.errors import InvalidArgumentError

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from sparkexp.engine.base import Train

__all__ = ["private_folder", "ship", "user_modules"]

PACKAGE = "sparkexp"
MAX_MODULES_MB = 50
# One date for all members: equal contents make equal archives, which Spark ships once.
MEMBER_DATE = (1980, 1, 1, 0, 0, 0)


def ship(spark: SparkSession, train: Train, py_files: tuple[str, ...] = ()) -> tuple[str, ...]:
    """Send sparkexp, the modules that a train function uses, and `py_files` to the executors.

    Parameters
    ----------
    spark : SparkSession
        Classic or Connect.
    train : Callable
        The train function; modules that it imports and that lie outside of the installed
        packages are sent along, whole top-level packages at a time.
    py_files : tuple of str
        Further .py, .zip or .egg files.

    Returns
    -------
    tuple of str
        The names under which executors find the user's modules, for their search path.
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
    """Return the top-level modules that a function uses and that belong to nobody's package.

    Parameters
    ----------
    train : Callable
        The train function; it is not called. The modules that its modules import are found, too.
    """
    found: set[str] = set()
    queue = referred_modules(train)
    while queue:
        name = queue.pop()
        if name != PACKAGE and name not in found and _is_local(name):
            found.add(name)
            for path, content in _module_members(name):
                if path.endswith(".py"):
                    queue += _imports_of(content)
    return sorted(found)


def _imports_of(source: bytes) -> set[str]:
    """Return the top-level modules that a source file imports, anywhere in it."""
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):
        return set()  # a template, or for another Python: importing it would fail here as well
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module)
    return {name.partition(".")[0] for name in names}


def _is_local(name: str) -> bool:
    """Tell whether a module is neither Python's own nor an installed package's."""
    if name in sys.stdlib_module_names or name in sys.builtin_module_names:
        return False
    spec = _spec(name)
    if spec is None:
        return False
    places = [spec.origin] if spec.origin else list(spec.submodule_search_locations or [])
    installed = {sysconfig.get_path(kind) for kind in ("stdlib", "purelib", "platlib")}
    return all(
        place not in ("built-in", "frozen")
        and not any(Path(place).is_relative_to(root) for root in installed)
        and not {"site-packages", "dist-packages"} & set(Path(place).parts)
        for place in places
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
    """Return the Python files below a folder, read in a fixed order."""
    for entry in sorted(folder.iterdir(), key=lambda entry: entry.name):
        name = f"{prefix}/{entry.name}"
        if entry.is_dir():
            if entry.name.isidentifier() and entry.name != "__pycache__":
                yield from _package_members(entry, name)
        elif entry.name.endswith((".py", ".typed")):
            yield name, entry.read_bytes()


def _archive(stem: str, members: Iterator[tuple[str, bytes]]) -> Path:
    """Write a zip whose name tells its contents, unless it is there already."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members:
            archive.writestr(zipfile.ZipInfo(name, MEMBER_DATE), content)
    data = buffer.getvalue()
    if len(data) > MAX_MODULES_MB * 1e6:
        raise InvalidArgumentError(
            f"The modules that the train function imports take {len(data) / 1e6:.0f} MB, more "
            f"than the {MAX_MODULES_MB} MB that are sent to executors. Install them there, or "
            "import less."
        )
    # It outlives the call: Spark reads the file when an executor asks.
    path = private_folder() / f"{stem}-{hashlib.sha256(data).hexdigest()[:12]}.zip"
    if not path.exists():
        aside = path.with_suffix(f".{os.getpid()}")
        aside.write_bytes(data)
        os.replace(aside, path)
    return path


def private_folder() -> Path:
    """Return a folder for temporary files that nobody else writes to, and that stays."""
    folder = Path(tempfile.gettempdir(), f"sparkexp-{os.getuid()}")
    try:
        folder.mkdir(mode=0o700)
    except FileExistsError:
        pass
    found = folder.lstat()
    ours = stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid()
    if not ours or stat.S_IMODE(found.st_mode) & 0o022:
        return Path(tempfile.mkdtemp(prefix="sparkexp-"))  # somebody else's: never run its code
    return folder
