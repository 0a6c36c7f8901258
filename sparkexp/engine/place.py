"""The place of a process in the gang that trains one model."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Place"]


@dataclass(frozen=True)
class Place:
    """Which worker of its gang a process is, and where the others are.

    Parameters
    ----------
    rank : int
        Its number, from 0; worker 0 is the chief.
    size : int
        How many processes the gang has, parameter servers included.
    addresses : tuple of str
        ``host:port`` of each worker, by rank; empty where workers find each other otherwise.
    attempt : int
        How often the gang, or this worker of an asynchronous one, was started before.
    shared : str
        Path or URL of a directory for the gang's checkpoints. It outlives attempts and drivers.
    host : str
        The name by which the others reach this machine; empty if it isn't known.
    directory : str
        The directory of this worker's attempt, on this machine.
    """

    rank: int = 0
    size: int = 1
    addresses: tuple[str, ...] = ()
    attempt: int = 0
    shared: str = ""
    host: str = ""
    directory: str = ""
