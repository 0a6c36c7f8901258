"""What must be the same on all workers before they train: else one waits for the others' steps."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from sparkexp.distributed.collectives import Collectives
from sparkexp.errors import InvalidArgumentError

__all__ = ["check_agreement"]


def check_agreement(gang: Collectives, call: str, numbers: Mapping[str, int | None]) -> None:
    """Compare the numbers of a call that all workers make.

    Parameters
    ----------
    gang : Collectives
        The workers.
    call : str
        The call, for the message.
    numbers : Mapping of str to int
        By their names, the same ones in the same order on all workers. None isn't known before
        training, and not compared.

    Raises
    ------
    InvalidArgumentError
        On all workers, if some of them have another number.
    """
    if gang.size == 1:
        return
    own = np.zeros((gang.size, len(numbers)))
    own[gang.rank] = [-1 if number is None else number for number in numbers.values()]
    (rows,) = gang.sum([own])
    different = []
    for name, column in zip(numbers, rows.T.tolist(), strict=True):
        if len({number for number in column if number >= 0}) > 1:
            told = [f"worker {k} has {n:.0f}" for k, n in enumerate(column) if n >= 0]
            different.append(f"{name}: {', '.join(told)}")
    if different:
        raise InvalidArgumentError(
            f"All workers must make the same steps in {call}, got different {'; '.join(different)}"
            ". Give all of them the same data and numbers, of which each takes its share. Where "
            "each has data of its own, say so as docs/distributed.md does under Data."
        )
