"""What is written once about an option: its default, its rule, its words, and who takes it."""

from __future__ import annotations

import dataclasses
import textwrap
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

__all__ = ["Row", "option", "option_text", "rows_of"]

# Takes the name and the value of an option; returns the value as Python's own, or refuses it.
Check = Callable[[str, Any], Any]
# A docstring's lines of 99 columns, in a function and below a name.
TEXT_COLUMNS = 91


@dataclass(frozen=True)
class Row:
    """An option, as the table has it.

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
        Its type in words, as a docstring has it.
    sentence : str
        What it does, in one sentence: for docstrings, the command line and the README.
    more : str
        What docstrings say beside.
    recorded : bool
        Whether a resumed search takes it over from the run's record.
    resumed : bool
        Whether `resume` takes it; the others say how a search begins.
    default_words : str
        The default in the README, where the value says too little.
    page : str
        The document that says more.
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
    default_words: str = ""
    page: str = ""

    @property
    def shown_default(self) -> str:
        """The default as it is written; empty where it says nothing."""
        return "" if self.default is None or self.default == () else repr(self.default)


def option(
    default: object, kind: str, check: Check, sentence: str, more: str = "", **is_: Any
) -> Any:
    """Return the field of a dataclass that is an option; see `Row` for the parameters."""
    words = {"kind": kind, "check": check, "sentence": sentence, "more": more, **is_}
    return dataclasses.field(default=default, metadata=words)


def rows_of(table: type[Any]) -> dict[str, Row]:
    """Return the rows of a dataclass whose fields are options, by name and in their order.

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


def option_text(rows: Iterable[Row]) -> str:
    """Return what a docstring says about options, in the form of numpydoc."""
    return "\n".join(f"{row.name} : {_kind(row)}\n{_paragraph(row)}" for row in rows)


def _kind(row: Row) -> str:
    return f"{row.kind}, {f'default {row.shown_default}' if row.shown_default else 'optional'}"


def _paragraph(row: Row) -> str:
    return textwrap.fill(
        f"{row.sentence} {row.more}".rstrip(),
        TEXT_COLUMNS + 4,
        initial_indent=" " * 4,
        subsequent_indent=" " * 4,
        break_long_words=False,
        break_on_hyphens=False,
    )
