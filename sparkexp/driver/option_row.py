"""A row of the table of options: default, check, description, and which calls take it."""

from __future__ import annotations

import dataclasses
import textwrap
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

__all__ = ["Row", "format_options", "option", "rows_of"]

# Takes the name and the value of an option; returns the value as a Python type, or raises.
Check = Callable[[str, Any], Any]
# Lines of a docstring have 99 columns, less the indents of a function and of a description.
TEXT_COLUMNS = 91


@dataclass(frozen=True)
class Row:
    """An option: a row of the table.

    Parameters
    ----------
    name : str
        The keyword.
    annotation : str
        Its type, as in the source.
    default : object
        Its default.
    check : Callable
        Takes name and value, and returns the value or raises `InvalidArgumentError`.
    kind : str
        Its type in words, as docstrings show it.
    sentence : str
        What it does, in one sentence: for docstrings, the command line and docs/options.md.
    more : str
        Further sentences, for docstrings only.
    recorded : bool
        Whether a resumed search reads it from the run's record.
    resumed : bool
        Whether `resume` takes it; the other options say how a search begins.
    begins : bool
        Whether the calls that begin a search take it.
    default_words : str
        The default in docs/options.md, in words, where the value alone is not clear.
    page : str
        The page of the documentation that explains it.
    """

    name: str
    annotation: str
    default: object
    check: Check
    kind: str
    sentence: str
    more: str = ""
    recorded: bool = False
    resumed: bool = True
    begins: bool = True
    default_words: str = ""
    page: str = ""

    @property
    def shown_default(self) -> str:
        """The default as source text; empty for None and an empty tuple."""
        return "" if self.default is None or self.default == () else repr(self.default)


def option(
    default: object, kind: str, check: Check, sentence: str, more: str = "", **properties: Any
) -> Any:
    """Return the field of a dataclass that is an option; see `Row` for the parameters."""
    words = {"kind": kind, "check": check, "sentence": sentence, "more": more, **properties}
    return dataclasses.field(default=default, metadata=words)


def rows_of(table: type[Any]) -> dict[str, Row]:
    """Return the rows of a dataclass whose fields are options, by name, in order.

    Examples
    --------
    >>> @dataclass(frozen=True)
    ... class Table:
    ...     depth: 'int' = option(3, 'int', lambda name, value: value, 'How deep it is.')
    >>> rows_of(Table)['depth'].sentence
    'How deep it is.'
    """
    return {
        field.name: Row(field.name, str(field.type), field.default, **field.metadata)
        for field in dataclasses.fields(table)
    }


def format_options(rows: Iterable[Row]) -> str:
    """Return the lines that describe options in a docstring, in the form of numpydoc."""
    return "\n".join(f"{row.name} : {_format_kind(row)}\n{_format_paragraph(row)}" for row in rows)


def _format_kind(row: Row) -> str:
    return f"{row.kind}, {f'default {row.shown_default}' if row.shown_default else 'optional'}"


def _format_paragraph(row: Row) -> str:
    return textwrap.fill(
        f"{row.sentence} {row.more}".rstrip(),
        TEXT_COLUMNS + 4,
        initial_indent=" " * 4,
        subsequent_indent=" " * 4,
        break_long_words=False,
        break_on_hyphens=False,
    )
