"""TensorBoard event files, written with the `tensorboard` package alone.

TensorBoard's own `EventFileWriter` imports TensorFlow wherever it is installed (seconds and half a
gigabyte per process), hence a writer of our own over TensorBoard's `RecordWriter`.
"""

from __future__ import annotations

import math
import os
import re
import socket
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tensorboard.compat.proto.summary_pb2 import Summary

__all__ = ["EventFile", "add_scalar", "is_plottable", "make_scalars_summary", "replace_surrogates"]

_NAME = re.compile(r"events\.out\.tfevents\.(\d+)\.")
_FLOAT32_MAX = 3.4028234663852886e38


def is_plottable(value: float) -> bool:
    """Tell whether TensorBoard can draw the value: finite, also as the float32 that it stores.

    Examples
    --------
    >>> is_plottable(0.5), is_plottable(float('nan')), is_plottable(1e300)
    (True, False, False)
    """
    return math.isfinite(value) and abs(value) <= _FLOAT32_MAX


def make_scalars_summary(values: Mapping[str, float]) -> Summary:
    """Return one summary with a scalar per tag.

    Examples
    --------
    >>> [value.tag for value in make_scalars_summary({'loss': 0.5, 'accuracy': 0.9}).value]
    ['loss', 'accuracy']
    """
    from tensorboard.compat.proto.summary_pb2 import Summary

    summary = Summary()
    for tag, value in values.items():
        add_scalar(summary, tag, value)
    return summary


def add_scalar(summary: Summary, tag: str, value: float, description: str = "") -> None:
    """Add a scalar to a summary, as a float32: what is beyond becomes infinite.

    TensorBoard's own `scalar_pb` writes the same bytes and takes three times as long.
    """
    from tensorboard.compat.proto.tensor_pb2 import TensorProto
    from tensorboard.compat.proto.tensor_shape_pb2 import TensorShapeProto
    from tensorboard.compat.proto.types_pb2 import DT_FLOAT
    from tensorboard.plugins.scalar.metadata import create_summary_metadata

    tensor = TensorProto(dtype=DT_FLOAT, float_val=[value], tensor_shape=TensorShapeProto())
    metadata = create_summary_metadata(display_name=None, description=description)
    summary.value.add(tag=replace_surrogates(tag), tensor=tensor, metadata=metadata)


def replace_surrogates(text: str) -> str:
    """Return the text without lone surrogates (of undecodable names), which protobuf refuses."""
    return text.encode("utf-8", "replace").decode()


class EventFile:
    """An event file in a directory, created with the first record.

    Its name sorts after those of all event files that are in the directory by then, whichever
    process or host wrote them: TensorBoard reads the files of a run in the order of their names
    and doesn't return to an older one.

    Parameters
    ----------
    directory : str or path
        Directory of the run; created where it is missing.

    Raises
    ------
    OSError
        By the methods, where the file system refuses.

    Examples
    --------
    >>> import os, tempfile
    >>> with tempfile.TemporaryDirectory() as directory:
    ...     with EventFile(directory) as events:
    ...         events.add_scalar('loss', 0.5, step=1)
    ...     [name.startswith('events.out.tfevents.') for name in os.listdir(directory)]
    [True]
    """

    def __init__(self, directory: str | os.PathLike[str]) -> None:
        self.directory = Path(directory)
        self._file: IO[bytes] | None = None
        self._records: Any = None
        self._closed = False

    @property
    def path(self) -> Path | None:
        """The file; None before the first record."""
        return None if self._file is None else Path(self._file.name)

    def add_summary(self, summary: Summary, step: int = 0, wall_time: float | None = None) -> None:
        """Append a summary; `wall_time` is a Unix time in seconds, now by default."""
        from tensorboard.compat.proto.event_pb2 import Event

        if self._closed:
            raise ValueError(f"The event file in {self.directory} is closed; open another one.")
        wall_time = time.time() if wall_time is None else wall_time
        if self._file is None:
            self._create()
        event = Event(wall_time=wall_time, step=step, summary=summary)
        self._records.write(event.SerializeToString())

    def add_scalar(self, tag: str, value: float, step: int) -> None:
        """Append one scalar."""
        self.add_summary(make_scalars_summary({tag: value}), step)

    def flush(self) -> None:
        """Hand what was written to the operating system."""
        if self._file is not None and not self._closed:
            self._file.flush()

    def close(self) -> None:
        """Flush and close the file; nothing can be added afterwards."""
        self._closed = True
        if self._file is not None:
            self._file.close()

    def __enter__(self) -> EventFile:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _create(self) -> None:
        from tensorboard.compat.proto.event_pb2 import Event
        from tensorboard.summary.writer.record_writer import RecordWriter

        self.directory.mkdir(parents=True, exist_ok=True)
        self._file = _create_newest(self.directory)
        self._records = RecordWriter(self._file)
        # Without this record, readers take the file for one of an old format.
        event = Event(wall_time=time.time(), file_version="brain.Event:2")
        self._records.write(event.SerializeToString())


def _create_newest(directory: Path) -> IO[bytes]:
    """Create a file whose name sorts after those of all event files in the directory."""
    host = re.sub(r"[^\w-]", "-", socket.gethostname()) or "host"
    present = [name for name in os.listdir(directory) if _NAME.match(name)]
    newest = max(present, default="")
    stamp_ns = time.time_ns()
    while True:
        seconds, nanoseconds = divmod(stamp_ns, 10**9)
        name = (
            f"events.out.tfevents.{seconds:010d}.{nanoseconds:09d}.{host}.{os.getpid()}.sparkexp"
        )
        if name <= newest:
            # Another writer's name of this very second (TensorFlow puts the host where we have
            # nanoseconds), or another host's clock is ahead.
            match = _NAME.match(newest)
            seconds = max(seconds, int(match[1]) if match else 0)
            stamp_ns = (seconds + 1) * 10**9
            continue
        try:
            return open(directory / name, "xb")
        except FileExistsError:
            stamp_ns += 1
