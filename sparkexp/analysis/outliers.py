"""Which values lie so far out that an axis with them would show nothing else."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from sparkexp.objective import Objective

__all__ = ["FEWEST", "choose_ends", "find_limit_of_losses"]

# Of fewer values nobody can say which ones lie far out.
FEWEST = 5
# An outlier is farther beyond four fifths of the values than three times as far as these are from
# the best.
SHARE, REACH = 0.8, 3.0


def find_limit_of_losses(losses: Sequence[float]) -> float:
    """Return the largest loss that is no outlier; infinity where none is.

    Only bad values are outliers: nobody wants to miss the good ones.

    Parameters
    ----------
    losses : sequence of float
        In ascending order.

    Examples
    --------
    >>> find_limit_of_losses([0.0, 1.0, 2.0, 3.0, 226.6]), find_limit_of_losses([0.0, 1.0, 226.6])
    (12.0, inf)
    """
    n = len(losses)
    if n < FEWEST:
        return math.inf
    usual = losses[int(SHARE * (n - 1))]
    reach = REACH * (usual - losses[0])
    return usual + reach if reach > 0 else math.inf


def choose_ends(values: Iterable[float], objective: Objective) -> tuple[float, float]:
    """Return the ends of an axis on which all values have a place but the outliers.

    Examples
    --------
    >>> choose_ends([0.2, 0.3, 0.4, 0.5, 226.6], Objective('loss', 'min'))
    (0.2, 0.5)
    """
    given = list(values)
    limit = find_limit_of_losses(sorted(map(objective.loss, given)))
    inside = [value for value in given if objective.loss(value) <= limit] or [0.0, 1.0]
    return min(inside), max(inside)
