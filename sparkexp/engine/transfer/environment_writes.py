"""Finds the environment variables that a train function sets, from its code, before it runs."""

from __future__ import annotations

import ast
import dis
import importlib.util
import inspect
import itertools
import os
import re
from collections import ChainMap
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import CodeType, FunctionType, ModuleType

from sparkexp.engine.base import Train
from sparkexp.engine.transfer.import_settings import ANY, is_setting
from sparkexp.engine.transfer.train_imports import is_installed, nested_codes, reachable_objects

__all__ = ["find_written_settings"]

# Instructions between the parts of an expression that say nothing here.
SILENT = {
    "CACHE",
    "COPY",
    "EXTENDED_ARG",
    "NOP",
    "NOT_TAKEN",
    "PRECALL",
    "PUSH_NULL",
    "RESUME",
    "SWAP",
}
SETTERS = {"putenv", "unsetenv", "setenv", "delenv"}
# Methods of os.environ.
READING = {"__contains__", "__getitem__", "copy", "get", "items", "keys", "values"}
WITH_KEY = {"__delitem__", "__setitem__", "pop", "setdefault"}
WRITING = {*WITH_KEY, "__ior__", "clear", "popitem", "update"}
# What is done with os.environ[...].
SUBSCRIPTS = {"STORE_SUBSCR", "DELETE_SUBSCR", "BINARY_SUBSCR", "BINARY_OP"}
COMPREHENSIONS = {"<listcomp>", "<dictcomp>", "<setcomp>", "<genexpr>"}
COPYING = {"DICT_UPDATE", "DICT_MERGE", "GET_ITER"}
LIKE_A_NAME = re.compile(r"[A-Z][A-Z0-9]*(_[A-Z0-9]+)+")
MAX_MODULES = 300
MAX_VALUES = 1_000


def find_written_settings(train: Train) -> tuple[str, ...]:
    """Return the environment variables that a train function sets and libraries read at import.

    The functions and values that it uses count too, and the user's own modules that it imports.

    Parameters
    ----------
    train : Callable
        The user's function; it is not called.

    Returns
    -------
    tuple of str
        Their names. `ANY` is among them if it sets some whose names its code does not tell.

    Examples
    --------
    >>> def train():
    ...     import os
    ...     os.environ["MPLBACKEND"] = "agg"
    ...     os.environ["WANDB_MODE"] = "offline"
    >>> find_written_settings(train)
    ('MPLBACKEND',)
    """
    found = _Writes()
    imported: list[str] = []
    homes: list[str] = []
    for item in reachable_objects(train):
        if isinstance(item, FunctionType) and not is_installed(item):
            found.add_function(item)
            imported += _imported_names(item.__code__)
            homes.append(item.__module__ or "")
        elif isinstance(item, ModuleType):
            imported.append(item.__name__)
        else:
            found.add_value(item)
    for code in _module_codes(imported, is_deep=True):
        found.add_code(code, set())
    # Where these functions are at home, only the import counts, since what they call was found.
    home = _Writes()
    for code in _module_codes(homes, is_deep=False):
        home.add_code(code, set(), is_deep=False)
    return tuple(sorted({*found.settings(), *home.settings()}))


