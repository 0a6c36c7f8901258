"""The gang of this process: what `experiment.gang()` returns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sparkexp.distributed.collectives import Collectives
from sparkexp.distributed.devices import devices
from sparkexp.distributed.gradients import distribute
from sparkexp.distributed.sharing import share_examples
from sparkexp.errors import InvalidArgumentError

__all__ = ["CurrentGang", "GangApart", "activate", "gang"]

# A process is in one gang; the threads of a train function must see it.
_active: list[Collectives] = []


class GangApart(Collectives):
    """The workers of an asynchronous gang, which make no sums together."""

    def sum(self, values: Sequence[Any]) -> list[Any]:
        """Raise an error.

        Raises
        ------
        InvalidArgumentError
            Always.
        """
        raise InvalidArgumentError(
            "Sums over a gang, and its optimizer, need workers that make each step together, got "
            "strategy='async'. Use strategy='sync', or fit, whose gradients go to the servers."
        )


class CurrentGang:
    """The workers that train one model together, as one of them sees it.

    Outside a gang it is one of a single worker, so that a train function runs unchanged.
    """

    def __init__(self, inner: Collectives) -> None:
        self._inner = inner

    @property
    def rank(self) -> int:
        """The number of this worker, from 0."""
        return self._inner.rank

    @property
    def size(self) -> int:
        """How many workers there are."""
        return self._inner.size

    @property
    def is_chief(self) -> bool:
        """Whether this is worker 0: the one that writes files."""
        return self._inner.is_chief

    @property
    def devices(self) -> tuple[str, ...]:
        """The devices of this worker: its GPUs, or its CPUs if it has none; for `on_device`."""
        return devices()

    def share(self, dataset: Any, drop_remainder: bool = False) -> Any:
        """Return this worker's part of a `tf.data.Dataset` of single examples.

        Together the workers have each example once. Batch it afterwards, with the batch size of
        one worker. In fit and evaluate all workers make the same number of steps: one with fewer
        batches gets empty ones.

        Parameters
        ----------
        dataset : tf.data.Dataset
            The same on all workers.
        drop_remainder : bool
            Whether up to size - 1 examples at the end are left out, so that all workers have the
            same number. A training loop of your own needs that, since nothing else keeps the
            workers from making different numbers of steps.

        Returns
        -------
        tf.data.Dataset
            Every size-th example.
        """
        return share_examples(dataset, self._inner, drop_remainder)

    def optimizer(self, optimizer: Any) -> Any:
        """Let an optimizer of Keras average its gradients over the gang; for own training loops.

        All workers count the same, so their batches should have the same size. The optimizer of a
        compiled model needs no such call.

        Parameters
        ----------
        optimizer : keras.optimizers.Optimizer
            It must be applied by all workers, equally often.

        Returns
        -------
        keras.optimizers.Optimizer
            The same object.
        """
        if isinstance(self._inner, GangApart):
            self._inner.sum([])
        return distribute(optimizer, self._inner) if self._inner in _active else optimizer

    def broadcast(self, variables: Sequence[Any]) -> None:
        """Give all workers the chief's values of variables, such as a model's first weights."""
        with self._inner.calling("gang().broadcast"):
            self._inner.broadcast(variables)

    def sum(self, values: Any) -> Any:
        """Return the sum over the gang: of a number as float, of an array as array.

        Parameters
        ----------
        values : number, array, or list of these
            Of the same shapes on all workers, which must all call it.
        """
        if isinstance(values, (list, tuple)):
            return self._inner.sum(values)
        total = self._inner.sum([values])[0]
        return float(total) if total.ndim == 0 else total


def activate(inner: Collectives) -> None:
    """Make it the gang of this process, for the rest of its life."""
    _active.append(inner)


def gang() -> CurrentGang:
    """Return the gang that this process is in.

    Examples
    --------
    >>> from sparkexp.distributed.current import gang
    >>> gang().rank, gang().size, gang().is_chief
    (0, 1, True)
    """
    return CurrentGang(_active[-1] if _active else Collectives())
