"""What the public calls share: keywords, their descriptions, and errors for unknown ones."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Any, ParamSpec, TypeVar

from sparkexp.api.held_searches import check_held
from sparkexp.driver.option_row import Row, format_options
from sparkexp.driver.unknown_option import describe_unknown_option
from sparkexp.errors import InvalidArgumentError

__all__ = ["LEFT_OUT", "add_option_text", "collect_keywords", "public_call"]

P = ParamSpec("P")
R = TypeVar("R")

# They are positional in every call, so no misspelt keyword means them.
POSITIONAL = ("spark", "train")


class _LeftOut:
    def __repr__(self) -> str:
        return "LEFT_OUT"


# The default of a keyword if leaving it out differs from every value.
LEFT_OUT: Any = _LeftOut()


def collect_keywords(arguments: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
    """Return the arguments with these names, without those that were left out.

    Parameters
    ----------
    arguments : Mapping[str, Any]
        All arguments of a call by name: its ``locals()``, before it defines other variables.
    names : iterable of str
        The names to return; a name that the call doesn't have is skipped.
    """
    found = {name: arguments[name] for name in names if name in arguments}
    return {name: value for name, value in found.items() if value is not LEFT_OUT}


def public_call(
    rows: Mapping[str, Row], refused: Mapping[str, str] | None = None
) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Return a decorator for a call that has the options of a table among its keywords.

    It adds the descriptions of the options to the call's docstring. It also checks keywords: an
    unknown one raises `InvalidArgumentError`, which names the nearest. The keywords themselves are
    in the call's source, where editors find them; ``python -m docs.write_options`` writes them
    from the table.

    Parameters
    ----------
    rows : Mapping[str, Row]
        The options.
    refused : Mapping[str, str], optional
        Messages for keywords that the call refuses for a reason.
    """

    def complete(call: Callable[P, R]) -> Callable[P, R]:
        parameters = inspect.signature(call).parameters
        names = [name for name in parameters if name not in POSITIONAL]

        @functools.wraps(call)
        def call_checked(*args: P.args, **kwargs: P.kwargs) -> R:
            check_held(call.__name__)
            for name in kwargs:
                if name not in parameters:
                    message = describe_unknown_option(name, names, f"{call.__name__} has")
                    raise InvalidArgumentError((refused or {}).get(name, message))
            return call(*args, **kwargs)

        doc = inspect.getdoc(call)
        if doc is not None:  # Python was not started with -OO
            call_checked.__doc__ = add_option_text(doc, [r for n, r in rows.items() if n in names])
        return call_checked

    return complete


def add_option_text(doc: str, rows: Iterable[Row]) -> str:
    """Return a docstring with the descriptions of options added to its section Parameters.

    Examples
    --------
    >>> doc = chr(10).join(['Do it.', '', 'Parameters', '---', 'x : int', '', 'Returns', '---'])
    >>> print(add_option_text(doc, [Row('depth', 'int', 3, print, 'int', 'How deep.')]))
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
    return f"{head}\n{format_options(rows)}{returns}{tail}"
