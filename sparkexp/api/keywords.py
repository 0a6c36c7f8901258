"""What the users' calls share: real keywords, their texts, and a word about unknown ones."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Any, ParamSpec, TypeVar

from sparkexp.driver.option_row import Row, option_text
from sparkexp.driver.unknown_option import unknown_option
from sparkexp.errors import InvalidArgumentError

__all__ = ["LEFT_OUT", "given_keywords", "public_call", "with_option_text"]

P = ParamSpec("P")
R = TypeVar("R")

# They come first in every call, by place: nobody means them by a keyword with a typing error.
PLACES = ("spark", "train")


class _LeftOut:
    def __repr__(self) -> str:
        return "LEFT_OUT"


# The default of a keyword where it makes a difference whether it is given.
LEFT_OUT: Any = _LeftOut()


def given_keywords(arguments: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
    """Return the arguments of these names but for those that were left out.

    Parameters
    ----------
    arguments : Mapping[str, Any]
        All arguments of a call by their names: its ``locals()``, before it has others.
    names : iterable of str
        Those that are wanted, if the call has them.
    """
    found = {name: arguments[name] for name in names if name in arguments}
    return {name: value for name, value in found.items() if value is not LEFT_OUT}


def public_call(
    rows: Mapping[str, Row], refused: Mapping[str, str] | None = None
) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Complete a call that has the options of a table among its keywords.

    Its docstring gets the table's texts, and an unknown keyword is our error, which names the
    nearest one. The keywords themselves stand in the call's source, where editors look for them;
    ``python -m docs.write_options`` writes them from the table.

    Parameters
    ----------
    rows : Mapping[str, Row]
        The options.
    refused : Mapping[str, str], optional
        Messages about keywords that the call doesn't have for a reason.
    """

    def completed(call: Callable[P, R]) -> Callable[P, R]:
        parameters = inspect.signature(call).parameters
        names = [name for name in parameters if name not in PLACES]

        @functools.wraps(call)
        def checked(*args: P.args, **kwargs: P.kwargs) -> R:
            for name in kwargs:
                if name not in parameters:
                    message = unknown_option(name, names, f"{call.__name__} has")
                    raise InvalidArgumentError((refused or {}).get(name, message))
            return call(*args, **kwargs)

        doc = inspect.getdoc(call)
        if doc is not None:  # Python was not started with -OO
            checked.__doc__ = with_option_text(doc, [r for n, r in rows.items() if n in names])
        return checked

    return completed


def with_option_text(doc: str, rows: Iterable[Row]) -> str:
    """Return a docstring whose section Parameters ends with what the table says of options.

    Examples
    --------
    >>> doc = chr(10).join(['Do it.', '', 'Parameters', '---', 'x : int', '', 'Returns', '---'])
    >>> print(with_option_text(doc, [Row('depth', 'int', 3, print, 'int', 'How deep.')]))
    Do it.
    <BLANKLINE>
    Parameters
    ---
    x : int
    depth : int, default 3
        How deep.
    <BLANKLINE>
    Returns
    ---
    """
    head, returns, tail = doc.partition("\n\nReturns\n---")
    return f"{head}\n{option_text(rows)}{returns}{tail}"
