"""What event files hold: which steps a search has written, which scalars a trial has.

This is a small reader, because TensorBoard's own ones load a whole run into memory.
"""

from __future__ import annotations

import os
import struct
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from sparkexp.storage.filesystems import is_remote
from sparkexp.storage.remote_files import fetch_directory, join_location
from sparkexp.tracking.tensorboard.hparams import MetricSpec

if TYPE_CHECKING:
    from tensorboard.compat.proto.event_pb2 import Event

__all__ = ["read_events", "read_last_steps", "read_scalar_metrics", "read_scalars"]

# Larger records hold graphs and pictures; what is looked for is small.
MAX_RECORD_BYTES = 1 << 20
# Enough for an epoch of every metric.
MAX_READ_BYTES = 4 << 20
_EVENTS = "events.out.tfevents."
_Group = Literal["", "train", "validation"]
_GROUPS: tuple[_Group, ...] = ("", "train", "validation")


def read_events(
    directory: str | os.PathLike[str],
    max_record_bytes: int = MAX_RECORD_BYTES,
    max_bytes: float = float("inf"),
) -> Iterator[Event]:
    """Read a directory's event files in the order in which TensorBoard does.

    A file is read up to the first record that is incomplete or damaged.

    Parameters
    ----------
    directory : str or path
        The directory; one that is missing has no events.
    max_record_bytes : int
        Larger records are skipped.
    max_bytes : float
        How far to read into each file.

    Raises
    ------
    OSError
        If a file can't be read.
    """
    from google.protobuf.message import DecodeError
    from tensorboard.compat.proto.event_pb2 import Event

    for path in sorted(Path(directory).glob(f"{_EVENTS}*")):
        with path.open("rb") as file:
            while file.tell() < max_bytes and len(header := file.read(12)) == 12:
                (length,) = struct.unpack("<Q", header[:8])
                if length > max_record_bytes:
                    file.seek(length + 4, os.SEEK_CUR)
                    continue
                record = file.read(length + 4)
                if len(record) < length + 4:
                    break
                try:
                    yield Event.FromString(record[:-4])
                except DecodeError:
                    break


def read_last_steps(directory: str | os.PathLike[str]) -> dict[str, int]:
    """Return the highest step of every tag in a directory's event files."""
    steps: dict[str, int] = {}
    for event in read_events(directory, max_record_bytes=1 << 26):
        for value in event.summary.value:
            steps[value.tag] = max(event.step, steps.get(value.tag, -1))
    return steps


def read_scalar_metrics(directory: str | os.PathLike[str]) -> list[MetricSpec]:
    """Return the scalars that a trial wrote, those of Keras's callback too.

    Parameters
    ----------
    directory : str or path
        The trial's directory, or its URL; Keras writes below it, to ``train`` and ``validation``.

    Raises
    ------
    OSError
        If a file can't be read.
    """
    found: dict[tuple[str, str], MetricSpec] = {}
    for group, _, value in _read_metrics(directory, MAX_READ_BYTES):
        found[group, value.tag] = MetricSpec(value.tag, group=group)
    return list(found.values())


def read_scalars(directory: str | os.PathLike[str]) -> dict[str, dict[int, float]]:
    """Return the scalars that a trial wrote: by name, and by step in ascending order.

    Where a step was written twice, as by a trial that was started again, the last value counts.

    Parameters
    ----------
    directory : str or path
        The trial's directory, or its URL. What Keras's callback writes below it is named
        ``'train/epoch_loss'``, ``'validation/epoch_loss'`` and so on.

    Raises
    ------
    OSError
        If a file can't be read.
    """
    found: dict[str, dict[int, float]] = {}
    for group, step, value in _read_metrics(directory):
        name = f"{group}/{value.tag}" if group else value.tag
        found.setdefault(name, {})[step] = _read_number(value)
    return {name: dict(sorted(points.items())) for name, points in found.items()}


def _read_metrics(
    directory: str | os.PathLike[str], max_bytes: float = float("inf")
) -> Iterator[tuple[_Group, int, Any]]:
    """Yield group, step and value of all scalars of a trial, in the order of its files."""
    if is_remote(directory):
        with tempfile.TemporaryDirectory() as copy:
            for group in _GROUPS:
                location = join_location(os.fspath(directory), group)
                fetch_directory(location, Path(copy, group), _EVENTS)
            yield from _read_metrics(copy, max_bytes)
        return
    for group in _GROUPS:
        for event in read_events(Path(directory, group), max_bytes=max_bytes):
            for value in event.summary.value:
                if _is_metric(value):
                    yield group, event.step, value


def _read_number(value: Any) -> float:
    from tensorboard.util.tensor_util import make_ndarray

    if value.WhichOneof("value") == "simple_value":
        return float(value.simple_value)
    return float(make_ndarray(value.tensor))


def _is_metric(value: Any) -> bool:
    # Keras writes its metrics by batch, too.
    by_batch = value.tag.startswith(("evaluation_", "batch_")) or "_vs_iterations" in value.tag
    return value.metadata.plugin_data.plugin_name == "scalars" and not by_batch
