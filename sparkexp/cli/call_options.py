"""Keywords of the calls as options of the command line, with the words that are said of them."""

from __future__ import annotations

import argparse
import inspect
import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sparkexp.api.fidelity_options import SEARCH_ROWS
from sparkexp.cli.function_file import load_function
from sparkexp.cli.structured_file import read_structured
from sparkexp.driver.option_row import Row
from sparkexp.errors import InvalidArgumentError

__all__ = [
    "Keyword",
    "add_budget",
    "add_options",
    "documented",
    "given_options",
    "keywords_of_rows",
    "own_keywords",
]

# What is no option: it has an argument of its own here, or can't be written in a line.
_LEFT_OUT = {"spark", "train", "args_dict", "search_dict", "searcher", "search", "data"}
_STRUCTURED = ("initial", "prune")
# Shorter words for options.
_SHORT = {"workers_per_trial": "--workers"}


@dataclass(frozen=True)
class Keyword:
    """A keyword of a call.

    Parameters
    ----------
    annotation : str
        Its type, as in the source.
    sentence : str
        What it does.
    """

    annotation: str
    sentence: str


def keywords_of_rows(rows: Mapping[str, Row]) -> dict[str, Keyword]:
    """Return the options of a table as keywords."""
    found = {}
    for name, row in rows.items():
        words = _plain(row.sentence).removesuffix(".")
        if row.shown_default:
            words += f" (default: {row.shown_default})"
        found[name] = Keyword(row.annotation, words)
    return {name: keyword for name, keyword in found.items() if name not in _LEFT_OUT}


def own_keywords(calls: Iterable[Callable[..., Any]]) -> dict[str, Keyword]:
    """Return the keywords of calls that stand in no table, of equal ones the first with words.

    Examples
    --------
    >>> def call(spark, seed: int | None = None, metric: str | None = None):
    ...     '''Do it.
    ...
    ...     Parameters
    ...     ----------
    ...     seed : int, optional
    ...         Makes it repeatable. Drawn if left out.
    ...     '''
    >>> own_keywords([call])
    {'seed': Keyword(annotation='int | None', sentence='Makes it repeatable')}
    """
    found: dict[str, Keyword] = {}
    for call in calls:
        told = documented(inspect.getdoc(call) or "")
        for name, parameter in inspect.signature(call).parameters.items():
            if name in _LEFT_OUT or name in SEARCH_ROWS:
                continue
            if name not in found or not found[name].sentence:
                found[name] = Keyword(str(parameter.annotation), told.get(name, ""))
    return found


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
        words = _plain(text)
        for name in heads.split(","):
            found[name.strip()] = re.split(r"(?<!et al)\.(?: |$)|; ", words)[0]
    return found


def _plain(text: str) -> str:
    return " ".join(text.split()).replace("`", "")


def add_options(
    parser: argparse.ArgumentParser, title: str, keywords: Mapping[str, Keyword]
) -> None:
    """Add an option for each keyword.

    Nothing is checked here but what the value is: number, text, list. The rules are the calls'.

    Parameters
    ----------
    parser : argparse.ArgumentParser
        Gets the options, as a group.
    title : str
        The group's.
    keywords : Mapping[str, Keyword]
        The keywords by name.
    """
    group = parser.add_argument_group(title)
    for name, keyword in keywords.items():
        flag, annotation = "--" + name.replace("_", "-"), keyword.annotation
        words = keyword.sentence.replace("%", "%%")
        if annotation == "bool":
            group.add_argument(
                flag, action=argparse.BooleanOptionalAction, default=argparse.SUPPRESS, help=words
            )
            continue
        several = "Sequence[" in annotation and name not in _STRUCTURED
        settings: dict[str, Any] = {"nargs": "+"} if several else {}
        group.add_argument(
            *filter(None, (flag, _SHORT.get(name))),
            type=_reader(name, annotation),
            default=argparse.SUPPRESS,
            metavar=_metavar(name, annotation),
            help=words,
            **settings,
        )


def add_budget(parser: argparse.ArgumentParser) -> None:
    """Add older words for ``--max-trials``, which the help doesn't show."""
    parser.add_argument(
        "--n-trials", "--trials", dest="n_trials", type=_number, action="append",
        default=argparse.SUPPRESS, help=argparse.SUPPRESS,
    )  # fmt: skip


def given_options(
    arguments: argparse.Namespace, keywords: Mapping[str, Keyword]
) -> dict[str, Any]:
    """Return the keywords that the command line gives.

    Parameters
    ----------
    arguments : argparse.Namespace
        What the parser of `add_options` found.
    keywords : Mapping[str, Keyword]
        The same keywords.

    Raises
    ------
    InvalidArgumentError
        If a file or a function that a value names can't be read.
    """
    found: dict[str, Any] = {}
    if "n_trials" in arguments:
        found["n_trials"], *others = arguments.n_trials
        if any(each != found["n_trials"] for each in others):
            raise InvalidArgumentError(
                "--trials and --n-trials are other words for --max-trials, and have to be equal, "
                f"got {' and '.join(map(str, arguments.n_trials))}. Give --max-trials only."
            )
    for name, keyword in keywords.items():
        if name not in arguments:
            continue
        value, annotation = getattr(arguments, name), keyword.annotation
        if name in _SHORT and isinstance(value, str):
            raise InvalidArgumentError(f"{_SHORT[name]} must be a number, got {value!r}.")
        if isinstance(value, list) and len(value) == 1 and "Sequence[str]" != annotation:
            value = value[0]
        if name in _STRUCTURED and isinstance(value, str):
            value = _structured(name, value)
        elif _is_function(annotation) and value is not None:
            value = load_function(value)
        found[name] = value
    return found


def _reader(name: str, annotation: str) -> Callable[[str], Any]:
    numeric = re.search(r"\b(int|float)\b", annotation)
    return _number if numeric and name not in _STRUCTURED else _text


def _is_function(annotation: str) -> bool:
    return annotation.startswith(("Callable", "Where"))


def _metavar(name: str, annotation: str) -> str:
    if _is_function(annotation):
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
