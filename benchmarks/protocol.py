"""What all that is compared has in common: ask and tell, and the order to search."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from sparkexp.trial import ParamValue

__all__ = ["Order", "Sampler"]


@dataclass(frozen=True)
class Order:
    """How a search is run: what a searcher may be told beforehand.

    Parameters
    ----------
    n_trials : int
        The budget.
    slots : int
        Trials in flight.
    seed : int
        Of the searcher's random numbers.
    """

    n_trials: int
    slots: int
    seed: int


class Sampler(Protocol):
    """Proposes configurations and learns their values, of which less is better."""

    def ask(self) -> tuple[Any, Mapping[str, ParamValue]] | None:
        """Return a handle and a configuration, or None while there is nothing to propose."""

    def tell(self, handle: Any, value: float) -> None:
        """Learn the value of what was asked."""

    def close(self) -> None:
        """End the search."""
