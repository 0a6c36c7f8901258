"""The fidelity: how long trials train on each rung of a multi-fidelity search."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

from sparkexp.checks import as_float, as_int
from sparkexp.errors import InvalidArgumentError

__all__ = ["Fidelity"]

# In rungs. A level closer to the top one would cost nearly as much, and add little.
_CLOSE = 0.5


@dataclass(frozen=True)
class Fidelity:
    """An argument of the train function that says how long a trial trains.

    Parameters
    ----------
    name : str
        The argument, such as ``'epochs'``.
    min : int
        Its value on the lowest rung, at least 1.
    max : int
        Its value on the top rung: full fidelity.
    eta : float
        The factor from one rung to the next, at least 1.5. About one of eta configurations is
        promoted.

    Raises
    ------
    InvalidArgumentError
        If an argument is not valid.

    Examples
    --------
    >>> Fidelity('epochs', 1, 27).levels
    (1, 3, 9, 27)
    >>> Fidelity('epochs', 2, 50, eta=4).levels
    (2, 8, 50)
    """

    name: str
    min: int = 1
    max: int = 27
    eta: float = 3
    #: The whole numbers ``min * eta**k`` below `max`, then `max`.
    levels: tuple[int, ...] = field(init=False, compare=False)

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not self.name.isidentifier():
            raise InvalidArgumentError(
                "fidelity names the argument of the train function that says how long it trains, "
                f"got {self.name!r}: give for example fidelity='epochs'."
            )
        least = as_int("min", self.min, at_least=1)
        most = as_int("max", self.max, at_least=1)
        if most <= least:
            raise InvalidArgumentError(
                f"max is above min, got min={least} and max={most}: give for example "
                f"min={least}, max={27 * least}."
            )
        eta = as_float("eta", self.eta, low=1.5)
        # A whole number is recorded and shown as 3, not as 3.0.
        object.__setattr__(self, "eta", int(eta) if eta == int(eta) else eta)
        object.__setattr__(self, "min", least)
        object.__setattr__(self, "max", most)
        object.__setattr__(self, "levels", tuple(_compute_levels(least, most, eta)))

    @property
    def top(self) -> int:
        """The number of the highest rung."""
        return len(self.levels) - 1

    def settings(self) -> dict[str, Any]:
        """Return the settings of a searcher with this fidelity, for the record."""
        return {"fidelity": self.name, "min": self.min, "max": self.max, "eta": self.eta}


def _compute_levels(least: int, most: int, eta: float) -> list[int]:
    levels = [least]
    k = 1
    while (level := round(least * eta**k)) < most:
        if level > levels[-1]:
            levels.append(level)
        k += 1
    # The logarithm to base eta counts rungs.
    if len(levels) > 1 and math.log(most / levels[-1], eta) < _CLOSE:
        levels.pop()
    return [*levels, most]
