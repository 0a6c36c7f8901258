"""Texts of users, made safe for a terminal and for a spreadsheet."""

from __future__ import annotations

import re

__all__ = ["csv_cell", "on_one_line", "printable", "shorten"]

MAX_CHARS = 60

# What a terminal obeys, and what makes a line read otherwise than it is written: control
# characters but for tab and new line, directions, odd line ends; and what can't be encoded.
_OBEYED = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]"
)
# What begins a formula in Excel, LibreOffice and Google Sheets.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


def printable(text: str) -> str:
    r"""Return a text in which nothing is left that a terminal obeys.

    Examples
    --------
    >>> print(printable('\x1b[2J gone\r\nhere'))
    \x1b[2J gone
    here
    """
    return _OBEYED.sub(_escaped, text.replace("\r\n", "\n"))


def on_one_line(text: str) -> str:
    r"""Return a text as `printable` does, with its tabs and new lines escaped, too.

    Examples
    --------
    >>> print(on_one_line('one\ntwo'))
    one\ntwo
    """
    return printable(text).replace("\n", "\\n").replace("\t", "\\t")


def csv_cell(value: object) -> object:
    """Return what is written to a CSV file for a value: no text is a formula there.

    Examples
    --------
    >>> csv_cell('=1+1'), csv_cell(-1), csv_cell('adam')
    ("'=1+1", -1, 'adam')
    """
    if not isinstance(value, str):
        return value
    return ("'" if value.startswith(_FORMULA) else "") + printable(value)


def shorten(text: str) -> str:
    """Return the beginning of a text that is too long for a table, on one line."""
    line = " ".join(text.split())
    return line if len(line) <= MAX_CHARS else line[: MAX_CHARS - 1] + "…"


def _escaped(found: re.Match[str]) -> str:
    return found[0].encode("unicode_escape").decode()
