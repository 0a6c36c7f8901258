"""Checks that a train function can be called with the names of a search space."""

from __future__ import annotations

import difflib
import inspect
import sys
from collections.abc import Callable, Collection, Iterable
from pathlib import Path

from sparkexp.errors import TrainFunctionError

MAX_NAME_CHARS = 60

__all__ = ["check_train", "file_name", "function_name", "takes", "locate_function"]


def check_train(
    train: Callable[..., object],
    names: Iterable[str],
    takes_data: bool = False,
    sometimes: Collection[str] = (),
    given_by: str = "the search space",
) -> None:
    """Check that a function can be called with these keyword arguments.

    Parameters
    ----------
    train : Callable
        The user's function; it is not called.
    names : iterable of str
        The names that every trial passes.
    takes_data : bool
        Whether the data is passed as the first positional argument.
    sometimes : collection of str
        Names that only other trials pass; the error asks for a default of these.
    given_by : str
        Where the names come from, for the error.

    Raises
    ------
    TrainFunctionError
        If it is no function, or has unknown or missing arguments; the message names them.

    Examples
    --------
    >>> check_train(lambda learning_rate, epochs=3: 0.0, ['learning_rate'])
    >>> check_train(lambda learning_rate: 0.0, ['learning_rat'])
    Traceback (most recent call last):
        ...
    sparkexp.errors.TrainFunctionError: The train function has no argument 'learning_rat' (did \
you mean 'learning_rate'?). ...
    """
    if not callable(train):
        raise TrainFunctionError(
            f"The train function must be a function, got {type(train).__name__}. Hand over the "
            "function itself, without calling it: launch(spark, train, …)."
        )
    if inspect.iscoroutinefunction(train) or inspect.isgeneratorfunction(train):
        raise TrainFunctionError(
            "The train function must return its metric when it is called; a coroutine or "
            "generator function doesn't. Wrap it in a function that runs it to its end."
        )
    try:
        parameters = list(inspect.signature(train).parameters.values())
    except (TypeError, ValueError):
        return  # functions in C have no signature: the trial shows what is wrong
    if takes_data:
        parameters = _drop_data(parameters)
    given = set(names)
    keyword = [p for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]
    accepts_any = any(p.kind is p.VAR_KEYWORD for p in parameters)
    known = {p.name for p in keyword}
    unknown = [] if accepts_any else sorted(given - known)
    missing = sorted(
        p.name
        for p in parameters
        if p.default is p.empty
        and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)
        and (p.kind is p.POSITIONAL_ONLY or p.name not in given)
    )
    takes_one = missing == sorted(known) and len(missing) == 1 and given
    is_slip = missing and difflib.get_close_matches(missing[0], unknown, n=1)
    if takes_one and unknown == sorted(given) and not is_slip:
        raise TrainFunctionError(
            f"The train function gets each parameter as an argument of its own, not a dict "
            f"{missing[0]!r} of all. Write def train({', '.join(unknown)}), or def "
            f"train(**{missing[0]})."
        )
    if unknown or missing:
        raise TrainFunctionError(_describe_mismatch(unknown, missing, known, sometimes, given_by))


def _drop_data(parameters: list[inspect.Parameter]) -> list[inspect.Parameter]:
    first = parameters[0] if parameters else None
    if first is None or first.kind in (first.KEYWORD_ONLY, first.VAR_KEYWORD):
        raise TrainFunctionError(
            "With data= the train function gets the data as its first positional argument, but it "
            "has none. Write def train(data, …)."
        )
    return parameters if first.kind is first.VAR_POSITIONAL else parameters[1:]


def _describe_mismatch(
    unknown: list[str],
    missing: list[str],
    known: set[str],
    sometimes: Collection[str],
    given_by: str,
) -> str:
    parts = []
    for name in unknown:
        close = difflib.get_close_matches(name, sorted(known), n=1)
        hint = f" (did you mean {close[0]!r}?)" if close else ""
        parts.append(f"The train function has no argument {name!r}{hint}.")
    for name in [name for name in missing if name in sometimes]:
        parts.append(f"Not every trial gives its argument {name!r}: it needs a default.")
    missing = [name for name in missing if name not in sometimes]
    if missing:
        listed = ", ".join(map(repr, missing))
        parts.append(f"The search gives no value for its argument {listed}, without default.")
    arguments = ", ".join(sorted(known)) or "no arguments"
    parts.append(f"It takes: {arguments}. Change the function or {given_by}.")
    return " ".join(parts)


def takes(train: Callable[..., object], name: str) -> bool:
    """Tell whether a function has an argument of this name that can be given by keyword.

    Examples
    --------
    >>> takes(lambda x, seed=0: x, 'seed'), takes(lambda x, **rest: x, 'seed')
    (True, False)
    """
    try:
        found = inspect.signature(train).parameters.get(name)
    except (TypeError, ValueError):
        return False
    return found is not None and found.kind in (found.POSITIONAL_OR_KEYWORD, found.KEYWORD_ONLY)


def function_name(train: Callable[..., object]) -> str:
    """Return a name for a run of this function.

    Examples
    --------
    >>> function_name(function_name), function_name(lambda: 0)
    ('function_name', 'lambda')
    """
    inner = getattr(train, "func", train)  # a functools.partial
    return file_name(str(getattr(inner, "__name__", type(inner).__name__)))


def locate_function(train: Callable[..., object]) -> str | None:
    """Return the file and name to import a function from, such as ``/path/to/train.py:train``.

    Return None for a function inside another one, in a notebook, or in a script: importing a
    script would run it again.

    Examples
    --------
    >>> str(locate_function(locate_function)).rpartition('/')[2]
    'train_function.py:locate_function'
    >>> locate_function(lambda x: x) is None
    True
    """
    name = getattr(train, "__qualname__", "")
    module = sys.modules.get(getattr(train, "__module__", None) or "")
    file = getattr(module, "__file__", None) or ""
    if not inspect.isfunction(train) or module is None or module.__name__ == "__main__":
        return None
    if getattr(module, name, None) is not train or not file.endswith(".py"):
        return None
    return f"{Path(file).absolute()}:{name}"


def file_name(name: str) -> str:
    """Return a name without the characters that don't belong in a file name.

    Examples
    --------
    >>> file_name('../my run')
    '..myrun'
    """
    kept = "".join(c if c.isalnum() or c in "-_." else "" for c in name)
    return kept[:MAX_NAME_CHARS] or "train"
