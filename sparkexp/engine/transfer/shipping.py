"""Sends the package and the user's own modules to executors."""

from __future__ import annotations

import hashlib
import io
import json
import logging
import os
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import TYPE_CHECKING

from sparkexp.engine.spark.versions import add_file, add_python_files
from sparkexp.engine.transfer.executor_modules import (
    ASK_SCHEMA,
    MODULES,
    Ask,
    kind_of_python,
    question,
)
from sparkexp.engine.transfer.package_files import PackageFile
from sparkexp.engine.transfer.private_folder import private_folder
from sparkexp.engine.transfer.user_modules import (
    find_origin,
    find_user_modules,
    metadata_files,
    module_files,
    read_module_files,
)
from sparkexp.errors import InvalidArgumentError

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from sparkexp.engine.base import Train

__all__ = ["Shipment", "ship"]

logger = logging.getLogger(__name__)

PACKAGE = "sparkexp"
MAX_MODULES_MB = 50
# The same date for all members: equal contents make equal archives, which Spark sends once.
MEMBER_DATE = (1980, 1, 1, 0, 0, 0)
MAX_LISTED = 5


@dataclass(frozen=True)
class Shipment:
    """What was sent.

    Parameters
    ----------
    names : tuple of str
        The files for the search path of trials, as Spark knows them.
    notes : tuple of str
        What the plan says about them.
    """

    names: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def has_modules(self) -> bool:
        """Whether modules of the user's were found and sent."""
        return any(name.startswith(MODULES) for name in self.names)


def ship(
    spark: SparkSession, train: Train, py_files: tuple[str, ...] = (), ask: Ask | None = None
) -> Shipment:
    """Send sparkexp, the modules that a train function uses, and `py_files` to the executors.

    Parameters
    ----------
    spark : SparkSession
        Classic or Connect.
    train : Callable
        The train function. Modules that it imports are sent along, with all that belongs to their
        packages, unless they are installed here or an executor has them itself.
    py_files : tuple of str
        More .py, .zip or .egg files.
    ask : Callable, optional
        Asks an executor; without an answer all modules are sent.

    Raises
    ------
    InvalidArgumentError
        If the modules are too large.
    """
    package = _archive(PACKAGE, _own_members(files(PACKAGE), PACKAGE))
    add_python_files(spark, map(str, (package, *py_files)))
    names, notes = [Path(path).name for path in py_files], list[str]()
    executor = _Executor(ask)
    modules = find_user_modules(train, executor.look)
    if lacking := [name for name, lacks in modules.items() if lacks]:
        selection = _Selection.of(lacking, executor.kind)
        members = [*selection.members(), *metadata_files(set(lacking))]
        archive = _archive(MODULES.rstrip("-"), members, selection.executables())
        # Not as Python files, which Spark puts before all that is installed, here too.
        add_file(spark, str(archive))
        names.insert(0, archive.name)
        notes += selection.notes()
    for name, lacks in modules.items():
        there = executor.found.get(name)
        if not lacks and there and there != find_origin(name):
            notes.append(f"{name} is not sent: executors have their own, {there}")
    return Shipment(tuple(names), tuple(notes))


class _Executor:
    """What one executor says about its Python."""

    def __init__(self, ask: Ask | None) -> None:
        self._ask = ask
        self.kind = kind_of_python()
        self.found: dict[str, str] = {}

    def look(self, names: set[str]) -> dict[str, str]:
        """Return where the executor has modules; without an answer it has none."""
        answer = self._ask(question(names), ASK_SCHEMA) if self._ask is not None else None
        if answer is None:
            return {}
        read = json.loads(answer)
        self.kind = read["kind"]
        self.found |= read["found"]
        return self.found


