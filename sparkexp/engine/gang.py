"""What a gang is: several workers that train the model of one trial."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

from sparkexp.checks import as_float, as_int
from sparkexp.errors import InvalidArgumentError

__all__ = ["BatchSize", "Gang", "Strategy"]

Strategy = Literal["sync", "async"]
BatchSize = Literal["gang", "worker"]


@dataclass(frozen=True)
class Gang:
    """Several workers that train one model together, each in a slot of its own.

    Parameters
    ----------
    workers : int
        How many workers, at least 1.
    strategy : {'sync', 'async'}
        Whether all workers make each step together, with the sum of their gradients, or each
        sends its gradients to parameter servers and takes the newest weights from there.
    servers : int, optional
        With ``'async'``: how many parameter servers, each in a slot of its own; by default 1.
    min_workers : int, optional
        With ``'sync'``: with how many workers the training may go on if there are no slots for
        all after a worker was lost. By default it waits for all.
    batch_size : {'gang', 'worker'}
        Whether the ``batch_size`` given to ``fit`` is that of the gang, which its workers share
        out, or that of each worker.
    checkpoint_minutes : float, optional
        Minutes from checkpoint to checkpoint within an epoch. By default there is one after each
        epoch only; with ``'async'``, the servers write one every half minute.

    Raises
    ------
    InvalidArgumentError
        If a value breaks a rule.

    Examples
    --------
    >>> Gang(8).size, Gang(8, 'async', servers=2).size
    (8, 10)
    """

    workers: int
    strategy: Strategy = "sync"
    servers: int | None = None
    min_workers: int | None = None
    batch_size: BatchSize = "gang"
    checkpoint_minutes: float | None = None

    def __post_init__(self) -> None:
        as_int("workers", self.workers, at_least=1)
        known = get_args(Strategy)
        if self.strategy not in known:
            listed = " or ".join(map(repr, known))
            raise InvalidArgumentError(f"strategy must be {listed}, got {self.strategy!r}.")
        if self.batch_size not in get_args(BatchSize):
            raise InvalidArgumentError(
                "batch_size says whose the batch_size of fit is, 'gang' or 'worker', got "
                f"{self.batch_size!r}. The number itself belongs into the train function."
            )
        if self.servers is not None:
            as_int("servers", self.servers, at_least=1)
            if self.is_synchronous:
                raise InvalidArgumentError(
                    f"servers={self.servers} goes with strategy='async': workers that make each "
                    "step together need no parameter server. Leave it out."
                )
        if self.min_workers is not None:
            as_int("min_workers", self.min_workers, at_least=1)
            if not self.is_synchronous:
                raise InvalidArgumentError(
                    "min_workers goes with strategy='sync': asynchronous workers go on "
                    "without those that were lost anyway. Leave it out."
                )
            if self.min_workers > self.workers:
                raise InvalidArgumentError(
                    f"min_workers must be at most workers={self.workers}, got {self.min_workers}."
                )
        if self.checkpoint_minutes is not None:
            as_float("checkpoint_minutes", self.checkpoint_minutes, low=0, above=True)

    @property
    def is_synchronous(self) -> bool:
        """Whether its workers make each step together."""
        return self.strategy == "sync"

    @property
    def n_servers(self) -> int:
        """How many parameter servers it has."""
        return 0 if self.is_synchronous else self.servers or 1

    @property
    def size(self) -> int:
        """How many processes the gang has, each in a slot of its own."""
        return self.workers + self.n_servers

    @property
    def smallest(self) -> int:
        """The least number of processes with which it starts."""
        return self.min_workers or self.size

    def to_json(self) -> dict[str, Any]:
        """Return the gang as a dict that `json` can write; ``Gang(**record)`` reads it."""
        return asdict(self)

    def describe(self) -> str:
        """Return it in a few words, for the plan.

        Examples
        --------
        >>> Gang(4).describe()
        "4 workers, synchronous; fit's batch_size is that of all workers together"
        """
        servers = ""
        if self.n_servers:
            servers = f" and {self.n_servers} parameter server{'s' * (self.n_servers > 1)}"
        kind = "synchronous" if self.is_synchronous else "asynchronous"
        whose = "all workers together" if self.batch_size == "gang" else "each worker"
        plural = "s" * (self.workers > 1)
        return (
            f"{self.workers} worker{plural}{servers}, {kind}; fit's batch_size is that of {whose}"
        )
