"""Asks an executor which modules it finds by itself, and of what kind its Python is."""

from __future__ import annotations

import json
import os
import sys
import sysconfig
from collections.abc import Callable, Iterable, Iterator
from importlib.machinery import (
    EXTENSION_SUFFIXES,
    BuiltinImporter,
    FrozenImporter,
    ModuleSpec,
    PathFinder,
)
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow

__all__ = ["ASK_SCHEMA", "Ask", "MODULES", "find_own", "kind_of_python", "question"]

# How the archives with users' modules are called.
MODULES = "sparkexp-modules-"
ASK_SCHEMA = "answer string"

# Runs a function over one row on an executor; None if there is no answer.
Ask = Callable[[Callable[..., Any], str], str | None]


def question(names: Iterable[str]) -> Callable[..., Iterator[pyarrow.RecordBatch]]:
    """Return the function for Spark's mapInArrow that looks for modules.

    Its answer is JSON: ``kind``, see `kind_of_python`, and ``found``, where which module is.
    """
    wanted = sorted(names)

    def look(batches: Iterator[pyarrow.RecordBatch]) -> Iterator[pyarrow.RecordBatch]:
        import pyarrow
        from pyspark import SparkFiles

        for _ in batches:
            pass
        sent = os.path.abspath(SparkFiles.getRootDirectory())
        found = {name: location for name in wanted if (location := find_own(name, sent))}
        answer = json.dumps({"kind": kind_of_python(), "found": found})
        yield pyarrow.RecordBatch.from_pydict({"answer": [answer]})

    return look


def kind_of_python() -> str:
    """Return for what compiled modules must be made, to run in this Python."""
    return f"{sysconfig.get_platform()} {EXTENSION_SUFFIXES[0]}"


def find_own(name: str, sent: str) -> str:
    """Return where this Python has a module of its own; '' if it has none.

    Nothing is imported.

    Parameters
    ----------
    name : str
        A module, or a part of a package without ``__init__``.
    sent : str
        Where Spark puts the files that sessions send; what lies there is not this Python's own.
    """
    top, *parts = name.split(".")
    path = [entry for entry in sys.path if not _is_sent(entry, sent)]
    spec = _find(PathFinder, top, path)
    for finder in sys.meta_path:
        # Others than Python's own are those of editable installations, for example.
        if spec is None and finder not in (PathFinder, BuiltinImporter, FrozenImporter):
            spec = _find(finder, top, None)
    above = top
    for part in parts:
        if spec is None or spec.origin is not None:
            break  # a package with __init__ has its parts
        above = f"{above}.{part}"
        spec = _find(PathFinder, above, list(spec.submodule_search_locations or []))
    if spec is None:
        return ""
    return spec.origin or next(iter(spec.submodule_search_locations or []), "")


def _find(finder: Any, name: str, path: list[str] | None) -> ModuleSpec | None:
    try:
        found: ModuleSpec | None = finder.find_spec(name, path)
    except (ImportError, ValueError, AttributeError):
        return None
    return found


def _is_sent(entry: str, sent: str) -> bool:
    """Return whether an entry of the search path, or a folder, was sent by a session."""
    entry = os.path.abspath(entry)
    if os.path.basename(entry).startswith(MODULES) or entry == sent:
        return True
    # Archives of py_files. Folders may be an environment that was sent for the executor's Python.
    return os.path.dirname(entry) == sent and os.path.isfile(entry)
