"""Keywords of the calls as options of the command line, with the words of their docstrings."""

from __future__ import annotations

import argparse
import inspect
import json
import re
from collections.abc import Callable, Iterable
from typing import Any

from sparkexp.cli.function_file import load_function
from sparkexp.cli.structured_file import read_structured
from sparkexp.errors import InvalidArgumentError

__all__ = ["add_options", "documented", "given_options", "keywords_of"]

# What is no option: it has an argument of its own here, or can't be written in a line.
_LEFT_OUT = {"spark", "train", "args_dict", "search_dict", "searcher", "search", "data", "options"}
_STRUCTURED = ("initial", "prune")


def keywords_of(call: Any) -> dict[str, tuple[str, str]]:
    """Return annotation and description of each keyword of a call, or of a dict of options.

    Examples
    --------
    >>> def call(spark, seed: int | None = None):
    ...     '''Do it.
    ...
    ...     Parameters
    ...     ----------
    ...     seed : int, optional
    ...         Makes it repeatable. Drawn if left out.
    ...     '''
    >>> keywords_of(call)
    {'seed': ('int | None', 'Makes it repeatable')}
    """
    told = documented(inspect.getdoc(call) or "")
    if isinstance(call, type):  # a TypedDict, which speaks of what its bases don't have
        given = {n: a for n, a in call.__annotations__.items() if n in told}
        annotations = {n: getattr(a, "__forward_arg__", a) for n, a in given.items()}
    else:
        annotations = {n: p.annotation for n, p in inspect.signature(call).parameters.items()}
    return {
        name: (str(annotation), told.get(name, ""))
        for name, annotation in annotations.items()
        if name not in _LEFT_OUT
    }


def documented(docstring: str) -> dict[str, str]:
    """Return the first sentence about each parameter in a docstring of numpydoc.

    Examples
    --------
    >>> documented('Do.' + chr(10) * 2 + 'Parameters' + chr(10) + '-' * 10 + chr(10) +
    ...            'min, max : int' + chr(10) + '    The bounds: both. More.')
    {'min': 'The bounds: both', 'max': 'The bounds: both'}
    """
    section = re.search(r"^Parameters\n-+\n(.*?)(?=^\w[\w ]*\n-{3}|\Z)", docstring, re.M | re.S)
    found: dict[str, str] = {}
    for heads, text in re.findall(
        r"^(\w[\w, ]*)(?: :[^\n]*)?\n((?:[ ]+[^\n]*\n?|\n)+)", section[1] if section else "", re.M
    ):
        words = " ".join(text.split()).replace("``", "").replace("`", "")
        for name in heads.split(","):
            found[name.strip()] = re.split(r"(?<!et al)\.(?: |$)|; ", words)[0]
    return found


def add_options(parser: argparse.ArgumentParser, title: str, calls: Iterable[Any]) -> None:
    """Add an option for each keyword of the calls, of equal ones the first.

    Nothing is checked here but what the value is: number, text, list. The rules are the calls'.

    Parameters
    ----------
    parser : argparse.ArgumentParser
        Gets the options, as a group.
    title : str
        The group's.
    calls : iterable of Callable or TypedDict
        The calls.
    """
    group = parser.add_argument_group(title)
    known = {name for action in parser._actions for name in action.option_strings}
    for name, (annotation, text) in _merged(calls).items():
        flag = "--" + name.replace("_", "-")
        if flag in known:
            continue
        words = text.replace("%", "%%")
        if annotation == "bool":
            group.add_argument(
                flag, action=argparse.BooleanOptionalAction, default=argparse.SUPPRESS, help=words
            )
            continue
        several = "Sequence[" in annotation or "list[" in annotation
        settings: dict[str, Any] = {"nargs": "+"} if several and name not in _STRUCTURED else {}
        group.add_argument(
            flag,
            type=_reader(name, annotation),
            default=argparse.SUPPRESS,
            metavar=_metavar(name, annotation),
            help=words,
            **settings,
        )


def _merged(calls: Iterable[Any]) -> dict[str, tuple[str, str]]:
    merged: dict[str, tuple[str, str]] = {}
    for call in calls:
        for name, (annotation, text) in keywords_of(call).items():
            merged[name] = merged[name] if merged.get(name, ("", ""))[1] else (annotation, text)
    return merged


def given_options(arguments: argparse.Namespace, calls: Iterable[Any]) -> dict[str, Any]:
    """Return the keywords that the command line gives.

    Parameters
    ----------
    arguments : argparse.Namespace
        What the parser of `add_options` found.
    calls : iterable of Callable or TypedDict
        The same calls.

    Raises
    ------
    InvalidArgumentError
        If a file or a function that a value names can't be read.
    """
    found: dict[str, Any] = {}
    for name, (annotation, _) in _merged(calls).items():
        if name not in arguments:
            continue
        value = getattr(arguments, name)
        if isinstance(value, list) and len(value) == 1 and "Sequence[str]" != annotation:
            value = value[0]
        if name in _STRUCTURED and isinstance(value, str):
            value = _structured(name, value)
        elif annotation.startswith("Where") and value is not None:
            value = load_function(value)
        found[name] = value
    return found


def _reader(name: str, annotation: str) -> Callable[[str], Any]:
    numeric = re.search(r"\b(int|float)\b", annotation)
    return _number if numeric and name not in _STRUCTURED else _text


def _metavar(name: str, annotation: str) -> str:
    if annotation.startswith("Where"):
        return "FILE.py:FUNCTION"
    if re.search(r"\bint\b", annotation) and name not in _STRUCTURED:
        return "N"
    return "X" if re.search(r"\bfloat\b", annotation) else "VALUE"


def _number(text: str) -> int | float | str | None:
    """Return the number, or the text, of which the call will say that it is none."""
    if text.lower() == "none":
        return None
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            pass
    return text


def _text(text: str) -> str | None:
    return None if text.lower() == "none" else text


def _structured(name: str, text: str) -> Any:
    if text.lstrip()[:1] in ("{", "["):
        try:
            return json.loads(text)
        except ValueError as error:
            raise InvalidArgumentError(
                f"{name} must be JSON or a .json or .yaml file, got {text!r}: {error}."
            ) from None
    return read_structured(name, text) if "." in text else text
