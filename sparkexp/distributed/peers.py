"""What the checkpoints and rates of a training need of its gang."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np

__all__ = ["Peers", "gather_differing", "send_from_chief", "sum_plain"]

# What is sent at a time; a whole checkpoint would need as much memory again.
CHUNK_BYTES = 64 << 20


class Peers(Protocol):
    """The workers of a gang, as one of them sees them."""

    @property
    def rank(self) -> int: ...

    @property
    def size(self) -> int: ...

    def sum(self, values: Sequence[Any]) -> list[np.ndarray]:
        """Return the sums of arrays over all workers, in float64.

        Every worker calls it, in the same order.
        """
        ...


def send_from_chief(peers: Peers, content: bytes | None) -> bytes | None:
    """Return the chief's bytes on every worker; what the others give is ignored."""
    if peers.size == 1:
        return content
    chief = peers.rank == 0 and content is not None
    own = len(content) + 1 if chief and content is not None else 0
    n_bytes = int(peers.sum([np.array([own])])[0][0]) - 1
    if n_bytes < 0:
        return None
    parts = []
    for begin in range(0, n_bytes, CHUNK_BYTES):
        size = min(CHUNK_BYTES, n_bytes - begin)
        words = np.zeros(-(-size // 4), "int32")  # float64 holds such whole numbers exactly
        if chief and content is not None:
            words.view("uint8")[:size] = np.frombuffer(content, "uint8", size, begin)
        (summed,) = peers.sum([words])
        parts.append(summed.astype("int32").view("uint8")[:size].tobytes())
    return b"".join(parts)


def sum_plain(peers: Peers, arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Return the sums of arrays of any numbers, in their own types."""
    if peers.size == 1 or not arrays:
        return [*arrays]
    sums = peers.sum([array.astype("float64") for array in arrays])
    return [a.astype(b.dtype) for a, b in zip(sums, arrays, strict=True)]


def gather_differing(peers: Peers, arrays: Sequence[np.ndarray]) -> dict[int, np.ndarray]:
    """Return what each worker has of the arrays that aren't the same on all.

    Only these travel: layers that are not trained have many weights, and the same everywhere.

    Returns
    -------
    dict of int to numpy.ndarray
        By the array's place in the list, the workers' arrays in order of rank.
    """
    if peers.size == 1 or not arrays:
        return {}
    own = np.zeros((peers.size, len(arrays)))
    own[peers.rank] = [zlib.crc32(np.ascontiguousarray(array).tobytes()) for array in arrays]
    (digests,) = peers.sum([own])
    differing = [i for i in range(len(arrays)) if len({*digests[:, i].tolist()}) > 1]
    rows = []
    for index in differing:
        row = np.zeros((peers.size, *arrays[index].shape), arrays[index].dtype)
        row[peers.rank] = arrays[index]
        rows.append(row)
    return dict(zip(differing, sum_plain(peers, rows), strict=True))
