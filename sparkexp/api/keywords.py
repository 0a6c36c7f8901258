"""What the public calls share: keywords, their descriptions, and errors for unknown ones."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, ParamSpec, TypeVar

from sparkexp.api.held_searches import check_held
from sparkexp.checks import as_int
from sparkexp.driver.option_row import Row, format_options
from sparkexp.driver.unknown_option import describe_unknown_option
from sparkexp.errors import InvalidArgumentError

__all__ = ["LEFT_OUT", "Configurations", "add_option_text", "collect_keywords", "public_call"]

P = ParamSpec("P")
R = TypeVar("R")

# They are positional in every call, so no misspelt keyword means them.
POSITIONAL = ("spark", "train")


class _LeftOut:
    def __repr__(self) -> str:
        return "LEFT_OUT"


# The default of a keyword if leaving it out differs from every value.
LEFT_OUT: Any = _LeftOut()


@dataclass(frozen=True)
class Configurations:
    """A budget that ``n_trials=`` has given: an older word, which no description shows.

    It is a number of trials like ``max_trials``, except where a configuration takes several of
    them: with ``fidelity`` and ``repeats`` it counts the configurations.
    """

    n: int

    def count_trials(self, repeats: int = 1, confirm: int = 0) -> int:
        """Return the trials that the configurations take, each of them `repeats`.

        Examples
        --------
        >>> Configurations(6).count_trials(repeats=2, confirm=2)
        16
        """
        return (self.n + confirm) * repeats


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
            if next(iter(parameters)) == POSITIONAL[0]:
                _check_order(call.__name__, args)
            if "n_trials" in kwargs and "max_trials" in parameters:
                _rename_budget(parameters, args, kwargs)
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


def _check_order(name: str, args: tuple[Any, ...]) -> None:
    """Refuse a call whose first arguments are not the session and the train function."""
    if args and inspect.isroutine(args[0]):
        raise InvalidArgumentError(
            f"The first argument is the SparkSession: {name}(spark, train, …). To try it out "
            f"without Spark, write {name}(None, train, …, engine='inline')."
        )
    if len(args) > 2 and isinstance(args[1], Mapping) and callable(args[2]):
        raise InvalidArgumentError(
            f"The train function comes before the parameters: {name}(spark, train, "
            "{'learning_rate': …})."
        )


def _rename_budget(
    parameters: Mapping[str, inspect.Parameter], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> None:
    """Replace the keyword ``n_trials`` by ``max_trials``, unless both are given and differ."""
    given = kwargs.pop("n_trials")
    if given is None or given is LEFT_OUT:
        return
    n = as_int("n_trials", given, at_least=1)
    by_position = dict(zip(parameters, args, strict=False))
    limit = kwargs.get("max_trials", by_position.get("max_trials"))
    if limit is None or limit is LEFT_OUT:
        if "max_trials" not in by_position:
            kwargs["max_trials"] = Configurations(n)
    elif limit != n:
        raise InvalidArgumentError(
            "n_trials is another word for max_trials, and the two have to be equal, got "
            f"n_trials={n} and max_trials={limit!r}. Give max_trials only."
        )


def add_option_text(doc: str, rows: Iterable[Row]) -> str:
    """Return a docstring with the descriptions of options added to its section Parameters.

    An option that the docstring describes itself keeps that description.

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
    rows = [row for row in rows if f"\n{row.name} : " not in head]
    return f"{head}\n{format_options(rows)}{returns}{tail}"
