"""A search is tried out without training anything."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sparkexp.api.evolutionary_search import evolutionary_search
from sparkexp.api.launch import launch
from sparkexp.api.random_search import random_search
from sparkexp.api.search import search as search_with
from sparkexp.errors import InvalidArgumentError
from sparkexp.results.result import Result

__all__ = ["dry_run"]


def dry_run(search: Callable[..., Result], *args: Any, **options: Any) -> Result:
    """Show the plan of a search, and try it out on one executor without training anything.

    Parameters
    ----------
    search : Callable
        `launch`, `search`, `evolutionary_search` or `random_search`.
    *args, **options
        The arguments of the search.

    Returns
    -------
    Result
        One trial: failed if the train function or a module that it needs can't be loaded on an
        executor; its ``output`` names Python, the modules and their versions. Nothing is left on
        disk.

    Raises
    ------
    SparkexpError
        What the search itself would raise.

    Examples
    --------
    >>> def train(x):
    ...     raise RuntimeError('never called')
    >>> dry_run(random_search, None, train, {'x': [0.0, 1.0]}, engine='inline',
    ...         progress=False).failures()
    <function train at ...
    {}
    """
    if search not in (launch, search_with, evolutionary_search, random_search):
        raise InvalidArgumentError(
            "dry_run tries out launch, search, evolutionary_search or random_search, got "
            f"{search!r}. Write dry_run(launch, spark, train, …)."
        )
    return search(*args, **{**options, "dry_run": True})
