"""Numbers of things in words."""

from __future__ import annotations

__all__ = ["count"]


def count(n: int, noun: str) -> str:
    """Return how many there are, with the noun in the singular of one.

    Examples
    --------
    >>> count(1, 'trial'), count(0, 'trial'), count(2500, 'trial')
    ('1 trial', '0 trials', '2500 trials')
    """
    return f"{n} {noun}{'' if n == 1 else 's'}"