@dataclass
class _Writes:
    """What was found so far: variables set by name, and strings that may be names of others."""

    names: set[str] = field(default_factory=set)
    strings: set[str] = field(default_factory=set)
    # Whether a variable is set whose name is not beside it.
    has_unnamed: bool = False

    def settings(self) -> tuple[str, ...]:
        names = self.names
        if self.has_unnamed:
            candidates = {s for s in self.strings if is_setting(s) or LIKE_A_NAME.fullmatch(s)}
            names = names | (candidates or {ANY})
        return tuple(sorted(filter(is_setting, names)))

    def add_value(self, value: object) -> None:
        if isinstance(value, str):
            self.strings.add(value)
        elif isinstance(value, (Mapping, list, tuple, set, frozenset)) and value is not os.environ:
            if len(value) <= MAX_VALUES:
                for part in value:
                    if isinstance(part, (str, tuple)):
                        self.add_value(part)

    def add_function(self, function: FunctionType) -> None:
        variables = ChainMap({}, function.__globals__)
        for name, cell in zip(
            function.__code__.co_freevars, function.__closure__ or (), strict=False
        ):
            try:
                variables[name] = cell.cell_contents
            except ValueError:
                pass  # not assigned yet
        names = {name for code in nested_codes(function.__code__) for name in code.co_names}
        names |= set(function.__code__.co_freevars)
        self.add_code(function.__code__, {n for n in names if variables.get(n) is os.environ})

    def add_code(self, code: CodeType, aliases: set[str], is_deep: bool = True) -> None:
        """Add what code sets, and the code of the functions in it.

        Parameters
        ----------
        code : CodeType
            The code of a function or module.
        aliases : set of str
            Variables that mean os.environ.
        is_deep : bool
            False leaves out functions, but not classes and comprehensions.
        """
        aliases = {"environ", *aliases}
        read: set[int] = set()  # the offsets of constants that name what is only read
        is_passed_on = False
        steps = list(dis.get_instructions(code))
        for at, step in enumerate(steps):
            names, later = _names(step), steps[at + 1 :]
            if not names & {*aliases, *SETTERS, "getenv"}:
                continue
            if step.opname == "IMPORT_FROM":  # from os import environ as …
                aliases |= _names(later[0]) if "environ" in names else set()
                continue
            if names & SETTERS:
                self._add_key(_spoken(later, 1))
            elif "getenv" in names:
                read |= {each.offset for each in _spoken(later, 1)}
            elif step.opname.startswith("STORE_"):  # os.environ = …, os.environ |= …
                self.has_unnamed |= step.opname == "STORE_ATTR"
            else:
                use = _Use.of(later, _spoken(steps[max(0, at - 4) : at], 4))
                read |= use.read
                is_passed_on |= use.is_passed_on
                aliases |= use.aliases
                if use.is_written:
                    self._add_key(use.key)
        for step in steps:
            if step.offset not in read and step.opname == "LOAD_CONST":
                self._add_constant(step.argval, is_passed_on)
            elif step.opname == "KW_NAMES":  # Python 3.11 and 3.12
                self._add_constant(code.co_consts[step.arg or 0], is_passed_on)
        for const in code.co_consts:
            if isinstance(const, CodeType):
                is_function = const.co_flags & inspect.CO_OPTIMIZED
                if is_deep or not is_function or const.co_name in COMPREHENSIONS:
                    self.add_code(const, aliases, is_deep)

    def _add_key(self, key: list[dis.Instruction]) -> None:
        if key and key[0].opname == "LOAD_CONST" and isinstance(key[0].argval, str):
            self.names.add(key[0].argval)
        else:
            self.has_unnamed = True

    def _add_constant(self, value: object, passes_on: bool) -> None:
        if isinstance(value, str):
            self.strings.add(value)
            if passes_on:
                self.names.add(value)
        elif isinstance(value, (tuple, frozenset)):
            for part in value:
                self._add_constant(part, passes_on)


@dataclass
class _Use:
    """What is done with os.environ at one point of the code."""

    is_written: bool = False
    is_passed_on: bool = False
    # The instruction of the key that is written, if it is a constant.
    key: list[dis.Instruction] = field(default_factory=list)
    read: set[int] = field(default_factory=set)
    aliases: set[str] = field(default_factory=set)

    @classmethod
    def of(cls, later: list[dis.Instruction], earlier: list[dis.Instruction]) -> _Use:
        """Read the instructions after and before the one that puts os.environ on the stack."""
        if not (spoken := _spoken(later, 2)):
            return cls()
        first = spoken[0]
        if first.opname in ("LOAD_ATTR", "LOAD_METHOD"):
            argument = spoken[1:]
            if _names(first) & READING:
                return cls(read={step.offset for step in argument})
            is_named = bool(_names(first) & WITH_KEY)
            return cls(bool(_names(first) & WRITING), key=argument if is_named else [])
        if first.opname.startswith("STORE_") and first.opname not in SUBSCRIPTS:
            return cls(aliases=_names(first))
        user = _find_user(later)
        if user is None:
            return cls(is_passed_on=True)
        is_key = first.opname == "LOAD_CONST" and spoken[-1].opname in SUBSCRIPTS
        key = [first] if is_key else []
        if user.opname in ("STORE_SUBSCR", "DELETE_SUBSCR"):
            return cls(True, key=key)
        if user.opname == "CONTAINS_OP":
            return cls(read={step.offset for step in earlier[-2:]})
        if user.opname == "BINARY_OP" and user.argrepr == "|=":
            return cls(True)
        if user.opname in ("BINARY_SUBSCR", "BINARY_OP"):
            return cls(read={step.offset for step in key})
        is_copied = any((s.opname, s.argval) == ("LOAD_GLOBAL", "dict") for s in earlier[-2:])
        return cls(is_passed_on=user.opname not in COPYING and not is_copied)


