"""The message for an unknown option: it names the nearest option, and all others."""

from __future__ import annotations

from collections.abc import Collection

from sparkexp.texts.near_names import find_nearest

__all__ = ["describe_unknown_option"]


def describe_unknown_option(name: str, names: Collection[str], owner: str = "There is") -> str:
    """Return the message for an option that a call doesn't have.

    Parameters
    ----------
    name : str
        The unknown option.
    names : collection of str
        The options that the call has.
    owner : str
        The start of the sentence: the call and its verb.

    Examples
    --------
    >>> describe_unknown_option('sed', ['direction', 'seed'], 'random_search has')
    "random_search has no option 'sed'. Did you mean 'seed'? The options are: direction, seed."
    """
    guess = find_nearest(name, names)
    hint = f" Did you mean {guess!r}?" if guess else ""
    return f"{owner} no option {name!r}.{hint} The options are: {', '.join(names)}."
