"""The name that was probably meant by one that isn't there."""

from __future__ import annotations

import os
from collections.abc import Collection

__all__ = ["find_nearest"]

# Shares of equal letters. From the first on, a name counts as a typing error of another one. From
# the second on, it counts as similar, if no word begins alike.
SLIP, ALIKE = 0.8, 0.7
# Two words begin alike if their first letters are equal: at least this many, and at least this
# share of the shorter word.
LETTERS, SHARE = 3, 0.4
# Words that are in too many names to tell them apart.
EVERYWHERE = {"max", "min", "n", "num", "number", "of", "per", "trial"}


def find_nearest(name: str, names: Collection[str]) -> str | None:
    """Return the name that was probably meant; None if no name is near.

    A typing error is tried first, then a word that begins alike, then any similarity.

    Examples
    --------
    >>> names = ['direction', 'popsize', 'isolation', 'cpus_per_trial', 'generations']
    >>> given = ('directon', 'population', 'cpus', 'iterations', 'lr')
    >>> [find_nearest(name, names) for name in given]
    ['direction', 'popsize', 'cpus_per_trial', 'generations', None]
    """
    import difflib  # a trial's process needs it for an error only

    given = name.lower()
    slips = difflib.get_close_matches(given, names, n=1, cutoff=SLIP)
    if slips:
        return slips[0]
    overlaps = {known: _measure_overlap(given, known) for known in names}
    best = max(names, key=lambda known: overlaps[known], default=None)
    if best is not None and overlaps[best] > 0:
        return best
    alike = difflib.get_close_matches(given, names, n=1, cutoff=ALIKE)
    return alike[0] if alike else None


def _measure_overlap(given: str, known: str) -> float:
    """Return how much of two names is a common word or beginning of a word, from 0 to 1."""
    best = 0
    for mine in _split_words(given):
        for theirs in _split_words(known):
            n = len(os.path.commonprefix([mine, theirs]))
            if n >= LETTERS and n >= SHARE * min(len(mine), len(theirs)):
                best = max(best, n)
    return 2 * best / (len(given) + len(known))


def _split_words(name: str) -> list[str]:
    return [word for word in name.split("_") if word not in EVERYWHERE]