@dataclass(frozen=True)
class _Selection:
    """Which files of which modules are sent, and which are left out."""

    modules: list[str]
    sent: dict[str, PackageFile]
    sizes: dict[str, tuple[int, int]]
    large: list[PackageFile]
    compiled: list[PackageFile]

    @classmethod
    def of(cls, modules: list[str], kind: str) -> _Selection:
        """Choose from the files of modules, for executors with a kind of Python.

        Data files that make it too much are left out, the largest first; code never is.
        """
        by_module = {name: list(module_files(name)) for name in modules}
        found = [file for each in by_module.values() for file in each]
        foreign = [file for file in found if file.is_compiled and not _fits(file, kind)]
        total = sum(file.size for file in found) - sum(file.size for file in foreign)
        large = []
        for file in sorted(found, key=lambda file: -file.size):
            if total > MAX_MODULES_MB * 1e6 and not file.is_code:
                large.append(file)
                total -= file.size
        left_out = {file.name for file in (*foreign, *large)}
        sizes = {}
        for name, each in by_module.items():
            kept = [file.size for file in each if file.name not in left_out]
            sizes[name] = len(kept), sum(kept)
        sent = {file.name: file for file in found if file.name not in left_out}
        return cls(modules, sent, sizes, large, foreign)

    def executables(self) -> set[str]:
        """Return the names of programs."""
        return {name for name, file in self.sent.items() if file.is_executable}

    def members(self) -> Iterator[tuple[str, bytes]]:
        """Yield the names and contents of the files that are sent."""
        for name in self.modules:
            yield from read_module_files(name, lambda file: file.name in self.sent)

    def notes(self) -> Iterator[str]:
        """Yield what the plan says."""
        listed = [
            f"{name} ({n} files, {_size(size)})" if n > 1 else name
            for name, (n, size) in self.sizes.items()
        ]
        yield f"sent to executors, which lack them: {', '.join(listed)}"
        if self.compiled:
            yield (
                "compiled files for another platform than that of the executors are not sent: "
                f"{_listed(self.compiled)}"
            )
        if self.large:
            note = (
                f"data files beyond {MAX_MODULES_MB} MB are not sent: {_listed(self.large)}. "
                "Trials that read them need them at a place that executors see"
            )
            logger.warning("Of the modules of the train function, %s.", note)
            yield note


def _fits(file: PackageFile, kind: str) -> bool:
    """Return whether a compiled file may run in a kind of Python; the driver's own does."""
    if kind != kind_of_python():
        return False
    name = file.path.name
    # The name of an extension module may say for which Python it is.
    is_tagged = any(f".{tag}" in name for tag in ("cpython-", "cp3", "pypy"))
    return not is_tagged or name.endswith(kind.partition(" ")[2])


def _listed(found: list[PackageFile]) -> str:
    listed = [f"{file.name} ({_size(file.size)})" for file in found[:MAX_LISTED]]
    more = [f"{len(found) - MAX_LISTED} more"] if len(found) > MAX_LISTED else []
    return ", ".join(listed + more)


def _size(n_bytes: int) -> str:
    return f"{n_bytes / 1e6:.1f} MB" if n_bytes >= 1e5 else f"{-(-n_bytes // 1000)} kB"


def _own_members(folder: Traversable, prefix: str) -> Iterator[tuple[str, bytes]]:
    """Yield the names and contents of sparkexp's own files, in a fixed order."""
    for entry in sorted(folder.iterdir(), key=lambda entry: entry.name):
        name = f"{prefix}/{entry.name}"
        if entry.is_dir():
            if entry.name.isidentifier() and entry.name != "__pycache__":
                yield from _own_members(entry, name)
        elif entry.name.endswith((".py", ".typed")) and entry.is_file():
            yield name, entry.read_bytes()


def _archive(
    stem: str, members: Iterable[tuple[str, bytes]], executables: Iterable[str] = ()
) -> Path:
    """Write a zip whose name contains a hash of its contents, unless it exists already."""
    buffer, sizes = io.BytesIO(), {}
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members:
            if name not in sizes:  # the first of several places of a package, as for imports
                info = zipfile.ZipInfo(name, MEMBER_DATE)
                info.external_attr = (0o700 if name in executables else 0o600) << 16
                archive.writestr(info, content, zipfile.ZIP_DEFLATED)
                sizes[name] = len(content)
    data = buffer.getvalue()
    if len(data) > MAX_MODULES_MB * 1e6:
        largest = sorted(sizes, key=lambda name: -sizes[name])[:MAX_LISTED]
        listed = ", ".join(f"{name} ({_size(sizes[name])})" for name in largest)
        raise InvalidArgumentError(
            f"The modules that the train function imports take {len(data) / 1e6:.0f} MB, more "
            f"than the {MAX_MODULES_MB} MB that may be sent to executors. The largest files are "
            f"{listed}. Install them there, or import less."
        )
    # The file stays after this call: Spark reads it whenever an executor asks for it.
    path = private_folder() / f"{stem}-{hashlib.sha256(data).hexdigest()[:12]}.zip"
    if not path.exists():
        aside = path.with_suffix(f".{os.getpid()}")
        aside.write_bytes(data)
        os.replace(aside, path)
    return path