def _find_user(later: list[dis.Instruction]) -> dis.Instruction | None:
    """Return the instruction that takes what lies on top of the stack."""
    depth = 1
    for step in later:
        before = depth
        depth += dis.stack_effect(step.opcode, step.arg, jump=False)
        takes_two = step.opname in ("BINARY_SUBSCR", "BINARY_OP")
        if (
            depth <= 0
            or (takes_two and before == 2)
            or (step.opname == "GET_ITER" and before == 1)
        ):
            return step
    return None


def _spoken(steps: list[dis.Instruction], number: int) -> list[dis.Instruction]:
    """Return the first instructions that aren't silent."""
    return list(itertools.islice((s for s in steps if s.opname not in SILENT), number))


def _names(step: dis.Instruction) -> set[str]:
    """Return the names that an instruction has; some have two."""
    if step.opname == "LOAD_CONST":
        return {step.argval} if step.argval == "environ" else set()  # getattr(os, "environ")
    values = step.argval if isinstance(step.argval, tuple) else (step.argval,)
    return {value for value in values if isinstance(value, str)}


def _imported_names(code: CodeType) -> Iterator[str]:
    """Yield the modules that code imports, and what else may be one: ``from package import x``."""
    for each in nested_codes(code):
        module = ""
        if {"import_module", "__import__"} & set(each.co_names):
            yield from (const for const in each.co_consts if isinstance(const, str))
        for step in dis.get_instructions(each):
            if step.opname == "IMPORT_NAME":
                module = step.argval
                yield module
            elif step.opname == "IMPORT_FROM":
                yield f"{module}.{step.argval}"


def _module_codes(names: list[str], is_deep: bool) -> Iterator[CodeType]:
    """Yield the code of the user's own modules among these, and of those that they import."""
    names = names.copy()
    seen: set[str] = set()
    while names and len(seen) < MAX_MODULES:
        name = names.pop()
        if not name or name in seen or name == "__main__":
            continue
        seen.add(name)
        names.append(name.rpartition(".")[0])
        path = _source_file(name)
        if path is None:
            continue
        try:
            source = path.read_bytes()
            tree = ast.parse(source)
            code = compile(tree, str(path), "exec")
        except (OSError, SyntaxError, ValueError):
            continue  # the trial shows the error as its own
        names += _find_imports(
            _nodes(tree, is_deep), name if path.name == "__init__.py" else name.rpartition(".")[0]
        )
        if b"environ" in source or b"env(" in source:
            yield code


def _nodes(tree: ast.AST, is_deep: bool) -> Iterator[ast.AST]:
    """Yield the nodes of a module's tree, without those in functions if it isn't deep."""
    for node in ast.iter_child_nodes(tree):
        if is_deep or not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            yield node
            yield from _nodes(node, is_deep)


def _find_imports(nodes: Iterable[ast.AST], package: str) -> Iterator[str]:
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            outer = package.split(".")[: len(package.split(".")) - node.level + 1]
            parts = [*(outer if node.level else []), *filter(None, [node.module])]
            yield ".".join(parts)
            yield from (".".join([*parts, alias.name]) for alias in node.names)


def _source_file(name: str) -> Path | None:
    """Return the file of a module of the user's own; None for installed ones."""
    top, *parts = name.split(".")
    try:
        spec = importlib.util.find_spec(top)
    except (ImportError, ValueError):
        return None
    if spec is None or top == "sparkexp":
        return None
    locations = [Path(location) for location in spec.submodule_search_locations or ()]
    if not parts:
        found = [Path(spec.origin)] if spec.origin else []
    else:
        found = [location.joinpath(*parts) for location in locations]
        found = [p for f in found for p in (f.with_name(f"{f.name}.py"), f / "__init__.py")]
    return next((p for p in found if p.suffix == ".py" and _is_own(p) and p.is_file()), None)


def _is_own(path: Path) -> bool:
    return not {"site-packages", "dist-packages"} & set(path.parts) and not path.is_relative_to(
        Path(os.__file__).parent
    )
