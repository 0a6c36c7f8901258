"""What is said about an option that there isn't: the nearest one, and all that there are."""

from __future__ import annotations

import difflib
import os
from collections.abc import Collection

__all__ = ["nearest", "unknown_option"]

# Share of letters in common from which a name is taken for another one with a slip of the pen,
# and for one that was meant, where no word begins alike.
SLIP, ALIKE = 0.8, 0.7
# Letters with which two words begin alike, and their least share of the shorter word.
LETTERS, SHARE = 3, 0.4
# They stand before many names, and tell none of them.
EVERYWHERE = {"max", "min", "n", "num", "number", "of", "per", "trial"}


def unknown_option(name: str, names: Collection[str], owner: str = "There is") -> str:
    """Return the message for an option that a call doesn't have.

    Parameters
    ----------
    name : str
        The option.
    names : collection of str
        Those that the call has.
    owner : str
        Begins the sentence: the call with its verb.

    Examples
    --------
    >>> unknown_option('sed', ['direction', 'seed'], 'random_search has')
    "random_search has no option 'sed'. Did you mean 'seed'? The options are: direction, seed."
    """
    meant = nearest(name, names)
    hint = f" Did you mean {meant!r}?" if meant else ""
    return f"{owner} no option {name!r}.{hint} The options are: {', '.join(names)}."


def nearest(name: str, names: Collection[str]) -> str | None:
    """Return the name that was probably meant; None where none is near.

    A slip of the pen is the likeliest, then a word that begins alike, then any likeness.

    Examples
    --------
    >>> names = ['direction', 'popsize', 'isolation', 'cpus_per_trial', 'generations']
    >>> [nearest(name, names) for name in ('directon', 'population', 'cpus', 'iterations', 'lr')]
    ['direction', 'popsize', 'cpus_per_trial', 'generations', None]
    """
    given = name.lower()
    slips = difflib.get_close_matches(given, names, n=1, cutoff=SLIP)
    if slips:
        return slips[0]
    shared = {known: _shared(given, known) for known in names}
    best = max(names, key=lambda known: shared[known], default=None)
    if best is not None and shared[best] > 0:
        return best
    alike = difflib.get_close_matches(given, names, n=1, cutoff=ALIKE)
    return alike[0] if alike else None


def _shared(given: str, known: str) -> float:
    """Return how much of two names is one word, or the same beginning of one: 0 to 1."""
    best = 0
    for mine in _words(given):
        for theirs in _words(known):
            n = len(os.path.commonprefix([mine, theirs]))
            if n >= LETTERS and n >= SHARE * min(len(mine), len(theirs)):
                best = max(best, n)
    return 2 * best / (len(given) + len(known))


def _words(name: str) -> list[str]:
    return [word for word in name.split("_") if word not in EVERYWHERE]
