"""A call of fit in a worker, and what may take part in it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Protocol

from sparkexp.distributed.collectives import Collectives

__all__ = ["Fit", "FitHook"]


@dataclass
class Fit:
    """A call of fit that is about to begin, with what a hook may set.

    The model and its optimizer are built. Rank 0's weights and optimizer variables are sent to all
    after the hooks, and so are `initial_epoch` and `first_example`.

    Parameters
    ----------
    model : keras.Model
        The model.
    gang : Collectives
        The workers.
    epochs : int
        Where training ends.
    batch_size : int or None
        Examples in a step of the whole gang, if that is known.
    examples : int or None
        Examples in an epoch of the whole gang, if that is known.
    steps : int or None
        Steps in an epoch, if that is known.
    own_batch : int or None
        The batch_size that the train function gave, if that is known.
    by_place : bool
        Whether the first epoch can begin at any example: it can with arrays.
    initial_epoch : int
        The first epoch; may be set.
    first_example : int
        The example at which the first epoch goes on, counted over the gang; may be set.
    given_epoch : int
        The initial_epoch that the train function gave.
    """

    model: Any
    gang: Collectives
    epochs: int
    batch_size: int | None
    examples: int | None
    steps: int | None
    own_batch: int | None
    by_place: bool
    initial_epoch: int = 0
    first_example: int = 0
    given_epoch: int = field(init=False)

    def __post_init__(self) -> None:
        self.given_epoch = self.initial_epoch


class FitHook(Protocol):
    """Takes part in every fit of a worker: checkpoints, rates."""

    def begin(self, fit: Fit, callbacks: list[Any]) -> list[Any]:
        """Return the callbacks of fit, with its own; may change the start of the fit."""
